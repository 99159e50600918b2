/* Proofs over a log (RFC 6962 sections 2.1.1 and 2.1.2), made from C2SP tlog-tiles of height 8 and
 * checked without them. The checks are pure; making asks a source for tiles. */
#ifndef GUAC_RECORDING_PROOF_H
#define GUAC_RECORDING_PROOF_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "recording/merkle.h"

#define PROOF_MAX 64 /* hashes */
#define PROOF_TILE 256u

struct proof {
    size_t count;
    uint8_t hashes[PROOF_MAX][MERKLE_HASH];
};

/* The first `count` (1 to 256) hashes of tile `n` at `level`: each the root of 256^level leaves.
 * Asked only for what a tree of the size in question has. */
struct proof_source {
    int (*tile)(void *arg, unsigned level, uint64_t n, unsigned count, uint8_t (*out)[MERKLE_HASH],
                struct err *e);
    void *arg;
};

/* Of a tree of `size` leaves. index < size; 0 < from <= to. -1: only by the source. */
int proof_root(const struct proof_source *s, uint64_t size, uint8_t out[MERKLE_HASH],
               struct err *e);
int proof_inclusion(const struct proof_source *s, uint64_t index, uint64_t size, struct proof *out,
                    struct err *e);
int proof_consistency(const struct proof_source *s, uint64_t from, uint64_t to, struct proof *out,
                      struct err *e);

/* 0, or -1 with e saying that the leaf is not in that tree, or the one tree not in the other. */
int proof_check_inclusion(const struct proof *p, const uint8_t leaf[MERKLE_HASH], uint64_t index,
                          uint64_t size, const uint8_t root[MERKLE_HASH], struct err *e);
int proof_check_consistency(const struct proof *p, uint64_t from,
                            const uint8_t from_root[MERKLE_HASH], uint64_t to,
                            const uint8_t to_root[MERKLE_HASH], struct err *e);

#endif
