/* chunks.jsonl.zst as stored, its lines, and object names and prefixes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "recording/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void names(const char *text, size_t len) {
    struct name n;
    struct name_prefix p;
    char again[NAME_SIZE], copy[NAME_KEY_SIZE];
    if (name_parse(text, len, &n)) {
        name_format(&n, again);
        if (strlen(again) != len || memcmp(again, text, len) != 0)
            abort(); /* one spelling only */
    }
    snprintf(copy, sizeof copy, "%.*s", (int)MIN_OF(len, sizeof copy - 1), text);
    if (name_prefix_parse(copy, &p) && (!name_key_valid(copy) || strstr(copy, "..")))
        abort();
}

static void lines(const char *text, size_t len) {
    struct buf packed, back;
    uint8_t root[MERKLE_HASH];
    uint64_t count;
    struct err e = { 0 };
    buf_init(&packed, 4 << 20);
    buf_init(&back, 4 << 20);
    if (list_pack(text, len, &packed, root, &count, &e) == 0) {
        uint8_t again[MERKLE_HASH];
        uint64_t recount;
        if (list_unpack(packed.data, packed.len, &back, &e) < 0)
            abort();
        buf_clear(&packed);
        if (list_pack(back.data, back.len, &packed, again, &recount, &e) < 0 || recount != count ||
            memcmp(root, again, sizeof root) != 0)
            abort();
    } else if (!*e.text) {
        abort();
    }
    buf_fini(&packed);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf text;
    buf_init(&text, 4 << 20);
    if (list_unpack(data, size, &text, NULL) == 0)
        lines(text.data, text.len);
    buf_fini(&text);
    lines((const char *)data, size);
    names((const char *)data, size);
    return 0;
}
