/* What authd signed: the open record and the seal, by a key that the anchor knows. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/util.h"
#include "recording/evidence/verify_impl.h"

int verify_anchor_add(struct verify_anchor *a, const char *text, struct err *e) {
    if (a->count == VERIFY_KEYS_MAX)
        return err_set(e, 0, "at most %d keys", VERIFY_KEYS_MAX);
    if (strlen(text) == SIGN_KEYID_LEN && strspn(text, "0123456789abcdef") == SIGN_KEYID_LEN) {
        memcpy(a->ids[a->count++], text, SIGN_KEYID_LEN + 1);
        return 0;
    }
    _sign_key_ struct sign_key *k = sign_key_read_public(text, e);
    if (!k)
        return -1;
    memcpy(a->ids[a->count++], sign_key_id(k), SIGN_KEYID_LEN + 1);
    return 0;
}

static bool anchored(const struct verify_anchor *a, const char *id) {
    for (size_t i = 0; a && i < a->count; i++)
        if (strcmp(a->ids[i], id) == 0)
            return true;
    return false;
}

/* The key stands in the statement; the signature must be by it, and the anchor must know it. */
static void check_envelope(struct verify_check *c, const char *object,
                           const struct reading_envelope *v, const char *public_key) {
    struct err e = { 0 };
    _sign_key_ struct sign_key *k = sign_key_from_base64(public_key, &e);
    if (!k || dsse_verify(&v->dsse, k, &e) < 0) {
        verify_problem(c, object, e.text);
    } else if (c->anchor && c->anchor->count && !anchored(c->anchor, sign_key_id(k))) {
        char text[160];
        snprintf(text, sizeof text, "signed by key %s, which is none of those given",
                 sign_key_id(k));
        verify_problem(c, object, text);
    }
}

void verify_open(struct verify_check *c) {
    struct reading *r = c->r;
    struct name_prefix p;
    const struct reading_envelope *v = &r->open_envelope;
    if (!v->there) {
        verify_problem(c, NAME_OPEN_OBJECT, "missing");
        return;
    }
    c->out->objects++;
    c->out->bytes += v->bytes.len;
    if (!v->statement) {
        verify_problem(c, NAME_OPEN_OBJECT, v->why.text);
        return;
    }
    check_envelope(c, NAME_OPEN_OBJECT, v, r->open.gateway_public_key);
    if (name_prefix_parse(r->prefix, &p) && strcmp(r->open.prefix, r->prefix) != 0)
        verify_problem(c, NAME_OPEN_OBJECT, "it is the open record of another recording");
    c->session = sign_key_from_base64(r->open.session_public_key, NULL);
}

void verify_seal(struct verify_check *c) {
    struct reading *r = c->r;
    const struct reading_envelope *v = &r->seal_envelope;
    if (!v->there)
        return;
    c->out->sealed = true;
    c->out->objects++;
    c->out->bytes += v->bytes.len;
    if (!v->statement) {
        verify_problem(c, NAME_SEAL_OBJECT, v->why.text);
        return;
    }
    check_envelope(c, NAME_SEAL_OBJECT, v, r->seal.gateway_public_key);
    if (!r->open_envelope.statement)
        return;
    if (strcmp(r->seal.session, r->open.session) != 0 ||
        strcmp(r->seal.prefix, r->open.prefix) != 0)
        verify_problem(c, NAME_SEAL_OBJECT, "it is the seal of another recording");
    if (strcmp(r->seal.open.sha256, r->open_envelope.sha256) != 0 ||
        r->seal.open.size != (int64_t)r->open_envelope.bytes.len)
        verify_problem(c, NAME_OPEN_OBJECT, "it is not the one that was sealed");
}
