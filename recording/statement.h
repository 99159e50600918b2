/* What is signed about a recording: in-toto Statements v1 (in DSSE envelopes, dsse.h), the open
 * record before the target is dialled and the seal at the end. Names of predicate types and of all
 * their members stand here and nowhere else. Times are Unix ms; hashes are lower-case hex SHA-256.
 *
 * authd:  open_statement() -> dsse_sign() -> recorder's `open`;
 *         recorder's `ended` -> seal_statement(predicate) -> dsse_sign() -> `seal`.
 * A reader: dsse_parse(), open_read() / seal_read(), dsse_verify(). */
#ifndef GUAC_RECORDING_STATEMENT_H
#define GUAC_RECORDING_STATEMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "recording/sign.h"

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define STATEMENT_OPEN "https://catalyst.openova.io/guacamole/recording/open/v1"
#define STATEMENT_SEAL "https://catalyst.openova.io/guacamole/recording/seal/v1"

/* ---- open ---------------------------------------------------------------------------------------
 * Statement: subject [{"name": prefix, "digest": {"sha256": keyid of the session's key}}]
 * predicate:
 *   session, prefix, start, retainUntil, clockOffsetMs
 *   person      {sub, name, roles [..], acr, idTokenSha256}       acr, idTokenSha256 may be absent
 *   connection  {namespace, name, uid, resourceVersion, specSha256}
 *   protocol, target                                              "ssh", "host:port"
 *   approvals   [..]                                              authd's own objects, kept as
 * given recording   {enabled, keys, retentionDays}                    keys: full, masked, off key
 * {publicKey, keyid}                                of the session, made by the recorder gateway
 * {name, version, publicKey, keyid}                 of authd, which signs Strings are owned by the
 * caller; NULL ones are left out of the JSON where it says "may be". */
struct open_record {
    const char *session; /* UUID */
    const char *prefix;  /* <bucket>/<namespace>/<connection>/<yyyy>/<mm>/<dd>/<session> */
    int64_t start, retain_until, clock_offset_ms;
    const char *sub, *person_name, *acr, *id_token_sha256;
    const json_t *roles; /* array of strings; NULL: empty */
    const char *namespace, *connection, *uid, *resource_version, *spec_sha256;
    const char *protocol, *target;
    const json_t *approvals; /* array; NULL: empty */
    bool recording_enabled;
    const char *keys;
    int64_t retention_days;
    const char *session_public_key; /* base64 of the raw 32 bytes, as the recorder's `new` says */
    const char *gateway, *gateway_version;
    const char *gateway_public_key; /* filled by open_read(); written from `signer` */
};
/* A new Statement for dsse_sign() with the same key. NULL: e names the member that is missing or
 * malformed. */
json_t *open_statement(const struct open_record *r, const struct sign_key *signer, struct err *e);
/* Pure: checks type, every member and that prefix, session and subject agree. Strings and arrays
 * point into `statement`. */
int open_read(const json_t *statement, struct open_record *out, struct err *e);

/* ---- seal ---------------------------------------------------------------------------------------
 * Statement: subject [{"name": "open.dsse.json", "digest": {"sha256"}},
 *                     {"name": "chunks.jsonl.zst", "digest": {"sha256"}}]
 * predicate (the recorder's; authd signs it as it is, adding `gateway`):
 *   session, prefix, state closed|interrupted|refused, status (Guacamole), reason (a sentence)
 *   start, end                      Unix ms; end = last frame's time, or when it was noticed
 *   open      {sha256, size, versionId}         of open.dsse.json as stored
 *   list      {sha256, size, versionId, count}  of chunks.jsonl.zst as stored
 *   root      RFC 6962 Merkle tree hash over the lines of chunks.jsonl (without their newlines)
 *   chains    {data, keyframe, text: {count, raw, stored, head}}
 *                                   objects, bytes before and after, SHA-256 of the last header
 * line frames    tap frames in all chains;  sequence: of the last one. Equal unless some were lost.
 *   clockOffsetMs, recorder (version)
 *   silent    {gateway, since}    only when another recorder sealed it: the name of the one that
 * had it, and since when (Unix ms) that one kept silent. Then chunks behind a gap, and frames, may
 * be missing from the list derived   []                    digests of derived files (a later issue)
 *   gateway   {version, publicKey, keyid}       of authd, which signs                           */
enum chain_kind { CHAIN_DATA, CHAIN_KEYFRAME, CHAIN_TEXT, CHAIN_KINDS };

struct seal_object {
    const char *sha256, *version_id; /* version_id "": the store has none */
    int64_t size;
};
struct seal_record {
    const char *session, *prefix, *state, *reason;
    int64_t status, start, end, clock_offset_ms;
    struct seal_object open, list;
    int64_t count; /* lines of the list */
    const char *root;
    struct seal_chain {
        int64_t count, raw, stored;
        const char *head; /* the open record's hash for an empty chain, as the first `prev` */
    } chains[CHAIN_KINDS];
    int64_t frames, sequence;
    const char *recorder;
    const char *silent_gateway; /* NULL: sealed by its own recorder */
    int64_t silent_since;
    const char *gateway_public_key; /* filled by seal_read(); NULL in a bare predicate */
};
/* The recorder's part of `ended`. */
json_t *seal_predicate(const struct seal_record *r, struct err *e);
/* authd: checks the predicate and makes the Statement. `session` and `prefix` are those of the open
 * record that authd signed: a predicate for another one is refused. */
json_t *seal_statement(const json_t *predicate, const char *session, const char *prefix,
                       const struct sign_key *signer, struct err *e);
int seal_read(const json_t *statement, struct seal_record *out, struct err *e);

#endif
