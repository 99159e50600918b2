/* Encodings and digests. */
#include "guacd/base/enc.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <errno.h>

static const char HEX[] = "0123456789abcdef";

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
