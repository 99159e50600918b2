/* log/head, bundles of entries, and a proof over what the head holds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recording/tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *arg, size_t i, struct slice leaf) {
    size_t *n = arg;
    *n = i + 1 + (leaf.len > 1u << 16);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct tail *t = malloc(sizeof *t);
    struct buf again;
    struct err e = { 0 };
    size_t n = 0;
    buf_init(&again, TAIL_MAX);
    tail_init(t);
    if (tail_parse(data, size, t, &e) == 0) {
        if (tail_write(t, &again) < 0 || again.len != size || memcmp(again.data, data, size) != 0)
            abort(); /* one spelling */
        struct tail_tile tiles[TAIL_LEVELS + 2];
        for (size_t i = tail_tiles(t, tiles, TAIL_LEVELS + 2); i-- > 0;)
            buf_fini(&tiles[i].data);
        uint8_t root[MERKLE_HASH];
        memcpy(root, t->root, sizeof root);
        tail_advance(t);
        tail_seal(t);
        if (memcmp(root, t->root, sizeof root) != 0)
            abort(); /* writing tiles out changes no tree */
    } else if (!*e.text) {
        abort();
    }
    tail_bundle_each(data, size, count, &n, NULL);
    if (n > PROOF_TILE)
        abort();
    tail_fini(t);
    free(t);
    buf_fini(&again);
    return 0;
}
