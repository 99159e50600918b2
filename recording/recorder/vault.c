/* AES-256-GCM by EVP. The key is derived, so that the secret file may hold any text. */
#include "recording/recorder/vault.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "guacd/base/enc.h"

#define NONCE 12
#define TAG 16

int vault_init(struct vault *v, const char *secret_file, struct err *e) {
    _secret_ struct secret s = { 0 };
    static const char label[] = "guac-recorder session keys v1";
    uint8_t key[32];
    unsigned len = sizeof key;
    if (secret_read_file(&s, secret_file, e) < 0)
        return err_prefix(e, "secret-file");
    if (s.len < VAULT_SECRET_MIN)
        return err_set(e, 0, "secret-file: %s is shorter than %d bytes (openssl rand -hex 32)",
                       secret_file, VAULT_SECRET_MIN);
    int r = HMAC(EVP_sha256(), s.data, (int)s.len, (const unsigned char *)label, sizeof label - 1,
                 key, &len) &&
                    secret_set(&v->key, key, sizeof key) == 0
                ? 0
                : err_set(e, 0, "secret-file: no memory");
    secret_wipe(key, sizeof key);
    return r;
}

void vault_fini(struct vault *v) {
    secret_fini(&v->key);
}

int vault_seal(const struct vault *v, const char *id, const struct sign_key *k,
               uint8_t out[VAULT_BOX], struct err *e) {
    uint8_t seed[SIGN_KEY_LEN], box[VAULT_BOX];
    int n, last;
    if (sign_key_seed(k, seed, e) < 0)
        return -1;
    random_bytes(box, NONCE);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c &&
              EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, (uint8_t *)v->key.data, box) == 1 &&
              EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)id, (int)strlen(id)) == 1 &&
              EVP_EncryptUpdate(c, box + NONCE, &n, seed, sizeof seed) == 1 &&
              EVP_EncryptFinal_ex(c, box + NONCE + n, &last) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, box + NONCE + sizeof seed) == 1;
    EVP_CIPHER_CTX_free(c);
    secret_wipe(seed, sizeof seed);
    if (!ok)
        return err_set(e, 0, "cannot encrypt a session's key");
    memcpy(out, box, sizeof box);
    return 0;
}

struct sign_key *vault_open(const struct vault *v, const char *id, const uint8_t box[VAULT_BOX],
                            struct err *e) {
    uint8_t seed[SIGN_KEY_LEN], tag[TAG];
    int n, last;
    memcpy(tag, box + NONCE + SIGN_KEY_LEN, TAG);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c &&
              EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, (uint8_t *)v->key.data, box) == 1 &&
              EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)id, (int)strlen(id)) == 1 &&
              EVP_DecryptUpdate(c, seed, &n, box + NONCE, SIGN_KEY_LEN) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
              EVP_DecryptFinal_ex(c, seed + n, &last) == 1;
    EVP_CIPHER_CTX_free(c);
    struct sign_key *k = ok ? sign_key_from_seed(seed, e) : NULL;
    secret_wipe(seed, sizeof seed);
    if (!ok)
        err_set(e, 0, "the session's key cannot be decrypted: another secret-file?");
    return k;
}
