/* What a Kubernetes store knows of one kind: objects by namespace and name, fed by one watch a
 * namespace. Locked by its owner. */
#ifndef GUAC_CRD_KUBE_TABLE_H
#define GUAC_CRD_KUBE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct kube_row {
    char *key;        /* "namespace/name" */
    char version[64]; /* metadata.resourceVersion */
    void *item;
    unsigned seen; /* the list that last held it */
};

struct kube_table {
    struct kube_row *rows; /* sorted by key */
    size_t count, room;
    void (*drop)(void *item);
};

void kube_table_fini(struct kube_table *t);
struct kube_row *kube_table_find(const struct kube_table *t, const char *key);
/* Takes the item, whatever happens. False: an older version than what is there, or no memory. */
bool kube_table_put(struct kube_table *t, const char *key, const char *version, void *item,
                    unsigned seen);
/* Is this version news? The row is marked as seen. A list is the truth; an event that a watch
 * repeats, or tells late, is none. */
bool kube_table_is_news(struct kube_table *t, const char *key, const char *version, unsigned seen,
                        bool listed);
bool kube_table_remove(struct kube_table *t, const char *key);
/* Drops rows of this namespace (NULL: all) that list `seen` did not hold. True: there were some. */
bool kube_table_sweep(struct kube_table *t, const char *namespace, unsigned seen);

#endif
