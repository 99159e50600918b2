/* A chunk as somebody stored it: parsed, expanded, named. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "recording/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct chunk_codec *codec;
    static struct sign_key *key;
    struct chunk c, h;
    struct err e = { 0 };
    if (!codec) {
        static const uint8_t seed[SIGN_KEY_LEN] = { 1 };
        codec = chunk_codec_new(1, NULL);
        key = sign_key_from_seed(seed, NULL);
    }
    if (chunk_parse_header(data, size, &h, &e) == 0) {
        char name[NAME_SIZE], head[HASH_HEX];
        struct name n;
        chunk_name(&h.h, name);
        if (!name_parse(name, strlen(name), &n) || n.n != h.h.n || n.chain != h.h.kind)
            abort();
        chunk_head(&h, head);
    }
    if (chunk_parse(data, size, &c, &e) == 0) {
        struct buf raw;
        buf_init(&raw, CHUNK_RAW_MAX);
        chunk_check(&c, key, &e);
        if (chunk_expand(codec, &c, &raw, &e) == 0 && raw.len != c.h.raw)
            abort();
        buf_fini(&raw);
    }
    return 0;
}
