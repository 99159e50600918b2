/* DSSE envelopes (github.com/secure-systems-lab/dsse, protocol v1.0.2) around in-toto Statements:
 * {"payload": base64, "payloadType": "application/vnd.in-toto+json",
 *  "signatures": [{"keyid": hex, "sig": base64}]}
 * What is signed is PAE(payloadType, payload), never the JSON that carries it. */
#ifndef GUAC_RECORDING_DSSE_H
#define GUAC_RECORDING_DSSE_H

#include <jansson.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "recording/sign.h"

#define DSSE_INTOTO "application/vnd.in-toto+json"
#define DSSE_MAX 131072       /* bytes of an envelope */
#define DSSE_SIGNATURES_MAX 4 /* room for a key rotation signed by old and new */

/* "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload, lengths in decimal ASCII. */
int dsse_pae(const char *type, const void *payload, size_t len, struct buf *out);

/* Sign `statement` (written compact with sorted keys). A new envelope, or NULL. */
json_t *dsse_sign(const json_t *statement, const struct sign_key *k, struct err *e);

/* An envelope taken apart; nothing in it is verified. */
struct dsse {
    struct buf payload;
    struct dsse_signature {
        char keyid[SIGN_KEYID_LEN + 1];
        uint8_t sig[SIGN_LEN];
    } signatures[DSSE_SIGNATURES_MAX];
    size_t signature_count;
};
/* Pure. From bytes as stored (compact, sorted keys, nothing around them: one spelling, so that no
 * byte can change unseen) or from JSON; any other payloadType is refused. Zero `out` first. */
int dsse_parse(const char *text, size_t len, struct dsse *out, struct err *e);
int dsse_read(const json_t *envelope, struct dsse *out, struct err *e);
void dsse_fini(struct dsse *d);
/* 0 when a signature under this very key is there and fits. */
int dsse_verify(const struct dsse *d, const struct sign_key *k, struct err *e);
/* The payload as JSON (an in-toto Statement; statement.h reads it). */
json_t *dsse_statement(const struct dsse *d, struct err *e);

#endif
