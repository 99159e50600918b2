/* What a catalogue implementation sees: the front's part of struct catalog, and its vtable. */
#ifndef GUAC_CRD_CATALOG_IMPL_H
#define GUAC_CRD_CATALOG_IMPL_H

#include "crd/catalog.h"
#include "crd/changes.h"

struct catalog_impl {
    const char *name;
    /* Any thread; may block. */
    int (*secret)(struct catalog *s, const char *namespace, const char *name,
                  struct secret_set *out, struct err *e);
    /* Ends threads, frees the whole of it but the front's part. */
    void (*free)(struct catalog *s);
};

/* First member of an implementation's struct. */
struct catalog {
    const struct catalog_impl *impl;
    struct changes changes;
    struct snapshot *current;
    void (*watcher)(void *arg);
    void *watcher_arg;
    int64_t current_at; /* clock_ms; -1: never */
};

/* With an empty snapshot. */
int catalog_init(struct catalog *s, const struct catalog_impl *impl, struct err *e);
void catalog_fini(struct catalog *s);
/* Build: NULL without memory. Adding takes a new reference; beyond CATALOG_CONNECTIONS_MAX a
 * problem is noted instead. */
struct snapshot *snapshot_new(void);
int snapshot_add(struct snapshot *s, struct connection *c);
int snapshot_add_policy(struct snapshot *s, struct environment_policy *p);
void snapshot_problem(struct snapshot *s, const char *source, const char *error);
/* Sorts, gives it the next generation, makes it current, wakes who waits. Takes the reference. */
void catalog_publish(struct catalog *s, struct snapshot *next);
void catalog_current(struct catalog *s, int64_t at); /* it is right as of then (clock_ms) */

#endif
