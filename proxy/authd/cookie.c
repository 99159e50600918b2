/* AES-256-GCM with random 96-bit nonces: good for 2^32 cookies a key (SP 800-38D 8.3), which at
 * 1 000 sign-ins and refreshes a second is 49 days; keys are rotated by putting a new line first.
 */
#include "proxy/authd/cookie.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/secret.h"
#include "guacd/proto/status.h"

#define ID_LEN 4
#define NONCE_LEN 12
#define TAG_LEN 16
#define OVERHEAD (ID_LEN + NONCE_LEN + TAG_LEN)

struct key {
    unsigned char id[ID_LEN], seal[32], csrf[32];
};
struct cookie_keys {
    size_t count;
    struct key keys[COOKIE_KEYS_MAX]; /* the newest first */
};

/* HKDF-SHA256 (RFC 5869): one key in the file, one for each use. */
static int derive(const unsigned char master[32], const char *use, unsigned char out[32]) {
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    unsigned char key[32];
    char digest[] = "SHA256", info[32];
    memcpy(key, master, sizeof key);
    int n = snprintf(info, sizeof info, "guac %s v1", use);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, sizeof key),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)n),
        OSSL_PARAM_construct_end(),
    };
    int ok = ctx && EVP_KDF_derive(ctx, out, 32, params) > 0;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    secret_wipe(key, sizeof key);
    return ok ? 0 : -1;
}

static int add_key(struct cookie_keys *k, const char *line, size_t len, struct err *e) {
    unsigned char raw[48], digest[32];
    if (k->count == COOKIE_KEYS_MAX)
        return err_set(e, 0, "more than %d keys", COOKIE_KEYS_MAX);
    if (len != 44 || base64_decode(line, len, raw) != 32)
        return err_set(e, 0, "key %zu is not 32 bytes in base64 (openssl rand -base64 32)",
                       k->count + 1);
    struct key *key = &k->keys[k->count];
    sha256(raw, 32, digest);
    memcpy(key->id, digest, ID_LEN);
    int rc = derive(raw, "cookie", key->seal) || derive(raw, "csrf", key->csrf);
    secret_wipe(raw, sizeof raw);
    if (rc)
        return err_set(e, 0, "HKDF failed");
    k->count++;
    return 0;
}

struct cookie_keys *cookie_keys_parse(const char *text, size_t len, struct err *e) {
    struct cookie_keys *k = calloc(1, sizeof *k);
    int rc = k ? 0 : err_set(e, 0, "no memory for keys");
    for (size_t at = 0; rc == 0 && at < len;) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl ? (size_t)(nl - text) - at : len - at;
        size_t end = n;
        while (end && (text[at + end - 1] == ' ' || text[at + end - 1] == '\r'))
            end--;
        if (end && text[at] != '#')
            rc = add_key(k, text + at, end, e);
        at += n + 1;
    }
    if (rc == 0 && k->count == 0)
        rc = err_set(e, 0, "no key in it");
    if (rc == 0)
        return k;
    cookie_keys_free(k);
    return NULL;
}

struct cookie_keys *cookie_keys_read(const char *path, struct err *e) {
    _secret_ struct secret s = { 0 };
    if (secret_read_file(&s, path, e))
        return NULL;
    struct cookie_keys *k = cookie_keys_parse(s.data, s.len, e);
    if (!k)
        err_prefix(e, "%s", path);
    return k;
}

int cookie_keys_create(const char *path, struct err *e) {
    unsigned char raw[32];
    char line[45];
    _close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, 0, "%s", path);
    random_bytes(raw, sizeof raw);
    base64_encode(raw, sizeof raw, line);
    line[44] = '\n';
    int rc = write(fd, line, sizeof line) == sizeof line && fsync(fd) == 0
                 ? 0
                 : err_errno(e, 0, "%s cannot be written", path);
    secret_wipe(raw, sizeof raw);
    secret_wipe(line, sizeof line);
    return rc;
}

void cookie_keys_free(struct cookie_keys *k) {
    if (!k)
        return;
    secret_wipe(k, sizeof *k);
    free(k);
}

/* ---- seal and open --------------------------------------------------------------------------- */

static int encrypt(const struct key *key, const char *purpose, const unsigned char *nonce,
                   const struct buf *plain, unsigned char *out, unsigned char *tag) {
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, last = 0;
    int ok =
        c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->seal, nonce) == 1 &&
        EVP_EncryptUpdate(c, NULL, &n, (const unsigned char *)purpose, (int)strlen(purpose)) == 1 &&
        EVP_EncryptUpdate(c, out, &n, (const unsigned char *)plain->data, (int)plain->len) == 1 &&
        EVP_EncryptFinal_ex(c, out + n, &last) == 1 &&
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok && (size_t)(n + last) == plain->len ? 0 : -1;
}

static int decrypt(const struct key *key, const char *purpose, const unsigned char *nonce,
                   const unsigned char *in, size_t len, unsigned char *tag, unsigned char *out) {
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, last = 0;
    int ok =
        c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->seal, nonce) == 1 &&
        EVP_DecryptUpdate(c, NULL, &n, (const unsigned char *)purpose, (int)strlen(purpose)) == 1 &&
        EVP_DecryptUpdate(c, out, &n, in, (int)len) == 1 &&
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1 &&
        EVP_DecryptFinal_ex(c, out + n, &last) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok ? 0 : -1;
}

int cookie_seal(const struct cookie_keys *k, const char *purpose, const json_t *content,
                struct buf *out, struct err *e) {
    unsigned char raw[COOKIE_TEXT_MAX];
    struct buf plain;
    buf_init(&plain, sizeof raw - OVERHEAD);
    plain.secret = true;
    const struct key *key = &k->keys[0];
    int rc = json_write(content, &plain);
    size_t total = plain.len + OVERHEAD;
    if (rc || (total * 4 + 2) / 3 > COOKIE_TEXT_MAX)
        rc = err_set(e, STATUS_SERVER_ERROR, "the cookie would be larger than %d bytes",
                     COOKIE_TEXT_MAX);
    if (rc == 0) {
        memcpy(raw, key->id, ID_LEN);
        random_bytes(raw + ID_LEN, NONCE_LEN);
        rc = encrypt(key, purpose, raw + ID_LEN, &plain, raw + ID_LEN + NONCE_LEN,
                     raw + total - TAG_LEN);
        if (rc || base64url_add(out, raw, total))
            rc = err_set(e, STATUS_SERVER_ERROR, "the cookie cannot be sealed");
    }
    buf_wipe(&plain);
    return rc;
}

json_t *cookie_open(const struct cookie_keys *k, const char *purpose, const char *text, size_t len,
                    struct err *e) {
    unsigned char raw[COOKIE_TEXT_MAX], plain[COOKIE_TEXT_MAX];
    long n = len <= COOKIE_TEXT_MAX ? base64url_decode(text, len, raw) : -1;
    if (n < OVERHEAD) {
        err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the cookie is malformed");
        return NULL;
    }
    size_t body = (size_t)n - OVERHEAD;
    for (size_t i = 0; i < k->count; i++) {
        if (memcmp(k->keys[i].id, raw, ID_LEN) != 0)
            continue;
        if (decrypt(&k->keys[i], purpose, raw + ID_LEN, raw + ID_LEN + NONCE_LEN, body,
                    raw + n - TAG_LEN, plain))
            break;
        json_t *content = json_parse((char *)plain, body, COOKIE_TEXT_MAX, e);
        secret_wipe(plain, sizeof plain);
        return content;
    }
    err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the cookie is not ours, or was changed");
    return NULL;
}

/* ---- CSRF ------------------------------------------------------------------------------------ */

static void csrf_of(const struct key *key, const char *sid, char out[COOKIE_CSRF_LEN + 1]) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    struct buf b;
    buf_init(&b, 64);
    memset(out, 0, COOKIE_CSRF_LEN + 1);
    if (HMAC(EVP_sha256(), key->csrf, sizeof key->csrf, (const unsigned char *)sid, strlen(sid),
             mac, &n) &&
        base64url_add(&b, mac, n) == 0 && b.len == COOKIE_CSRF_LEN)
        memcpy(out, b.data, COOKIE_CSRF_LEN);
    buf_fini(&b);
}

void cookie_csrf(const struct cookie_keys *k, const char *sid, char out[COOKIE_CSRF_LEN + 1]) {
    csrf_of(&k->keys[0], sid, out);
}

bool cookie_csrf_check(const struct cookie_keys *k, const char *sid, const char *token) {
    char want[COOKIE_CSRF_LEN + 1];
    bool ok = false;
    if (!token || strlen(token) != COOKIE_CSRF_LEN)
        return false;
    for (size_t i = 0; i < k->count; i++) {
        csrf_of(&k->keys[i], sid, want);
        ok |= *want && secret_equal(want, token, COOKIE_CSRF_LEN);
    }
    return ok;
}

/* ---- headers --------------------------------------------------------------------------------- */

struct slice cookie_find(const char *header, size_t len, const char *name) {
    struct slice found = { NULL, 0 };
    size_t name_len = strlen(name);
    for (size_t at = 0; at < len;) {
        const char *semi = memchr(header + at, ';', len - at);
        size_t end = semi ? (size_t)(semi - header) : len, from = at;
        while (from < end && (header[from] == ' ' || header[from] == '\t'))
            from++;
        if (end - from > name_len && memcmp(header + from, name, name_len) == 0 &&
            header[from + name_len] == '=') {
            if (found.data)
                return (struct slice){ NULL, 0 };
            size_t value = from + name_len + 1, stop = end;
            while (stop > value && (header[stop - 1] == ' ' || header[stop - 1] == '\t'))
                stop--;
            found = (struct slice){ header + value, stop - value };
        }
        at = end + 1;
    }
    return found;
}

void cookie_name(const char *name, bool secure, char *out, size_t size) {
    snprintf(out, size, "%s%s", secure ? "__Host-" : "", name);
}

int cookie_format(struct buf *out, const char *name, const char *value, bool secure, long max_age) {
    return buf_printf(out, "%s%s=%s; Path=/; Max-Age=%ld; HttpOnly; SameSite=Lax%s",
                      secure ? "__Host-" : "", name, value ? value : "", value ? max_age : 0L,
                      secure ? "; Secure" : "");
}
