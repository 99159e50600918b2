/* Encodings and digests. Base64 is on the path of every picture, so its encoder turns 12 bits into
 * two characters by one table; the decoders are strict, since what they take is often signed. */
#include "guacd/base/enc.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <errno.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char HEX[] = "0123456789abcdef";

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
}

size_t base64_encode(const void *data, size_t len, char *out) {
    const uint8_t *p = data;
    char *o = out;
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

void hex_encode(const void *data, size_t len, char *out) {
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = HEX[p[i] >> 4];
        out[2 * i + 1] = HEX[p[i] & 15];
    }
    out[2 * len] = '\0';
}

static EVP_MD *sha256_md;

static void fetch_sha256(void) {
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* Evidence rests on this: without a digest there is nothing to go on with. */
void sha256(const void *data, size_t len, uint8_t out[32]) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch_sha256);
    if (!sha256_md || EVP_Digest(data, len, out, NULL, sha256_md, NULL) != 1)
        abort();
}

void sha256_hex(const void *data, size_t len, char out[65]) {
    uint8_t digest[32];
    sha256(data, len, digest);
    hex_encode(digest, sizeof digest, out);
}

void random_bytes(void *out, size_t len) {
    uint8_t *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        p += n;
        len -= (size_t)n;
    }
}

static void uuid_print(uint8_t u[16], unsigned version, char out[UUID_LEN + 1]) {
    u[6] = (uint8_t)((u[6] & 0x0f) | version << 4);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    char hex[33];
    hex_encode(u, 16, hex);
    snprintf(out, UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

void uuid_v4(char out[UUID_LEN + 1]) {
    uint8_t u[16];
    random_bytes(u, sizeof u);
    uuid_print(u, 4, out);
}

void uuid_v7(char out[UUID_LEN + 1], uint64_t wall_ms) {
    uint8_t u[16];
    for (int i = 0; i < 6; i++)
        u[i] = (uint8_t)(wall_ms >> (40 - 8 * i));
    random_bytes(u + 6, 10);
    uuid_print(u, 7, out);
}

bool uuid_valid(const char *text, size_t len) {
    if (len != UUID_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-')
                return false;
        } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

uint64_t uuid_v7_ms(const char *text) {
    if (!uuid_valid(text, strlen(text)) || text[14] != '7')
        return 0;
    char hex[13];
    memcpy(hex, text, 8);
    memcpy(hex + 8, text + 9, 4);
    hex[12] = '\0';
    return strtoull(hex, NULL, 16);
}

size_t utf8_decode(const char *text, size_t len, uint32_t *cp) {
    const uint8_t *p = (const uint8_t *)text;
    if (len == 0)
        return 0;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len < n)
        return 0;
    uint32_t v = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *cp = v;
    return n;
}

/* Bytes of ASCII in front, as far as eight at a time can tell: most text, and all base64. */
static size_t ascii_run(const char *text, size_t len) {
    size_t n = 0;
    for (uint64_t word; n + sizeof(word) <= len; n += sizeof(word)) {
        memcpy(&word, text + n, sizeof(word));
        if (word & 0x8080808080808080u)
            break;
    }
    return n;
}

long utf8_count(const char *text, size_t len) {
    long count = 0;
    while (len > 0) {
        size_t plain = ascii_run(text, len);
        text += plain;
        len -= plain;
        count += (long)plain;
        if (!len)
            break;
        uint32_t cp;
        size_t n = utf8_decode(text, len, &cp);
        if (n == 0)
            return -1;
        text += n;
        len -= n;
        count++;
    }
    return count;
}

size_t utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return 0;
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}
