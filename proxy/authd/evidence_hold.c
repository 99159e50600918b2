/* Legal holds, by who has one of hold-roles: the statement is signed here, the recorder sets it and
 * puts it into the log. */
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/proto/status.h"
#include "proxy/authd/evidence_ask.h"
#include "proxy/authd/evidence_log.h"
#include "proxy/authd/route.h"
#include "recording/dsse.h"

#define HOLD_MS 60000
#define REASON_MAX 500

void api_hold(struct exchange *x) {
    struct err e = { 0 };
    int fd;
    _json_ json_t *answer =
        evidence_ask(x, json_pack("{s:s, s:s}", "op", "held", "id", x->params[0]), &fd, &e);
    if (fd >= 0)
        close(fd);
    if (!answer) {
        evidence_refuse(x, &e);
        return;
    }
    json_object_del(answer, "ok");
    exchange_json(x, 200, json_incref(answer));
}

static json_t *statement(struct exchange *x, bool on, const char *reason, struct err *e) {
    struct leaf_claim claim = { .kind = LEAF_HOLD,
                                .at = (int64_t)clock_wall_ms(),
                                .session = x->params[0],
                                .sub = x->who->sub,
                                .name = x->who->name,
                                .gateway = x->a->conf.gateway_name,
                                .gateway_version = guac_version,
                                .detail = json_pack("{s:b, s:s}", "on", on, "reason", reason) };
    _json_ json_t *o = leaf_statement(&claim, x->a->key, e);
    return o ? dsse_sign(o, x->a->key, e) : NULL;
}

/* Where the recording lies. */
static json_t *find(struct exchange *x, struct err *e) {
    int fd;
    json_t *answer =
        evidence_ask(x, json_pack("{s:s, s:s}", "op", "find", "id", x->params[0]), &fd, e);
    if (fd >= 0)
        close(fd);
    return answer;
}

void api_hold_set(struct exchange *x) {
    struct err e = { 0 };
    const char *text = x->body ? x->body : "";
    _json_ json_t *body = json_parse(text, strlen(text), 4096, &e);
    const json_t *on = json_object_get(body, "on");
    const char *reason = json_str(body, "reason", "");
    if (!identity_has_any(x->who, x->a->conf.holders)) {
        exchange_fail(x, FAILURE_FORBIDDEN, "Legal holds are for those in hold-roles.");
        return;
    }
    if (!json_is_boolean(on) || strlen(reason) > REASON_MAX ||
        !uuid_valid(x->params[0], strlen(x->params[0]))) {
        exchange_error(x, 400, "A hold is {\"on\": true or false, \"reason\": \"…\"}.",
                       "Reload the page.", NULL);
        return;
    }
    _json_ json_t *place = find(x, &e);
    json_t *envelope = place ? statement(x, json_is_true(on), reason, &e) : NULL;
    _json_ json_t *answer =
        envelope ? recorder_call(x->a->recorder,
                                 json_pack("{s:s, s:s, s:s, s:b, s:o}", "op", "hold", "id",
                                           x->params[0], "prefix", json_str(place, "prefix", ""),
                                           "on", json_is_true(on), "envelope", envelope),
                                 HOLD_MS, NULL, &e)
                 : NULL;
    if (!answer) {
        exchange_error(x, status_http(e.status), e.text, "Try again; some objects may be held.",
                       NULL);
        return;
    }
    evidence_log_tell(x->a, x->params[0], "hold", answer);
    json_object_del(answer, "ok");
    json_object_del(answer, "rid");
    exchange_json(x, 200, json_incref(answer));
}
