/* Ed25519 keys (RFC 8032) by OpenSSL: the gateway's own (authd), each session's (recorder), and the
 * public halves that readers hold. A key's id is the SHA-256 of its SubjectPublicKeyInfo in DER, in
 * lower-case hex, so that `openssl pkey -pubin -in KEY.pem -outform DER | sha256sum` prints it. */
#ifndef GUAC_RECORDING_SIGN_H
#define GUAC_RECORDING_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define SIGN_KEY_LEN 32 /* raw public key, and raw seed */
#define SIGN_LEN 64     /* a signature */
#define SIGN_KEYID_LEN 64

struct sign_key; /* immutable once made: any thread may use it */

struct sign_key *sign_key_generate(struct err *e);
/* A private key from its raw seed, or a public one from its raw bytes. */
struct sign_key *sign_key_from_seed(const uint8_t seed[SIGN_KEY_LEN], struct err *e);
struct sign_key *sign_key_from_public(const uint8_t raw[SIGN_KEY_LEN], struct err *e);
/* PEM: PKCS#8 private (the file must not be readable by others) or SubjectPublicKeyInfo. */
struct sign_key *sign_key_read_private(const char *path, struct err *e);
struct sign_key *sign_key_read_public(const char *path, struct err *e);
struct sign_key *sign_key_from_pem(const char *pem, size_t len, struct err *e); /* public */
/* Public key as base64 of the raw 32 bytes, as it stands in statements. */
struct sign_key *sign_key_from_base64(const char *text, struct err *e);
/* Make a private key and write it to `path` (PKCS#8 PEM, mode 0600); an existing file is an error.
 */
int sign_key_create_file(const char *path, struct err *e);
void sign_key_free(struct sign_key *k);

const char *sign_key_id(const struct sign_key *k);            /* 64 hex digits */
const uint8_t *sign_key_public(const struct sign_key *k);     /* 32 bytes */
const char *sign_key_public_base64(const struct sign_key *k); /* 44 characters */
int sign_key_public_pem(const struct sign_key *k, struct buf *out);
/* The raw seed of a private key; wipe it (secret_wipe) after use. */
int sign_key_seed(const struct sign_key *k, uint8_t out[SIGN_KEY_LEN], struct err *e);

int sign_make(const struct sign_key *k, const void *data, size_t len, uint8_t sig[SIGN_LEN],
              struct err *e);
/* 0, or -1 with e saying that the signature does not fit. */
int sign_check(const struct sign_key *k, const void *data, size_t len, const void *sig,
               size_t sig_len, struct err *e);

static inline void sign_key_freep(struct sign_key **k) {
    sign_key_free(*k);
}
#define _sign_key_ __attribute__((cleanup(sign_key_freep)))

#endif
