/* What a store implementation sees: the front's part of struct store, and its vtable. */
#ifndef GUAC_CRD_STORE_IMPL_H
#define GUAC_CRD_STORE_IMPL_H

#include <pthread.h>

#include "crd/store.h"

struct store_impl {
    const char *name;
    /* Any thread; may block. */
    int (*secret)(struct store *s, const char *namespace, const char *name, struct secret_set *out,
                  struct err *e);
    /* Ends threads, frees the whole of it but the front's part. */
    void (*free)(struct store *s);
};

/* First member of an implementation's struct. */
struct store {
    const struct store_impl *impl;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct snapshot *current;
    void (*watcher)(void *arg);
    void *watcher_arg;
    uint64_t generation;
};

/* With an empty snapshot. */
int store_init(struct store *s, const struct store_impl *impl, struct err *e);
void store_fini(struct store *s);
/* Build: NULL without memory. Adding takes a new reference; beyond STORE_CONNECTIONS_MAX a problem
 * is noted instead. */
struct snapshot *snapshot_new(void);
int snapshot_add(struct snapshot *s, struct connection *c);
int snapshot_add_policy(struct snapshot *s, struct environment_policy *p);
void snapshot_problem(struct snapshot *s, const char *source, const char *error);
/* Sorts, gives it the next generation, makes it current, wakes who waits. Takes the reference. */
void store_publish(struct store *s, struct snapshot *next);

#endif
