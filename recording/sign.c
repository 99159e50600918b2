/* Ed25519 by OpenSSL's EVP. Ids and printable forms are made once, so that readers need no locks.
 */
#include "recording/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>

#include "guacd/base/enc.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "recording/file.h"

#define PEM_MAX 8192

struct sign_key {
    EVP_PKEY *pkey;
    bool private;
    uint8_t raw[SIGN_KEY_LEN];
    char base64[BASE64_LEN(SIGN_KEY_LEN) + 1];
    char id[SIGN_KEYID_LEN + 1];
};

static void bio_free(BIO **b) {
    BIO_free_all(*b);
}
#define _bio_ __attribute__((cleanup(bio_free)))

/* Takes `pkey` over, also when it fails. */
static struct sign_key *wrap(EVP_PKEY *pkey, bool private, struct err *e) {
    _sign_key_ struct sign_key *k = calloc(1, sizeof *k);
    if (!k) {
        EVP_PKEY_free(pkey);
        err_set(e, 0, "no memory for a key");
        return NULL;
    }
    k->pkey = pkey;
    k->private = private;
    size_t len = sizeof k->raw;
    unsigned char *der = NULL;
    int der_len = 0;
    if (!pkey || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(pkey, k->raw, &len) != 1 || len != sizeof k->raw ||
        (der_len = i2d_PUBKEY(pkey, &der)) <= 0) {
        ERR_clear_error();
        err_set(e, 0, "no Ed25519 key");
        return NULL;
    }
    sha256_hex(der, (size_t)der_len, k->id);
    OPENSSL_free(der);
    base64_encode(k->raw, sizeof k->raw, k->base64);
    return steal_ptr(k);
}

struct sign_key *sign_key_generate(struct err *e) {
    return wrap(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), true, e);
}

struct sign_key *sign_key_from_seed(const uint8_t seed[SIGN_KEY_LEN], struct err *e) {
    return wrap(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SIGN_KEY_LEN), true, e);
}

struct sign_key *sign_key_from_public(const uint8_t raw[SIGN_KEY_LEN], struct err *e) {
    return wrap(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, SIGN_KEY_LEN), false, e);
}

struct sign_key *sign_key_from_base64(const char *text, struct err *e) {
    uint8_t raw[SIGN_KEY_LEN + 1];
    if (strlen(text) != BASE64_LEN(SIGN_KEY_LEN) ||
        base64_decode(text, BASE64_LEN(SIGN_KEY_LEN), raw) != SIGN_KEY_LEN) {
        err_set(e, 0, "a public key is 32 bytes in base64");
        return NULL;
    }
    return sign_key_from_public(raw, e);
}

struct sign_key *sign_key_read_private(const char *path, struct err *e) {
    _secret_ struct secret pem = { 0 };
    if (secret_read_file(&pem, path, e) < 0)
        return NULL;
    _bio_ BIO *b = BIO_new_mem_buf(pem.data, (int)pem.len);
    /* An empty password instead of OpenSSL's question at the terminal. */
    struct sign_key *k =
        wrap(b ? PEM_read_bio_PrivateKey(b, NULL, NULL, (char[]){ "" }) : NULL, true, e);
    if (!k)
        err_set(e, 0, "%s: no Ed25519 private key (openssl genpkey -algorithm ed25519)", path);
    return k;
}

struct sign_key *sign_key_from_pem(const char *pem, size_t len, struct err *e) {
    _bio_ BIO *b = len <= PEM_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
    return wrap(b ? PEM_read_bio_PUBKEY(b, NULL, NULL, NULL) : NULL, false, e);
}

struct sign_key *sign_key_read_public(const char *path, struct err *e) {
    struct buf pem __attribute__((cleanup(buf_fini)));
    buf_init(&pem, PEM_MAX);
    if (file_read(path, &pem, e) < 0)
        return NULL;
    struct sign_key *k = sign_key_from_pem(buf_str(&pem), pem.len, e);
    if (!k)
        err_set(e, 0, "%s: no Ed25519 public key (openssl pkey -pubout)", path);
    return k;
}

int sign_key_create_file(const char *path, struct err *e) {
    _sign_key_ struct sign_key *k = sign_key_generate(e);
    if (!k)
        return -1;
    BIO *mem = BIO_new(BIO_s_secmem());
    _bio_ BIO *b = mem ? mem : BIO_new(BIO_s_mem());
    char *pem = NULL;
    long len;
    if (!b || PEM_write_bio_PKCS8PrivateKey(b, k->pkey, NULL, NULL, 0, NULL, NULL) != 1 ||
        (len = BIO_get_mem_data(b, &pem)) <= 0)
        return err_set(e, 0, "%s: cannot write a key", path);
    int r = file_create(path, pem, (size_t)len, 0600, e);
    secret_wipe(pem, (size_t)len);
    return r;
}

void sign_key_free(struct sign_key *k) {
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

const char *sign_key_id(const struct sign_key *k) {
    return k->id;
}

const uint8_t *sign_key_public(const struct sign_key *k) {
    return k->raw;
}

const char *sign_key_public_base64(const struct sign_key *k) {
    return k->base64;
}

int sign_key_public_pem(const struct sign_key *k, struct buf *out) {
    _bio_ BIO *b = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long len;
    if (!b || PEM_write_bio_PUBKEY(b, k->pkey) != 1 || (len = BIO_get_mem_data(b, &pem)) <= 0)
        return -1;
    return buf_add(out, pem, (size_t)len);
}

int sign_key_seed(const struct sign_key *k, uint8_t out[SIGN_KEY_LEN], struct err *e) {
    size_t len = SIGN_KEY_LEN;
    if (!k->private || EVP_PKEY_get_raw_private_key(k->pkey, out, &len) != 1)
        return err_set(e, 0, "no private key");
    return 0;
}

int sign_make(const struct sign_key *k, const void *data, size_t len, uint8_t sig[SIGN_LEN],
              struct err *e) {
    if (!k->private)
        return err_set(e, 0, "a public key cannot sign");
    uint8_t made[SIGN_LEN];
    size_t made_len = sizeof made;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
             EVP_DigestSign(ctx, made, &made_len, data, len) == 1 && made_len == SIGN_LEN;
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        return err_set(e, 0, "cannot sign");
    }
    memcpy(sig, made, SIGN_LEN);
    return 0;
}

int sign_check(const struct sign_key *k, const void *data, size_t len, const void *sig,
               size_t sig_len, struct err *e) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = sig_len == SIGN_LEN && ctx &&
             EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
             EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? 0 : err_set(e, 0, "the signature does not fit key %.16s…", k->id);
}
