/* Writing instructions: the length in code points in front of each element. */
#include "guacd/proto/instr.h"

#include "guacd/base/enc.h"

static int refuse(struct buf *out) {
    out->failed = true;
    return -1;
}

/* Decimal digits of v, right-aligned in out[20]; returns where they begin. */
static size_t digits(uint64_t v, char out[20]) {
    size_t at = 20;
    do
        out[--at] = (char)('0' + v % 10);
    while (v /= 10);
    return at;
}

/* LEN.VALUE with `lead` in front (',' or nothing). */
static int element(struct buf *out, const char *lead, const char *value, size_t len) {
    long count = utf8_count(value, len);
    if (count < 0 || count > INSTR_ELEMENT_MAX)
        return refuse(out);
    char number[20];
    size_t at = digits((uint64_t)count, number), lead_len = strlen(lead);
    char *p = buf_reserve(out, lead_len + sizeof(number) - at + 1 + len);
    if (!p)
        return -1;
    memcpy(p, lead, lead_len);
    p += lead_len;
    memcpy(p, number + at, sizeof(number) - at);
    p += sizeof(number) - at;
    *p++ = '.';
    if (len)
        memcpy(p, value, len);
    out->len += lead_len + sizeof(number) - at + 1 + len;
    return 0;
}

int instr_begin(struct buf *out, const char *opcode) {
    return element(out, "", opcode, strlen(opcode));
}

int instr_bytes(struct buf *out, const char *value, size_t len) {
    return element(out, ",", value, len);
}

int instr_str(struct buf *out, const char *value) {
    return element(out, ",", value, strlen(value));
}

int instr_int(struct buf *out, int64_t value) {
    char number[21];
    size_t at = digits(value < 0 ? -(uint64_t)value : (uint64_t)value, number + 1) + 1;
    if (value < 0)
        number[--at] = '-';
    return element(out, ",", number + at, sizeof(number) - at);
}

int instr_end(struct buf *out) {
    return buf_putc(out, ';');
}

int instr_put(struct buf *out, const char *opcode, ...) {
    va_list ap;
    int r = instr_begin(out, opcode);
    va_start(ap, opcode);
    for (const char *s; r == 0 && (s = va_arg(ap, const char *));)
        r = instr_str(out, s);
    va_end(ap);
    return r == 0 ? instr_end(out) : -1;
}

int instr_blob(struct buf *out, int stream, const void *data, size_t len) {
    size_t coded = BASE64_LEN(len);
    char number[20];
    size_t at = digits(coded, number);
    if (len > BLOB_BYTES_MAX)
        return refuse(out);
    if (instr_begin(out, "blob") < 0 || instr_int(out, stream) < 0 || buf_putc(out, ',') < 0 ||
        buf_add(out, number + at, sizeof(number) - at) < 0 || buf_putc(out, '.') < 0)
        return -1;
    char *room = buf_reserve(out, coded + 1);
    if (!room)
        return -1;
    out->len += base64_encode(data, len, room);
    return instr_end(out);
}

int instr_blobs(struct buf *out, int stream, const void *data, size_t len) {
    const char *p = data;
    for (size_t n; len; p += n, len -= n) {
        n = MIN_OF(len, (size_t)BLOB_BYTES_MAX);
        if (instr_blob(out, stream, p, n) < 0)
            return -1;
    }
    return instr_begin(out, "end") < 0 || instr_int(out, stream) < 0 ? -1 : instr_end(out);
}
