/* Writing and reading the spool's records. */
#include "recording/recorder/record.h"

#include <string.h>

/* Not a cryptographic hash: nobody who can write the spool needs to be kept out by it. Eight bytes
 * a step, so that it costs next to nothing. */
static uint64_t sum_more(uint64_t h, const void *data, size_t len) {
    const uint8_t *p = data;
    for (; len > 0; p += 8, len -= MIN_OF(len, (size_t)8)) {
        uint64_t w = 0;
        memcpy(&w, p, MIN_OF(len, (size_t)8));
        h = (h ^ w) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return h;
}

static uint64_t sum_start(size_t len) {
    return 0x6a09e667f3bcc908u ^ len;
}

static void put(uint8_t *p, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* Header and the two parts of a body. The sum runs over both apart, so that neither is copied. */
static int add(struct buf *out, enum record_type type, const void *a, size_t a_len, const void *b,
               size_t b_len) {
    uint8_t header[RECORD_HEADER] = { 0 };
    size_t len = a_len + b_len;
    put(header, len, 4);
    header[4] = (uint8_t)type;
    put(header + 8, sum_more(sum_more(sum_start(len), a, a_len), b, b_len), 8);
    size_t start = out->len;
    if (buf_reserve(out, RECORD_HEADER + len) && buf_add(out, header, sizeof header) == 0 &&
        buf_add(out, a, a_len) == 0 && buf_add(out, b, b_len) == 0)
        return 0;
    out->len = start;
    out->failed = false;
    return -1;
}

int record_add_frame(struct buf *out, const struct tap_header *h, const void *data) {
    uint8_t header[TAP_HEADER];
    tap_pack(h, header);
    return add(out, RECORD_FRAME, header, sizeof header, data, h->length);
}

int record_add_object(struct buf *out, const struct list_entry *entry, const void *object,
                      size_t len) {
    struct buf line __attribute__((cleanup(buf_fini)));
    buf_init(&line, LIST_LINE_MAX + 4);
    if (buf_add(&line, "\0\0\0\0", 4) < 0 || list_entry_write(entry, &line) < 0)
        return -1;
    put((uint8_t *)line.data, line.len - 4, 4);
    return add(out, RECORD_OBJECT, line.data, line.len, object, len);
}

static int frame(const uint8_t *body, size_t len, struct record *out) {
    if (len < TAP_HEADER || tap_unpack(body, &out->frame) < 0 ||
        out->frame.length != len - TAP_HEADER)
        return -1;
    out->data = (struct slice){ (const char *)body + TAP_HEADER, len - TAP_HEADER };
    return 0;
}

static int object(const uint8_t *body, size_t len, struct record *out) {
    size_t line = len >= 4 ? (size_t)get(body, 4) : 0;
    if (line < 2 || line > LIST_LINE_MAX || line > len - 4)
        return -1;
    out->data = (struct slice){ (const char *)body + 4 + line, len - 4 - line };
    if (list_entry_parse((const char *)body + 4, line - 1, &out->entry, NULL) < 0 ||
        body[4 + line - 1] != '\n')
        return -1;
    return out->entry.size == out->data.len ? 0 : -1;
}

enum record_result record_parse(const uint8_t *data, size_t len, struct record *out, size_t *used) {
    struct record r = { 0 };
    if (len < RECORD_HEADER)
        return RECORD_MORE;
    size_t body = (size_t)get(data, 4);
    if (body > RECORD_BODY_MAX || data[5] || data[6] || data[7])
        return RECORD_BAD;
    if (body > len - RECORD_HEADER)
        return RECORD_MORE;
    const uint8_t *p = data + RECORD_HEADER;
    r.type = data[4];
    /* The writer summed a body in two parts; only the place of the seam must be the same. */
    size_t seam = r.type == RECORD_FRAME    ? MIN_OF(body, (size_t)TAP_HEADER)
                  : r.type == RECORD_OBJECT ? MIN_OF(body, body >= 4 ? 4 + get(p, 4) : 0)
                                            : 0;
    if (sum_more(sum_more(sum_start(body), p, seam), p + seam, body - seam) != get(data + 8, 8))
        return RECORD_BAD;
    if (r.type == RECORD_FRAME    ? frame(p, body, &r) < 0
        : r.type == RECORD_OBJECT ? object(p, body, &r) < 0
                                  : true)
        return RECORD_BAD;
    *out = r;
    *used = RECORD_HEADER + body;
    return RECORD_OK;
}
