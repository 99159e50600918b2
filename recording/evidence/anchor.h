/* What an auditor holds from elsewhere, and a whole log is measured by: keys, earlier checkpoints
 * (a note's file, SIZE:ROOT), places of leaves (the audit events that a SIEM kept), an authority's
 * certificates for the time stamps. */
#ifndef GUAC_EVIDENCE_ANCHOR_H
#define GUAC_EVIDENCE_ANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording/evidence/verify.h"
#include "recording/merkle.h"
#include "recording/note.h"

#define ANCHOR_TREES_MAX 64

struct anchor {
    struct verify_anchor keys;
    struct sign_key *public_keys[VERIFY_KEYS_MAX]; /* those of `keys` that were given whole */
    struct anchor_tree {
        char name[256]; /* the file, or the text */
        uint64_t size;
        uint8_t root[MERKLE_HASH];
        bool met;
    } trees[ANCHOR_TREES_MAX];
    size_t tree_count;
    struct anchor_leaf {
        uint64_t index;
        uint8_t hash[MERKLE_HASH];
    } * leaves; /* by index */
    size_t leaf_count;
    const char *leaf_name, *tsa_ca;
};

/* A PEM file with a public key, or a fingerprint. */
int anchor_key(struct anchor *a, const char *text, struct err *e);
/* A file with a checkpoint (its signature is checked when a key is given), or SIZE:ROOT in hex. */
int anchor_tree(struct anchor *a, const char *text, struct err *e);
/* A file of audit events, one JSON object a line; others than log-… are passed over. */
int anchor_events(struct anchor *a, const char *path, struct err *e);
void anchor_fini(struct anchor *a);

#endif
