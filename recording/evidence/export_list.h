/* The sessions of an export as they lie on disk, newest first: an id a line, and a byte of marks
 * each, both mapped. */
#ifndef GUAC_EVIDENCE_EXPORT_LIST_H
#define GUAC_EVIDENCE_EXPORT_LIST_H

#include <stddef.h>
#include <sys/types.h>

#include "guacd/base/enc.h"
#include "guacd/base/err.h"

#define EXPORT_LINE (UUID_LEN + 1)

enum export_mark {
    EXPORT_HAS_OPEN = 1, /* copied into the bag */
    EXPORT_HAS_SEAL = 2,
    EXPORT_LOG_OPEN = 4, /* its leaf is in the bag's log */
    EXPORT_LOG_SEAL = 8,
};

struct export_list {
    const char *ids;
    unsigned char *marks;
    size_t count;
};
int export_list_open(struct export_list *l, int ids, int marks, size_t count, struct err *e);
void export_list_fini(struct export_list *l);
void export_list_id(const struct export_list *l, size_t i, char out[UUID_LEN + 1]);
ssize_t export_list_find(const struct export_list *l, const char *id); /* -1: not among them */
/* Merkle root over the ids, ascending, as hex. */
void export_list_root(const struct export_list *l, char out[65]);

#endif
