/* Which recordings there are: <bucket>/<namespace>/<connection>/<yyyy>/<mm>/<dd>/<session>, walked
 * once and then looked at where new ones can come. A cache of the store's own listing, newest first
 * (sessions are UUIDv7); any thread may use it. */
#ifndef GUAC_EVIDENCE_TREE_H
#define GUAC_EVIDENCE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording/name.h"
#include "recording/store.h"

#define TREE_MAX 200000u /* recordings; older ones are left out */

struct tree;
/* `buckets`: names separated by blanks; "" for all that a folder store has, else for
 * guacamole-recordings. */
struct tree *tree_new(const char *buckets, bool folder, struct err *e);
void tree_free(struct tree *t);

/* Look again, where that is due (everything each ten minutes; today and yesterday each two seconds;
 * always == true: now). */
int tree_refresh(struct tree *t, struct store *s, bool always, struct err *e);

struct tree_entry {
    char id[UUID_LEN + 1], prefix[NAME_PREFIX_SIZE];
    char *summary; /* as kept, to be freed; NULL: none */
    bool final;    /* it will not change any more */
};
struct tree_filter {
    uint64_t from_ms, to_ms; /* 0: open */
    const char *connection;  /* "namespace/name" or "name"; NULL: all */
};
/* Up to `max` entries behind `after` ("": the newest). */
size_t tree_page(struct tree *t, const char *after, const struct tree_filter *f,
                 struct tree_entry *out, size_t max);
bool tree_find(struct tree *t, const char *id, char prefix[NAME_PREFIX_SIZE]);
void tree_keep(struct tree *t, const char *id, const char *summary, bool final);
size_t tree_count(struct tree *t);

#endif
