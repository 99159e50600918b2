/* Base64 is on the path of every picture and every file. What does not fill a register goes by
 * tables: 12 bits are two characters. The decoders are strict, since what they take is often
 * signed: where 32 characters hold a wrong one, the table finds and refuses it. */
#include "guacd/base/base64.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- 32 characters at once ---------------------------------------------------------------------
 * W. Mula, D. Lemire: "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (2018). */

#if defined(__x86_64__)

static bool wide; /* this processor has it */

/* 24 bytes become 32 characters while 28 may be read. Returns bytes taken. */
__attribute__((target("avx2"))) static size_t encode_wide(const uint8_t *p, size_t len, char *o) {
    const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 1, 0,
                                            2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    /* What is added to a value: by where it stands, 52..61 one row each for their subtraction. */
    const __m256i add =
        _mm256_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                         '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0,
                         'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                         '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
    size_t at = 0;
    for (; len - at >= 28; at += 24, o += 32) {
        __m128i low = _mm_loadu_si128((const void *)(p + at));
        __m128i high = _mm_loadu_si128((const void *)(p + at + 12));
        __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
        v = _mm256_shuffle_epi8(v, spread);
        __m256i outer = _mm256_mulhi_epu16(_mm256_and_si256(v, _mm256_set1_epi32(0x0fc0fc00)),
                                           _mm256_set1_epi32(0x04000040));
        __m256i inner = _mm256_mullo_epi16(_mm256_and_si256(v, _mm256_set1_epi32(0x003f03f0)),
                                           _mm256_set1_epi32(0x01000010));
        __m256i six = _mm256_or_si256(outer, inner);
        __m256i row = _mm256_subs_epu8(six, _mm256_set1_epi8(51));
        __m256i capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), six);
        row = _mm256_or_si256(row, _mm256_and_si256(capital, _mm256_set1_epi8(13)));
        _mm256_storeu_si256((void *)o, _mm256_add_epi8(six, _mm256_shuffle_epi8(add, row)));
    }
    return at;
}

/* 32 characters become 24 bytes while 32 may be written. Returns characters taken: less than there
 * are when a wrong one is among them. */
__attribute__((target("avx2"))) static size_t decode_wide(const uint8_t *p, size_t len,
                                                          uint8_t *o) {
#define TWICE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)
    /* A character is wrong when the rows of its two nibbles share a bit. */
    const __m256i by_low = TWICE(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13,
                                 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
    const __m256i by_high = TWICE(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10,
                                  0x10, 0x10, 0x10, 0x10, 0x10);
    const __m256i add = TWICE(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i order = TWICE(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
#undef TWICE
    const __m256i slash = _mm256_set1_epi8('/');
    size_t at = 0;
    for (; len - at >= 48; at += 32, o += 24) {
        __m256i v = _mm256_loadu_si256((const void *)(p + at));
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(v, 4), slash);
        __m256i low = _mm256_and_si256(v, slash);
        if (!_mm256_testz_si256(_mm256_shuffle_epi8(by_low, low),
                                _mm256_shuffle_epi8(by_high, high)))
            break;
        __m256i row = _mm256_add_epi8(_mm256_cmpeq_epi8(v, slash), high);
        v = _mm256_add_epi8(v, _mm256_shuffle_epi8(add, row));
        v = _mm256_maddubs_epi16(v, _mm256_set1_epi32(0x01400140));
        v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00011000));
        v = _mm256_shuffle_epi8(v, order);
        v = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 6, 6));
        _mm256_storeu_si256((void *)o, v);
    }
    return at;
}

#else

static const bool wide = false;

static size_t encode_wide(const uint8_t *p, size_t len, char *o) {
    (void)p, (void)len, (void)o;
    return 0;
}

static size_t decode_wide(const uint8_t *p, size_t len, uint8_t *o) {
    (void)p, (void)len, (void)o;
    return 0;
}

#endif

/* ---- by tables ---------------------------------------------------------------------------------
 */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char pairs[4096][2]; /* 12 bits -> 2 characters */
static uint8_t values[256]; /* character -> 6 bits, or BAD */
static uint8_t url_values[256];
#define BAD 0x80

__attribute__((constructor)) static void fill_tables(void) {
    for (unsigned i = 0; i < 4096; i++) {
        pairs[i][0] = ALPHABET[i >> 6];
        pairs[i][1] = ALPHABET[i & 63];
    }
    memset(values, BAD, sizeof values);
    for (unsigned i = 0; i < 64; i++)
        values[(uint8_t)ALPHABET[i]] = (uint8_t)i;
    memcpy(url_values, values, sizeof values);
    url_values['+'] = url_values['/'] = BAD;
    url_values['-'] = 62;
    url_values['_'] = 63;
#if defined(__x86_64__)
    wide = __builtin_cpu_supports("avx2");
#endif
}

size_t base64_encode(const void *data, size_t len, char *out) {
    const uint8_t *p = data;
    char *o = out;
    size_t done = wide ? encode_wide(p, len, o) : 0;
    p += done;
    len -= done;
    o += done / 3 * 4;
    for (; len >= 6; p += 6, len -= 6, o += 8) {
        uint64_t v = (uint64_t)p[0] << 40 | (uint64_t)p[1] << 32 | (uint64_t)p[2] << 24 |
                     (uint64_t)p[3] << 16 | (uint64_t)p[4] << 8 | p[5];
        memcpy(o, pairs[v >> 36], 2);
        memcpy(o + 2, pairs[v >> 24 & 0xfff], 2);
        memcpy(o + 4, pairs[v >> 12 & 0xfff], 2);
        memcpy(o + 6, pairs[v & 0xfff], 2);
    }
    for (; len > 0; o += 4) {
        size_t n = len < 3 ? len : 3;
        unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
        memcpy(o, pairs[v >> 12], 2);
        memcpy(o + 2, pairs[v & 0xfff], 2);
        if (n < 3)
            o[3] = '=';
        if (n < 2)
            o[2] = '=';
        p += n;
        len -= n;
    }
    return (size_t)(o - out);
}

/* `len` characters without padding. A last group of 2 or 3 must have its unused bits zero. */
static long decode(const uint8_t *table, const char *text, size_t len, uint8_t *out) {
    const uint8_t *p = (const uint8_t *)text;
    uint8_t *o = out;
    if (len % 4 == 1)
        return -1;
    size_t done = wide && table == values ? decode_wide(p, len, o) : 0;
    p += done;
    len -= done;
    o += done / 4 * 3;
    for (; len >= 4; p += 4, len -= 4, o += 3) {
        uint8_t a = table[p[0]], b = table[p[1]], c = table[p[2]], d = table[p[3]];
        if ((a | b | c | d) & BAD)
            return -1;
        o[0] = (uint8_t)(a << 2 | b >> 4);
        o[1] = (uint8_t)(b << 4 | c >> 2);
        o[2] = (uint8_t)(c << 6 | d);
    }
    if (len >= 2) {
        uint8_t a = table[p[0]], b = table[p[1]], c = len == 3 ? table[p[2]] : 0;
        if ((a | b | c) & BAD || (len == 2 ? b & 15 : c & 3))
            return -1;
        *o++ = (uint8_t)(a << 2 | b >> 4);
        if (len == 3)
            *o++ = (uint8_t)(b << 4 | c >> 2);
    }
    return o - out;
}

long base64_decode(const char *text, size_t len, void *out) {
    if (len % 4 != 0)
        return -1;
    if (len > 0 && text[len - 1] == '=')
        len -= text[len - 2] == '=' ? 2 : 1;
    return decode(values, text, len, out);
}

long base64url_decode(const char *text, size_t len, void *out) {
    return decode(url_values, text, len, out);
}

int base64_add(struct buf *b, const void *data, size_t len) {
    char *room = len < SIZE_MAX / 2 ? buf_reserve(b, BASE64_LEN(len)) : NULL;
    if (!room)
        return -1;
    b->len += base64_encode(data, len, room);
    return 0;
}

int base64url_add(struct buf *b, const void *data, size_t len) {
    char *room = len < SIZE_MAX / 2 ? buf_reserve(b, BASE64_LEN(len)) : NULL;
    if (!room)
        return -1;
    size_t n = base64_encode(data, len, room);
    while (n > 0 && room[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        room[i] = room[i] == '+' ? '-' : room[i] == '/' ? '_' : room[i];
    b->len += n;
    return 0;
}
