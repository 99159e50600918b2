/* What a store's implementation sees: the front's part of struct resources, and its vtable. */
#ifndef GUAC_CRD_RESOURCES_IMPL_H
#define GUAC_CRD_RESOURCES_IMPL_H

#include "crd/changes.h"
#include "crd/resources.h"

enum resources_change { RESOURCES_CREATE, RESOURCES_SPEC, RESOURCES_STATUS };

struct resources_impl {
    const char *name;
    /* Any thread; may block. Outputs are never NULL pointers here. */
    enum resources_result (*get)(struct resources *s, enum resource_kind kind,
                                 const char *namespace, const char *name, struct resource **out,
                                 struct err *e);
    enum resources_result (*list)(struct resources *s, enum resource_kind kind,
                                  const char *namespace, struct resources_view *out, struct err *e);
    enum resources_result (*change)(struct resources *s, enum resources_change what,
                                    const struct resource *r, struct resource **out, struct err *e);
    enum resources_result (*remove)(struct resources *s, enum resource_kind kind,
                                    const char *namespace, const char *name, const char *version,
                                    struct err *e);
    /* Ends threads, frees the whole of it but the front's part. */
    void (*free)(struct resources *s);
};

/* First member of an implementation's struct. */
struct resources {
    const struct resources_impl *impl;
    struct changes changes;
    struct resources_view *current[RESOURCE_KINDS];
    int64_t current_at[RESOURCE_KINDS]; /* clock_ms; -1: never */
    void (*watcher)(void *arg, enum resource_kind kind);
    void *watcher_arg;
};

/* With empty views. */
int resources_init(struct resources *s, const struct resources_impl *impl, struct err *e);
void resources_fini(struct resources *s);
/* Build: NULL without memory. Adding takes a new reference. */
struct resources_view *resources_view_new(enum resource_kind kind);
int resources_view_add(struct resources_view *v, struct resource *r);
void resources_view_problem(struct resources_view *v, const char *source, const char *error);
void resources_view_sort(struct resources_view *v);
/* Sorts, gives it the next generation, makes it current, wakes who waits. Takes the reference. */
void resources_publish(struct resources *s, struct resources_view *next);
/* The view is right as of then (clock_ms); -1: it is not whole yet. */
void resources_current(struct resources *s, enum resource_kind kind, int64_t at);

#endif
