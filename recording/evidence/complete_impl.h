/* Between complete.c (the whole), complete_leaves.c (one pass over the log) and complete_stamps.c.
 */
#ifndef GUAC_EVIDENCE_COMPLETE_IMPL_H
#define GUAC_EVIDENCE_COMPLETE_IMPL_H

#include "recording/evidence/complete.h"

/* A session as its leaves tell it. */
struct complete_one {
    char id[UUID_LEN + 1];
    char *prefix;
    uint64_t open_index, seal_index;
    unsigned opens, seals;
    bool expired;
    char open_sha256[65], seal_sha256[65];
};

/* A key that was declared compromised, by the leaf at `index`. */
struct complete_fallen {
    char id[SIGN_KEYID_LEN + 1];
    int64_t since; /* Unix ms */
    uint64_t index;
};

/* A bag's stamped checkpoint, measured on the way. */
struct complete_stamped {
    uint64_t size;
    uint8_t root[MERKLE_HASH];
    bool fits;
};

struct complete_pass {
    const struct complete_want *w;
    struct complete_report *out;
    struct verify_anchor keys;                  /* those given, and those they handed over to */
    struct sign_key *followed[VERIFY_KEYS_MAX]; /* the latter */
    size_t followed_count;
    struct complete_fallen fallen[VERIFY_KEYS_MAX];
    size_t fallen_count;
    struct log log;
    struct merkle tree;
    struct complete_one *list; /* in the order of their first leaf; then by id */
    size_t count, cap;
    int64_t *at; /* of each leaf */
    uint8_t head_root[MERKLE_HASH];
    struct note note;
    struct buf note_bytes;
    struct complete_stamped *stamped; /* by size; of bags */
    size_t stamped_count, stamped_next;
    size_t event; /* next of the anchor's leaves */
    struct err *e;
};

void complete_note(struct complete_pass *p, const char *object, const char *text);
void complete_problem(struct complete_pass *p, const char *object, const char *text,
                      const char *anchor);
/* The leaf behind which this key is worth nothing; NULL: it was never declared compromised. */
const struct complete_fallen *complete_fallen(const struct complete_pass *p, const char *id);
int complete_leaf(void *arg, uint64_t index, struct slice text); /* for log_each() */
void complete_stamps(struct complete_pass *p);
int complete_stamps_load(struct complete_pass *p); /* of a bag, before the leaves */

#endif
