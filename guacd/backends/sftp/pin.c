/* Keys as text: pinned host keys, fingerprints, and whether a private key is encrypted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/sftp/pin.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"

#define KEY_MAX 16384

void pin_fingerprint(const unsigned char *key, size_t len, char *out) {
    uint8_t hash[32];
    char b64[BASE64_LEN(32) + 1];
    sha256(key, len, hash);
    size_t n = base64_encode(hash, sizeof hash, b64);
    while (n && b64[n - 1] == '=')
        n--;
    b64[n] = '\0';
    snprintf(out, 52, "SHA256:%s", b64);
}

static uint32_t u32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A word that is a public key in base64: it begins with the length and name of its type. */
static unsigned char *decode(struct slice word, size_t *len) {
    if (word.len < 16 || word.len > KEY_MAX)
        return NULL;
    char *padded = malloc(word.len + 4);
    unsigned char *out = malloc(word.len + 4);
    long got = -1;
    if (padded && out) {
        memcpy(padded, word.data, word.len);
        size_t n = word.len;
        while (n % 4)
            padded[n++] = '=';
        got = base64_decode(padded, n, out);
    }
    free(padded);
    if (got < 8 || u32(out) == 0 || u32(out) > 64 || u32(out) + 4 > (uint32_t)got) {
        free(out);
        return NULL;
    }
    *len = (size_t)got;
    return out;
}

static bool next_word(const char **p, struct slice *w) {
    *p += strspn(*p, " \t\r\n");
    w->data = *p;
    w->len = strcspn(*p, " \t\r\n");
    *p += w->len;
    return w->len > 0;
}

enum pin_result pin_check(const char *pin, const unsigned char *key, size_t len) {
    char print[52];
    pin_fingerprint(key, len, print);
    struct slice w;
    bool some = false;
    while (next_word(&pin, &w)) {
        while (w.len && w.data[w.len - 1] == '=' && strncmp(w.data, "SHA256:", 7) == 0)
            w.len--;
        if (w.len > 7 && strncmp(w.data, "SHA256:", 7) == 0) {
            some = true;
            if (slice_is(w, print))
                return PIN_MATCH;
            continue;
        }
        size_t got;
        _free_ unsigned char *k = decode(w, &got);
        if (!k)
            continue;
        some = true;
        if (got == len && memcmp(k, key, len) == 0)
            return PIN_MATCH;
    }
    return some ? PIN_OTHER : PIN_BAD;
}

void pin_type(const char *pin, char *out, size_t size) {
    struct slice w;
    out[0] = '\0';
    while (next_word(&pin, &w)) {
        size_t got;
        _free_ unsigned char *k = decode(w, &got);
        if (k) {
            snprintf(out, size, "%.*s", (int)u32(k), (const char *)k + 4);
            return;
        }
    }
}

bool key_encrypted(const char *pem) {
    if (strstr(pem, "ENCRYPTED")) /* PKCS#8, and RFC 1421's Proc-Type */
        return true;
    /* OpenSSH's own format says its cipher in the clear: "openssh-key-v1\0", string. */
    const char *begin = strstr(pem, "-----BEGIN OPENSSH PRIVATE KEY-----");
    if (!begin)
        return false;
    begin += strlen("-----BEGIN OPENSSH PRIVATE KEY-----");
    char text[64];
    size_t n = 0;
    for (; *begin && *begin != '-' && n < sizeof text; begin++)
        if (!strchr(" \t\r\n", *begin))
            text[n++] = *begin;
    unsigned char head[64];
    long got = base64_decode(text, n - n % 4, head);
    if (got < 23 || memcmp(head, "openssh-key-v1", 15) != 0)
        return false;
    return !(u32(head + 15) == 4 && memcmp(head + 19, "none", 4) == 0);
}
