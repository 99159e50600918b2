/* Envelopes. Only the canonical shape is taken: what one tool would read differently from another
 * is no evidence. */
#include "recording/dsse.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

int dsse_pae(const char *type, const void *payload, size_t len, struct buf *out) {
    buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
    return buf_add(out, payload, len);
}

static json_t *base64_json(const void *data, size_t len) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, BASE64_LEN(DSSE_MAX));
    return base64_add(&b, data, len) < 0 ? NULL : json_stringn(buf_str(&b), b.len);
}

json_t *dsse_sign(const json_t *statement, const struct sign_key *k, struct err *e) {
    struct buf payload __attribute__((cleanup(buf_fini)));
    struct buf pae __attribute__((cleanup(buf_fini)));
    buf_init(&payload, DSSE_MAX / 4 * 3 - 1024); /* so that the envelope fits DSSE_MAX */
    buf_init(&pae, DSSE_MAX);
    uint8_t sig[SIGN_LEN];
    if (json_write(statement, &payload) < 0 ||
        dsse_pae(DSSE_INTOTO, payload.data, payload.len, &pae) < 0) {
        err_set(e, STATUS_CLIENT_OVERRUN, "statement too large to sign");
        return NULL;
    }
    if (sign_make(k, pae.data, pae.len, sig, e) < 0)
        return NULL;
    json_t *o =
        json_pack("{s:o, s:s, s:[{s:s, s:o}]}", "payload", base64_json(payload.data, payload.len),
                  "payloadType", DSSE_INTOTO, "signatures", "keyid", sign_key_id(k), "sig",
                  base64_json(sig, sizeof sig));
    if (!o)
        err_set(e, 0, "no memory for an envelope");
    return o;
}

int dsse_parse(const char *text, size_t len, struct dsse *out, struct err *e) {
    _json_ json_t *o = json_parse(text, len, DSSE_MAX, e);
    struct buf again __attribute__((cleanup(buf_fini)));
    buf_init(&again, DSSE_MAX);
    if (!o)
        return -1;
    if (json_write(o, &again) < 0 || again.len != len || memcmp(again.data, text, len) != 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "the envelope is not in its one spelling");
    return dsse_read(o, out, e);
}

static int read_signature(const json_t *o, struct dsse_signature *s, struct err *e) {
    const char *keyid = json_need(o, "keyid", e), *sig = keyid ? json_need(o, "sig", e) : NULL;
    if (!sig)
        return -1;
    uint8_t raw[SIGN_LEN + 2];
    if (strlen(keyid) != SIGN_KEYID_LEN || strlen(sig) != BASE64_LEN(SIGN_LEN) ||
        json_object_size(o) != 2 || base64_decode(sig, BASE64_LEN(SIGN_LEN), raw) != SIGN_LEN)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "a signature is keyid and 64 bytes in base64");
    memcpy(s->keyid, keyid, sizeof s->keyid);
    memcpy(s->sig, raw, SIGN_LEN);
    return 0;
}

int dsse_read(const json_t *envelope, struct dsse *out, struct err *e) {
    const char *type = json_need(envelope, "payloadType", e);
    const char *payload = type ? json_need(envelope, "payload", e) : NULL;
    const json_t *signatures = json_object_get(envelope, "signatures");
    size_t count = json_array_size(signatures), len = payload ? strlen(payload) : 0;
    if (!payload)
        return -1;
    if (strcmp(type, DSSE_INTOTO) != 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "the payload is no in-toto statement");
    if (count < 1 || count > DSSE_SIGNATURES_MAX || json_object_size(envelope) != 3)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "an envelope has a payload, its type and one "
                       "to %d signatures",
                       DSSE_SIGNATURES_MAX);
    struct dsse d = { 0 };
    for (size_t i = 0; i < count; i++)
        if (read_signature(json_array_get(signatures, i), &d.signatures[i], e) < 0)
            return -1;
    d.signature_count = count;
    buf_init(&d.payload, DSSE_MAX);
    char *room = buf_reserve(&d.payload, len / 4 * 3 + 3);
    long n = room ? base64_decode(payload, len, room) : -1;
    if (n < 0) {
        buf_fini(&d.payload);
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "the payload is no base64");
    }
    d.payload.len = (size_t)n;
    dsse_fini(out);
    *out = d;
    return 0;
}

void dsse_fini(struct dsse *d) {
    buf_fini(&d->payload);
    d->signature_count = 0;
}

int dsse_verify(const struct dsse *d, const struct sign_key *k, struct err *e) {
    struct buf pae __attribute__((cleanup(buf_fini)));
    buf_init(&pae, DSSE_MAX + 128);
    if (dsse_pae(DSSE_INTOTO, d->payload.data, d->payload.len, &pae) < 0)
        return err_set(e, 0, "no memory for an envelope");
    for (size_t i = 0; i < d->signature_count; i++)
        if (strcmp(d->signatures[i].keyid, sign_key_id(k)) == 0)
            return sign_check(k, pae.data, pae.len, d->signatures[i].sig, SIGN_LEN, e);
    return err_set(e, 0, "not signed by key %.16s…", sign_key_id(k));
}

json_t *dsse_statement(const struct dsse *d, struct err *e) {
    return json_parse(d->payload.data ? d->payload.data : "", d->payload.len, DSSE_MAX, e);
}
