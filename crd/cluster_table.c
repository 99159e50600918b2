#include "crd/cluster_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crd/watch_lines.h"

static size_t place(const struct cluster_table *t, const char *key) {
    size_t lo = 0, hi = t->count;
    if (hi && strcmp(t->rows[hi - 1].key, key) < 0)
        return hi; /* a list comes in order */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(t->rows[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct cluster_row *cluster_table_find(const struct cluster_table *t, const char *key) {
    size_t i = place(t, key);
    return i < t->count && strcmp(t->rows[i].key, key) == 0 ? &t->rows[i] : NULL;
}

bool cluster_table_is_news(struct cluster_table *t, const char *key, const char *version,
                           unsigned seen, bool listed) {
    struct cluster_row *row = cluster_table_find(t, key);
    if (!row)
        return true;
    row->seen = seen;
    return strcmp(row->version, version) != 0 &&
           (listed || watch_version_compare(version, row->version) >= 0);
}

bool cluster_table_put(struct cluster_table *t, const char *key, const char *version, void *item,
                       unsigned seen) {
    struct cluster_row *row = cluster_table_find(t, key);
    if (row) {
        t->drop(row->item);
        row->item = item;
        row->seen = seen;
        snprintf(row->version, sizeof row->version, "%s", version);
        return true;
    }
    size_t at = place(t, key);
    if (t->count == t->room) {
        size_t room = t->room ? t->room * 2 : 64;
        struct cluster_row *p = realloc(t->rows, room * sizeof *p);
        if (!p) {
            t->drop(item);
            return false;
        }
        t->rows = p;
        t->room = room;
    }
    char *copy = strdup(key);
    if (!copy) {
        t->drop(item);
        return false;
    }
    memmove(t->rows + at + 1, t->rows + at, (t->count - at) * sizeof *t->rows);
    t->rows[at] = (struct cluster_row){ .key = copy, .item = item, .seen = seen };
    snprintf(t->rows[at].version, sizeof t->rows[at].version, "%s", version);
    t->count++;
    return true;
}

static void drop_row(struct cluster_table *t, struct cluster_row *row) {
    t->drop(row->item);
    free(row->key);
}

bool cluster_table_remove(struct cluster_table *t, const char *key) {
    struct cluster_row *row = cluster_table_find(t, key);
    if (!row)
        return false;
    size_t at = (size_t)(row - t->rows);
    drop_row(t, row);
    memmove(row, row + 1, (t->count - at - 1) * sizeof *row);
    t->count--;
    return true;
}

bool cluster_table_sweep(struct cluster_table *t, const char *namespace, unsigned seen) {
    size_t kept = 0, n = namespace ? strlen(namespace) : 0, before = t->count;
    for (size_t i = 0; i < t->count; i++) {
        struct cluster_row *row = &t->rows[i];
        bool ours = !namespace || (strncmp(row->key, namespace, n) == 0 && row->key[n] == '/');
        if (ours && row->seen != seen)
            drop_row(t, row);
        else
            t->rows[kept++] = *row;
    }
    t->count = kept;
    return kept != before;
}

void cluster_table_fini(struct cluster_table *t) {
    for (size_t i = 0; i < t->count; i++)
        drop_row(t, &t->rows[i]);
    free(t->rows);
    *t = (struct cluster_table){ 0 };
}
