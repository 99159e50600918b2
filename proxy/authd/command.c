/* What `guac-evidence hold`, `keys rotate` and `keys compromise` ask of a running authd, over its
 * own socket: it has the key that signs, the recorder's ear and the audit. Only its own user and
 * root may; who they are stands in the leaf as unix:<uid>. */
#include "proxy/authd/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/proto/status.h"
#include "proxy/authd/evidence_log.h"
#include "recording/dsse.h"

#define HOLD_MS 60000
#define LEAF_MS 10000
#define REASON_MAX 500

struct command {
    struct authd *a;
    const json_t *msg;
    char sub[32];
    struct err *e;
};

static json_t *statement(const struct command *c, enum leaf_kind kind, const char *session,
                         json_t *detail) {
    struct leaf_claim claim = { .kind = kind,
                                .at = (int64_t)clock_wall_ms(),
                                .session = session,
                                .sub = c->sub,
                                .name = json_str(c->msg, "name", ""),
                                .gateway = c->a->conf.gateway_name,
                                .gateway_version = guac_version,
                                .detail = detail };
    _json_ json_t *o = leaf_statement(&claim, c->a->key, c->e);
    return o ? dsse_sign(o, c->a->key, c->e) : NULL;
}

/* Takes msg: what the recorder is asked. */
static json_t *logged(const struct command *c, const char *kind, const char *session, json_t *msg,
                      int ms) {
    json_t *answer = msg ? recorder_call(c->a->recorder, msg, ms, NULL, c->e) : NULL;
    if (!answer)
        return NULL;
    evidence_log_tell(c->a, session, kind, answer);
    json_object_del(answer, "rid");
    return answer;
}

static json_t *leaf(const struct command *c, enum leaf_kind kind, json_t *envelope) {
    const char *name = leaf_kind_name(kind);
    return logged(c, name, NULL,
                  json_pack("{s:s, s:s, s:o}", "op", "leaf", "kind", name, "envelope", envelope),
                  LEAF_MS);
}

static json_t *hold(const struct command *c) {
    const char *id = json_str(c->msg, "id", ""), *reason = json_str(c->msg, "reason", "");
    const json_t *on = json_object_get(c->msg, "on");
    if (!uuid_valid(id, strlen(id)) || !json_is_boolean(on) || strlen(reason) > REASON_MAX) {
        err_set(c->e, STATUS_CLIENT_BAD_REQUEST,
                "hold: an id, on, and a reason of %d bytes at most", REASON_MAX);
        return NULL;
    }
    json_t *envelope =
        statement(c, LEAF_HOLD, id, json_pack("{s:O, s:s}", "on", on, "reason", reason));
    return envelope
               ? logged(c, "hold", id,
                        json_pack("{s:s, s:s, s:s, s:O, s:o}", "op", "hold", "id", id, "prefix",
                                  json_str(c->msg, "prefix", ""), "on", on, "envelope", envelope),
                        HOLD_MS)
               : NULL;
}

/* Signed by us already, a moment ago; the other key's signature must be there, too. */
static bool both_signed(const struct command *c, const json_t *envelope) {
    struct dsse d = { 0 };
    struct leaf_said said;
    _json_ json_t *o = dsse_read(envelope, &d, c->e) == 0 ? dsse_statement(&d, c->e) : NULL;
    bool good = o && leaf_said(o, &said, c->e) == 0;
    const json_t *new = good ? json_object_get(said.detail, "new") : NULL;
    _sign_key_ struct sign_key *k =
        good ? sign_key_from_base64(json_str(new, "publicKey", ""), c->e) : NULL;
    good = k && dsse_verify(&d, c->a->key, c->e) == 0 && dsse_verify(&d, k, c->e) == 0;
    if (good &&
        (said.kind != LEAF_KEY || strcmp(json_str(new, "keyid", ""), sign_key_id(k)) != 0)) {
        err_set(c->e, STATUS_CLIENT_BAD_REQUEST, "key: a statement about something else");
        good = false;
    }
    dsse_fini(&d);
    return good;
}

/* First with the new public key: our statement, to be signed by the new one as well; then with
 * that. */
static json_t *key(const struct command *c) {
    json_t *envelope = json_object_get(c->msg, "envelope");
    if (envelope)
        return both_signed(c, envelope) ? leaf(c, LEAF_KEY, json_incref(envelope)) : NULL;
    _sign_key_ struct sign_key *k = sign_key_from_base64(json_str(c->msg, "publicKey", ""), c->e);
    if (!k)
        return NULL;
    if (strcmp(sign_key_id(k), sign_key_id(c->a->key)) == 0) {
        err_set(c->e, STATUS_RESOURCE_CONFLICT, "that is the key in use");
        return NULL;
    }
    envelope = statement(c, LEAF_KEY, NULL,
                         json_pack("{s:{s:s, s:s}}", "new", "publicKey", sign_key_public_base64(k),
                                   "keyid", sign_key_id(k)));
    return envelope ? json_pack("{s:o}", "envelope", envelope) : NULL;
}

static json_t *compromise(const struct command *c) {
    const char *id = json_str(c->msg, "keyid", "");
    int64_t since = json_num(c->msg, "since", 0), now = (int64_t)clock_wall_ms();
    if (strlen(id) != SIGN_KEYID_LEN || strspn(id, "0123456789abcdef") != SIGN_KEYID_LEN ||
        since < 0 || since > now) {
        err_set(c->e, STATUS_CLIENT_BAD_REQUEST,
                "compromise: a key's fingerprint, and a time that is past");
        return NULL;
    }
    if (strcmp(id, sign_key_id(c->a->key)) == 0) {
        err_set(c->e, STATUS_RESOURCE_CONFLICT,
                "that is the key in use: hand over to another first (keys rotate), restart authd "
                "with it, and then say so");
        return NULL;
    }
    json_t *envelope =
        statement(c, LEAF_COMPROMISE, NULL,
                  json_pack("{s:s, s:I}", "keyid", id, "since", (json_int_t)(since ? since : now)));
    return envelope ? leaf(c, LEAF_COMPROMISE, envelope) : NULL;
}

json_t *command_run(struct authd *a, const json_t *msg, uid_t uid, struct err *e) {
    struct command c = { .a = a, .msg = msg, .e = e };
    static const struct {
        const char *op;
        json_t *(*run)(const struct command *c);
    } ops[] = { { "hold", hold }, { "key", key }, { "compromise", compromise } };
    const char *op = json_str(msg, "op", "");
    if (uid != geteuid() && uid != 0) {
        err_set(e, STATUS_CLIENT_FORBIDDEN, "%s is for the gateway's own user and for root", op);
        return NULL;
    }
    snprintf(c.sub, sizeof c.sub, "unix:%u", (unsigned)uid);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(op, ops[i].op) == 0) {
            log_info("%s asked for by user %u", op, (unsigned)uid);
            return ops[i].run(&c);
        }
    err_set(e, STATUS_CLIENT_BAD_REQUEST, "there is no such op");
    return NULL;
}
