/* RFC 6962 hashing as a binary counter of subtrees. */
#include "recording/merkle.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"

void merkle_init(struct merkle *m) {
    m->count = 0;
}

void merkle_leaf(const void *data, size_t len, uint8_t out[MERKLE_HASH]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, "\0", 1) != 1 || EVP_DigestUpdate(ctx, data, len) != 1 ||
        EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        abort(); /* no memory: a wrong hash would be worse */
    EVP_MD_CTX_free(ctx);
}

void merkle_node(const uint8_t left[MERKLE_HASH], const uint8_t right[MERKLE_HASH],
                 uint8_t out[MERKLE_HASH]) {
    uint8_t both[1 + 2 * MERKLE_HASH] = { 1 };
    memcpy(both + 1, left, MERKLE_HASH);
    memcpy(both + 1 + MERKLE_HASH, right, MERKLE_HASH);
    sha256(both, sizeof both, out);
}

void merkle_add(struct merkle *m, const void *data, size_t len) {
    uint8_t hash[MERKLE_HASH];
    merkle_leaf(data, len, hash);
    int level = 0;
    for (uint64_t c = m->count; c & 1; c >>= 1, level++)
        merkle_node(m->pending[level], hash, hash);
    memcpy(m->pending[level], hash, MERKLE_HASH);
    m->count++;
}

void merkle_root(const struct merkle *m, uint8_t out[MERKLE_HASH]) {
    if (m->count == 0) {
        sha256("", 0, out);
        return;
    }
    int level = 0;
    while (!(m->count >> level & 1))
        level++;
    memcpy(out, m->pending[level], MERKLE_HASH);
    for (level++; level < 64 && m->count >> level; level++)
        if (m->count >> level & 1)
            merkle_node(m->pending[level], out, out);
}
