/* A leaf of the log over all sessions: compact JSON with sorted keys, at most LEAF_MAX bytes.
 *
 *   at       Unix ms, by the clock of the gateway that appended it
 *   kind     open seal approval replay export hold key compromise failure expiry
 *   session  UUID; absent where it is about no single one
 *   prefix   of the recording                                          open, seal
 *   sha256   of open.dsse.json, seal.dsse.json as stored               open, seal
 *   envelope DSSE of a leaf statement (below), by the gateway's key    all others
 *
 * Leaf statement: in-toto Statement v1, subject [{"name": session or "log", "digest": {"sha256": of
 * that name}}], predicateType LEAF_STATEMENT + kind + "/v1", predicate
 *   at, session (absent: none), person {sub, name} (absent: nobody), detail {..},
 *   gateway {name, version, publicKey, keyid}
 * detail: replay {from, to} (ms into the recording; to absent: the rest), export {export, sessions,
 * root (Merkle root over the ids, one a leaf, sorted), from, to (Unix ms), connection (absent:
 * all), ids (of 64 at most), chosen (true: by hand)}, session where it is one; hold {on, reason},
 * approval {request, decision, uid, resourceVersion}, key {new: {publicKey, keyid}} (signed by old
 * and new key), compromise {keyid, since}, failure {reason}, expiry {until}. */
#ifndef GUAC_RECORDING_LEAF_H
#define GUAC_RECORDING_LEAF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "recording/sign.h"

#define LEAF_MAX 8192
#define LEAF_STATEMENT "https://catalyst.openova.io/guacamole/log/"

enum leaf_kind {
    LEAF_OPEN,
    LEAF_SEAL,
    LEAF_APPROVAL,
    LEAF_REPLAY,
    LEAF_EXPORT,
    LEAF_HOLD,
    LEAF_KEY,
    LEAF_COMPROMISE,
    LEAF_FAILURE,
    LEAF_EXPIRY,
    LEAF_KINDS
};
const char *leaf_kind_name(enum leaf_kind kind);
int leaf_kind_parse(const char *name); /* -1: none */

/* Strings and envelope are the caller's, or (leaf_parse) point into `json`, which it owns then. */
struct leaf {
    enum leaf_kind kind;
    int64_t at;
    const char *session, *prefix, *sha256; /* NULL: absent */
    const json_t *envelope;
    json_t *json;
};
/* Appends one line without a newline. */
int leaf_write(const struct leaf *l, struct buf *out, struct err *e);
/* Pure: in its one spelling, members as its kind wants them; no signature is checked. */
int leaf_parse(const char *text, size_t len, struct leaf *out, struct err *e);
void leaf_fini(struct leaf *l);

/* What authd signs for the kinds that carry their statement. `detail` is taken over. */
struct leaf_claim {
    enum leaf_kind kind;
    int64_t at;
    const char *session;    /* NULL: none */
    const char *sub, *name; /* NULL: nobody */
    const char *gateway, *gateway_version;
    json_t *detail;
};
json_t *leaf_statement(struct leaf_claim *c, const struct sign_key *signer, struct err *e);
/* Pure: checks the form. Strings point into `statement`; the key that it names is in `public_key`.
 */
struct leaf_said {
    enum leaf_kind kind;
    int64_t at;
    const char *session, *sub, *name, *public_key;
    const json_t *detail;
};
int leaf_said(const json_t *statement, struct leaf_said *out, struct err *e);

#endif
