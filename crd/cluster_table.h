/* What a Kubernetes store knows of one kind: objects by namespace and name, fed by one watch a
 * namespace. Locked by its owner. */
#ifndef GUAC_CRD_CLUSTER_TABLE_H
#define GUAC_CRD_CLUSTER_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct cluster_row {
    char *key;        /* "namespace/name" */
    char version[64]; /* metadata.resourceVersion */
    void *item;
    unsigned seen; /* the list that last held it */
};

struct cluster_table {
    struct cluster_row *rows; /* sorted by key */
    size_t count, room;
    void (*drop)(void *item);
};

void cluster_table_fini(struct cluster_table *t);
struct cluster_row *cluster_table_find(const struct cluster_table *t, const char *key);
/* Takes the item, whatever happens. False: an older version than what is there, or no memory. */
bool cluster_table_put(struct cluster_table *t, const char *key, const char *version, void *item,
                       unsigned seen);
/* Is this version news? The row is marked as seen. A list is the truth; an event that a watch
 * repeats, or tells late, is none. */
bool cluster_table_is_news(struct cluster_table *t, const char *key, const char *version,
                           unsigned seen, bool listed);
bool cluster_table_remove(struct cluster_table *t, const char *key);
/* Drops rows of this namespace (NULL: all) that list `seen` did not hold. True: there were some. */
bool cluster_table_sweep(struct cluster_table *t, const char *namespace, unsigned seen);

#endif
