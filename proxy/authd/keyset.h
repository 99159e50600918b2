/* The identity provider's public keys: a JWK Set (RFC 7517) as OpenSSL keys, each pinned to one
 * algorithm. Pure but for memory; the input is as good as hostile. Immutable, any thread. */
#ifndef GUAC_AUTHD_KEYSET_H
#define GUAC_AUTHD_KEYSET_H

#include <openssl/evp.h>
#include <stddef.h>

#include "guacd/base/err.h"

#define KEYSET_MAX 32 /* keys; further ones are ignored */
#define KEYSET_BYTES_MAX 262144

enum keyset_alg { KEYSET_RS256, KEYSET_ES256, KEYSET_EDDSA };

struct keyset_key {
    char kid[128];
    enum keyset_alg alg;
    EVP_PKEY *key;
    char *pem; /* SubjectPublicKeyInfo, as libjwt wants it */
    size_t pem_len;
};
struct keyset {
    _Atomic unsigned refs;
    struct keyset_key keys[KEYSET_MAX];
    size_t count;
};

/* Keys that cannot be used here (encryption, other curves, RSA below 2048 bits, no kid) are left
 * out. An error only when the document is malformed or no key remains. */
struct keyset *keyset_parse(const char *text, size_t len, struct err *e);
struct keyset *keyset_ref(struct keyset *k);
void keyset_unref(struct keyset *k); /* NULL is fine */
/* The key of this id and algorithm, or NULL: a header may not choose another algorithm for it. */
const struct keyset_key *keyset_find(const struct keyset *k, const char *kid, enum keyset_alg alg);
/* "RS256" … ; -1 when unknown, "none" and the HMACs among them. */
int keyset_alg_parse(const char *name);

#endif
