/* Where the gateway's own resources live: a folder, or the Kubernetes API; one interface, one test
 * suite. Readers hold immutable views and wait for nobody. Changes go to the store itself and say
 * what became of them; the version of a resource decides between two who change it at one moment.
 * Everything here may be called from any thread. */
#ifndef GUAC_CRD_RESOURCES_H
#define GUAC_CRD_RESOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "crd/resource.h"
#include "guacd/base/err.h"

#define RESOURCES_MAX 50000 /* of one kind; more are left out, with a problem noted */
#define RESOURCES_STALE_MS \
    300000 /* a view older than this counts as locked for marked connections */

enum resources_result {
    RESOURCES_OK,
    RESOURCES_CONFLICT,   /* somebody else changed it: read it again, decide again */
    RESOURCES_EXISTS,     /* create: the name is taken */
    RESOURCES_NOT_FOUND,  /* gone, or never there */
    RESOURCES_REFUSED,    /* the store does not let us (RBAC, admission, file modes) */
    RESOURCES_INVALID,    /* the store finds it wrong; e says what */
    RESOURCES_UNAVAILABLE /* no answer, or nonsense: nothing is known about what became of it */
};
const char *resources_result_name(enum resources_result r); /* "conflict" */

/* What is known of one kind. */
struct resources_view {
    _Atomic unsigned refs;
    enum resource_kind kind;
    uint64_t generation;     /* of this process; differs after each change */
    struct resource **items; /* sorted by namespace, name; wrong ones too, with their errors */
    size_t count;
    json_t *problems; /* [{"source","errors":[…]}]: what is no resource at all */
};
struct resources_view *resources_view_ref(struct resources_view *v);
void resources_view_unref(struct resources_view *v); /* NULL is fine */
struct resource *resources_view_find(const struct resources_view *v, const char *namespace,
                                     const char *name); /* borrowed; NULL: none */

struct resources;
/* A folder that this program may write: one file a resource, <plural>/<namespace>.<name>.yaml, by
 * atomic rename; several processes may share it. Made when it is missing. */
struct resources *resources_folder_new(const char *folder, struct err *e);
struct cluster;
/* The Kubernetes API; `k` outlives it. Views are empty, and of no age, until the API server
 * answers. */
struct resources *resources_cluster_new(struct cluster *k, struct err *e);
void resources_free(struct resources *s); /* NULL is fine; ends its threads */

struct resources_view *resources_view(struct resources *s,
                                      enum resource_kind kind); /* new reference */
/* Milliseconds since the view was known to be current; INT64_MAX: never yet. */
int64_t resources_age_ms(struct resources *s, enum resource_kind kind);
/* Called after each new view, from a thread of the store's; one watcher. */
void resources_watch(struct resources *s, void (*fn)(void *arg, enum resource_kind kind),
                     void *arg);
uint64_t resources_generation(struct resources *s); /* grows with each new view of any kind */
/* Waits until the generation differs from `known`, at most timeout_ms; returns the current one. */
uint64_t resources_wait(struct resources *s, uint64_t known, int timeout_ms);

/* From the store itself, past the view; *out is a new reference. Blocking, some seconds at most. */
enum resources_result resources_get(struct resources *s, enum resource_kind kind,
                                    const char *namespace, const char *name, struct resource **out,
                                    struct err *e);
/* All of a namespace (NULL: of all that are watched), as the store has them now. */
enum resources_result resources_list(struct resources *s, enum resource_kind kind,
                                     const char *namespace, struct resources_view **out,
                                     struct err *e);
/* Create without status. `out` (may be NULL): what the store made of it, with uid and version. */
enum resources_result resources_create(struct resources *s, const struct resource *r,
                                       struct resource **out, struct err *e);
/* Replace spec, or status, of exactly r->version; the other half stays as the store has it. */
enum resources_result resources_update(struct resources *s, const struct resource *r,
                                       struct resource **out, struct err *e);
enum resources_result resources_update_status(struct resources *s, const struct resource *r,
                                              struct resource **out, struct err *e);
/* version NULL: whatever it is by now. */
enum resources_result resources_delete(struct resources *s, enum resource_kind kind,
                                       const char *namespace, const char *name, const char *version,
                                       struct err *e);

#endif
