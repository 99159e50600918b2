/* Where resources come from: a folder of YAML here, the Kubernetes API later, behind one interface
 * with one test suite. A catalogue publishes immutable snapshots; readers hold one by reference and
 * never wait for a writer. Everything here may be called from any thread. */
#ifndef GUAC_CRD_CATALOG_H
#define GUAC_CRD_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "crd/connection.h"
#include "crd/environment.h"
#include "guacd/base/err.h"
#include "guacd/base/secret.h"

#define CATALOG_CONNECTIONS_MAX 20000
#define CATALOG_SECRET_KEYS_MAX 32

struct snapshot {
    _Atomic unsigned refs;
    uint64_t generation; /* of this process; begins at its start's Unix ms, so never repeats */
    struct connection **connections; /* sorted by namespace, name, usable ones first */
    size_t count;
    struct environment_policy **policies;
    size_t policy_count;
    json_t *problems; /* [{"source","errors":[…]}]: what is wrong and is no connection */
};
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL is fine */
/* Borrowed from the snapshot; NULL when there is none of that name. */
struct connection *snapshot_find(const struct snapshot *s, const char *namespace, const char *name);

/* A Secret's content, wiped on fini. Keys are parameter names. */
struct secret_set {
    struct secret_item {
        char key[64];
        struct secret value;
    } items[CATALOG_SECRET_KEYS_MAX];
    size_t count;
};
int secret_set_add(struct secret_set *s, const char *key, const void *data, size_t len,
                   struct err *e);
void secret_set_fini(struct secret_set *s); /* zeroed is valid */

struct catalog;

/* The folder's *.yaml and *.yml, live (inotify, and a look every few seconds where that is blind),
 * and Secrets as `<folder>/secrets/<namespace>/<name>/<key>` or as Secret documents; both are
 * refused when others than owner and group can read them. */
struct catalog *catalog_folder_new(const char *folder, struct err *e);
struct cluster;
struct resources;
/* The Kubernetes API; `k` outlives it. Connections appear once they and the policies were listed.
 * Writes conditions, active sessions and the last recording into each connection's status; the
 * latter two from `sessions`, which may be NULL and outlives it. */
struct catalog *catalog_cluster_new(struct cluster *k, struct resources *sessions, struct err *e);
/* Milliseconds since the snapshot was known to be current; INT64_MAX: never yet. */
int64_t catalog_age_ms(struct catalog *s);
void catalog_free(struct catalog *s);                 /* ends its thread */
struct snapshot *catalog_snapshot(struct catalog *s); /* a new reference, never NULL */
/* Called after each new snapshot, from the catalogue's thread; one watcher. */
void catalog_watch(struct catalog *s, void (*fn)(void *arg), void *arg);
/* Waits until the generation differs from `known`, at most timeout_ms; returns the current one. */
uint64_t catalog_wait(struct catalog *s, uint64_t known, int timeout_ms);
/* Read a Secret, at the moment it is needed. Zero `out` first. */
int catalog_secret(struct catalog *s, const char *namespace, const char *name,
                   struct secret_set *out, struct err *e);

#endif
