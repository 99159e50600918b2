/* A spool's log after a crash: any bytes; and bytes with a right sum, which a crash does not make.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "recording/recorder/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const uint8_t *data, size_t size) {
    struct record r;
    size_t used;
    while (record_parse(data, size, &r, &used) == RECORD_OK) {
        struct buf again;
        if (used <= RECORD_HEADER || used > size)
            abort();
        buf_init(&again, RECORD_BODY_MAX + RECORD_HEADER);
        int made = r.type == RECORD_FRAME
                       ? record_add_frame(&again, &r.frame, r.data.data)
                       : record_add_object(&again, &r.entry, r.data.data, r.data.len);
        if (made < 0 || again.len != used || memcmp(again.data, data, used) != 0)
            abort(); /* one spelling only */
        buf_fini(&again);
        data += used;
        size -= used;
    }
}

/* As record.c sums. */
static uint64_t sum(uint64_t h, const uint8_t *p, size_t len) {
    for (; len > 0; p += 8, len -= MIN_OF(len, (size_t)8)) {
        uint64_t w = 0;
        memcpy(&w, p, MIN_OF(len, (size_t)8));
        h = (h ^ w) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    walk(data, size);
    if (size < RECORD_HEADER)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    size_t body = size - RECORD_HEADER, seam = 0;
    for (int i = 0; i < 4; i++)
        copy[i] = (uint8_t)(body >> (8 * i));
    copy[5] = copy[6] = copy[7] = 0;
    const uint8_t *p = copy + RECORD_HEADER;
    if (copy[4] == RECORD_FRAME)
        seam = MIN_OF(body, (size_t)TAP_HEADER);
    else if (copy[4] == RECORD_OBJECT && body >= 4)
        seam = MIN_OF(body, 4 + (size_t)(p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                                         (uint32_t)p[3] << 24));
    uint64_t s = sum(sum(0x6a09e667f3bcc908u ^ body, p, seam), p + seam, body - seam);
    memcpy(copy + 8, &s, 8);
    walk(copy, size);
    free(copy);
    return 0;
}
