/* Reading instructions. All bytes from browsers, clients and daemons pass here first, so it is
 * small, allocates nothing and trusts no length. Nearly all bytes are ASCII (numbers, base64),
 * hence the word-wise fast path. Writing is in instr_write.c. */
#include "guacd/proto/instr.h"

#include "guacd/base/enc.h"
#include "guacd/proto/status.h"

enum { END_MORE = -1, END_BAD = -2 };

/* Are these n bytes all below 0x80? Four words at once; the compiler makes vectors of it. */
static bool ascii(const char *p, size_t n) {
    uint64_t acc = 0;
    for (; n >= 32; p += 32, n -= 32) {
        uint64_t w[4];
        memcpy(w, p, sizeof(w));
        acc |= w[0] | w[1] | w[2] | w[3];
    }
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, sizeof(w));
        acc |= w;
    }
    for (; n; p++, n--)
        acc |= (uint8_t)*p;
    return !(acc & UINT64_C(0x8080808080808080));
}

/* Bytes of the character at p: 1-4; 0: not enough bytes yet; -1: no UTF-8. `strict` looks at every
 * byte, else the lead byte alone decides: enough to find the end of an element. */
static int char_len(const char *p, size_t left, bool strict) {
    uint8_t c = (uint8_t)*p;
    if (c < 0x80)
        return 1;
    int n = c >= 0xC2 && c <= 0xDF   ? 2
            : c >= 0xE0 && c <= 0xEF ? 3
            : c >= 0xF0 && c <= 0xF4 ? 4
                                     : -1;
    if (n < 0)
        return -1;
    if (left < (size_t)n) {
        for (size_t i = 1; i < left; i++)
            if (((uint8_t)p[i] & 0xC0) != 0x80)
                return -1;
        return 0;
    }
    uint32_t cp;
    if (strict && utf8_decode(p, (size_t)n, &cp) != (size_t)n)
        return -1;
    return n;
}

/* Does the instruction stream go on sensibly behind a terminator at data[at]? Used only to tell the
 * two ways of counting apart. */
static bool goes_on(const char *data, size_t len, size_t at) {
    size_t i = at + 1;
    if (i >= len)
        return data[at] == ';';
    size_t digits = 0;
    while (i < len && data[i] >= '0' && data[i] <= '9')
        i++, digits++;
    return digits && digits <= INSTR_DIGITS_MAX && (i >= len || data[i] == '.');
}

static bool terminator(char c) {
    return c == ',' || c == ';';
}

/* Where the element of n characters that starts at `from` ends: the place of its terminator (which
 * may not be there yet: then len), END_MORE or END_BAD. */
static long element_end(const char *data, size_t len, size_t from, size_t n, enum instr_count count,
                        bool strict) {
    size_t here = MIN_OF(n, len - from);
    if (ascii(data + from, here))
        return here == n ? (long)(from + n) : END_MORE;
    size_t at = from, units = 0;
    for (size_t i = 0; i < n; i++) {
        if (at >= len)
            return END_MORE;
        int c = char_len(data + at, len - at, strict);
        if (c <= 0)
            return c < 0 ? END_BAD : END_MORE;
        at += (size_t)c;
        units += c == 4 ? 2 : 1;
        /* The other count's end. A peer that counts code points has a terminator and then a length
         * in just this place only if somebody meant to confuse us, and then only his own bytes. */
        if (count == COUNT_EITHER && units == n && i + 1 < n && at < len && terminator(data[at]) &&
            goes_on(data, len, at))
            break;
    }
    return (long)at;
}

/* The length prefix at *at. Moves *at behind the dot. END_MORE, END_BAD (e set) or the length. */
static long element_length(const char *data, size_t len, size_t *at, struct err *e) {
    size_t i = *at, n = 0;
    for (; i < len && data[i] >= '0' && data[i] <= '9'; i++) {
        if (i - *at >= INSTR_DIGITS_MAX)
            return err_set(e, STATUS_CLIENT_BAD_REQUEST, "a length of more than %d digits",
                           INSTR_DIGITS_MAX),
                   END_BAD;
        n = n * 10 + (size_t)(data[i] - '0');
    }
    if (i >= len)
        return END_MORE;
    if (n > INSTR_ELEMENT_MAX)
        return err_set(e, STATUS_CLIENT_OVERRUN, "an element of %zu characters, %d at most", n,
                       INSTR_ELEMENT_MAX),
               END_BAD;
    if (i == *at || data[i] != '.')
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "no length where an element begins"), END_BAD;
    *at = i + 1;
    return (long)n;
}

/* One instruction. With `out` its elements are told and checked as UTF-8, without it only framed.
 */
static enum instr_result walk(const char *data, size_t len, enum instr_count count,
                              struct instr *out, size_t *used, struct err *e) {
    size_t have = MIN_OF(len, (size_t)INSTR_BYTES_MAX), at = 0;
    for (size_t element = 0;; element++) {
        if (element >= INSTR_ELEMENTS_MAX)
            return err_set(e, STATUS_CLIENT_OVERRUN, "an instruction of more than %d elements",
                           INSTR_ELEMENTS_MAX),
                   INSTR_BAD;
        long n = element_length(data, have, &at, e);
        if (n == END_BAD)
            return INSTR_BAD;
        if (n == END_MORE)
            break;
        long end = element_end(data, have, at, (size_t)n, count, out != NULL);
        if (end == END_BAD)
            return err_set(e, STATUS_CLIENT_BAD_REQUEST, "an element that is not UTF-8"), INSTR_BAD;
        if (end == END_MORE || (size_t)end >= have)
            break;
        if (!terminator(data[end]))
            return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                           "an element does not end where its length says"),
                   INSTR_BAD;
        if (out) {
            struct slice s = { data + at, (size_t)end - at };
            if (element)
                out->argv[element - 1] = s;
            else
                out->opcode = s;
            out->argc = element;
        }
        at = (size_t)end + 1;
        if (data[end] == ';') {
            *used = at;
            return INSTR_OK;
        }
    }
    if (have == INSTR_BYTES_MAX)
        return err_set(e, STATUS_CLIENT_OVERRUN, "an instruction of more than %d bytes",
                       INSTR_BYTES_MAX),
               INSTR_BAD;
    return INSTR_MORE;
}

enum instr_result instr_parse(const char *data, size_t len, enum instr_count count,
                              struct instr *out, size_t *used, struct err *e) {
    return walk(data, len, count, out, used, e);
}

size_t instr_whole(const char *data, size_t len, enum instr_count count, bool *bad) {
    size_t whole = 0, used = 0;
    *bad = false;
    while (whole < len) {
        enum instr_result r = walk(data + whole, len - whole, count, NULL, &used, NULL);
        if (r != INSTR_OK) {
            *bad = r == INSTR_BAD;
            break;
        }
        whole += used;
    }
    return whole;
}

bool instr_to_int(struct slice s, int64_t min, int64_t max, int64_t *out) {
    bool minus = s.len && s.data[0] == '-';
    size_t i = minus;
    if (i >= s.len || s.len - i > 18)
        return false;
    int64_t v = 0;
    for (; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        v = v * 10 + (s.data[i] - '0');
    }
    if (minus)
        v = -v;
    if (v < min || v > max)
        return false;
    *out = v;
    return true;
}

bool instr_to_str(struct slice s, char *out, size_t size) {
    if (s.len >= size || memchr(s.data, 0, s.len))
        return false;
    memcpy(out, s.data, s.len);
    out[s.len] = '\0';
    return true;
}
