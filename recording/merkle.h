/* Merkle tree hash of RFC 6962 section 2.1 over a list of leaves, added one by one in constant
 * memory: one pending subtree a bit of the count. */
#ifndef GUAC_RECORDING_MERKLE_H
#define GUAC_RECORDING_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#define MERKLE_HASH 32

struct merkle {
    uint64_t count;
    uint8_t pending[64][MERKLE_HASH]; /* [i]: root of a full subtree of 2^i leaves */
};

void merkle_init(struct merkle *m);
void merkle_leaf(const void *data, size_t len, uint8_t out[MERKLE_HASH]); /* H(0x00 | data) */
void merkle_node(const uint8_t left[MERKLE_HASH], const uint8_t right[MERKLE_HASH],
                 uint8_t out[MERKLE_HASH]); /* H(0x01 | l | r) */
void merkle_add(struct merkle *m, const void *data, size_t len);
/* The tree's hash; of an empty list H(""). The state stays usable. */
void merkle_root(const struct merkle *m, uint8_t out[MERKLE_HASH]);

#endif
