/* Session keys at rest: AES-256-GCM under the recorder's own secret, bound to the session's id. */
#ifndef GUAC_RECORDER_VAULT_H
#define GUAC_RECORDER_VAULT_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "guacd/base/secret.h"
#include "recording/sign.h"

#define VAULT_SECRET_MIN 16                /* bytes of the recorder's secret */
#define VAULT_BOX (12 + SIGN_KEY_LEN + 16) /* nonce, ciphertext, tag */

struct vault {
    struct secret key; /* 32 bytes, derived from the recorder's secret */
};
int vault_init(struct vault *v, const char *secret_file, struct err *e);
void vault_fini(struct vault *v);
int vault_seal(const struct vault *v, const char *id, const struct sign_key *k,
               uint8_t out[VAULT_BOX], struct err *e);
/* NULL: another secret, another session, or changed. */
struct sign_key *vault_open(const struct vault *v, const char *id, const uint8_t box[VAULT_BOX],
                            struct err *e);

#endif
