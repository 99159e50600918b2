/* Exports: guac-evidence settles which sessions a bag has and makes it; between the two, who takes
 * them out becomes a leaf of the log, or nothing is made. Each person's exports are his own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/evidence_ask.h"
#include "proxy/authd/evidence_log.h"
#include "proxy/authd/route.h"

#define PLAN_MS 60000 /* a person's sessions are found by their open records */
#define MADE_MS 1500  /* /api/me does not wait for a reader that hangs */
#define BODY_BYTES 65536

static json_t *person(const struct exchange *x) {
    return json_pack("{s:s, s:s}", "sub", x->who->sub, "name", x->who->name ? x->who->name : "");
}

/* A question about the export in the path, or all. */
static json_t *question(const struct exchange *x, const char *op, const char *id) {
    return json_pack("{s:s, s:s*, s:o}", "op", op, "export", id, "by", person(x));
}

static void refuse(struct exchange *x, const struct err *e) {
    const char *advice = e->status == STATUS_RESOURCE_NOT_FOUND   ? "Go back to the list."
                         : e->status == STATUS_CLIENT_TOO_MANY    ? "Remove one you have taken."
                         : e->status == STATUS_CLIENT_BAD_REQUEST ? "Change what is asked for."
                         : e->status == STATUS_RESOURCE_CONFLICT  ? "Wait until it is made."
                         : e->status == STATUS_UNSUPPORTED        ? "Use guac-evidence export."
                                                                  : "Try again in a moment.";
    const int http = e->status == STATUS_UNSUPPORTED         ? 404
                     : e->status == STATUS_RESOURCE_CONFLICT ? 409
                                                             : status_http(e->status);
    exchange_error(x, http, e->text, advice, NULL);
}

static json_t *ask(struct exchange *x, json_t *msg, int ms, int *fd) {
    struct err e = { 0 };
    int spare = -1;
    json_t *answer = evidence_ask_within(x, msg, ms, fd ? fd : &spare, &e);
    if (!answer)
        refuse(x, &e);
    if (spare >= 0)
        close(spare);
    return answer;
}

static void audit(struct exchange *x, const char *what, const char *id, const json_t *plan) {
    json_t *detail = json_pack("{s:s, s:s}", "export", id, "step", what);
    static const char *const members[] = { "sessions", "root", "from", "to", "connection", "ids" };
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_object_get(plan, members[i]))
            json_object_set(detail, members[i], json_object_get(plan, members[i]));
    struct audit_event ev = { .kind = AUDIT_EXPORT,
                              .success = true,
                              .who = x->who,
                              .peer = x->peer,
                              .message = "recordings are taken out",
                              .detail = detail };
    audit_write(x->a->audit, &ev);
}

bool evidence_exports_made(struct exchange *x) {
    struct err ignored = { 0 };
    int fd;
    /* An export that nobody has: the answer tells only whether there may be any. */
    _json_ json_t *answer = evidence_ask_within(
        x, json_pack("{s:s, s:{s:s}}", "op", "exports", "by", "sub", "-"), MADE_MS, &fd, &ignored);
    if (fd >= 0)
        close(fd);
    return answer != NULL;
}

/* ---- a new one ------------------------------------------------------------------------------ */

/* `body` as the page sends it, for the reader. */
static json_t *wanted(const struct exchange *x, const json_t *body) {
    static const char *const keys[] = { "from", "to", "connection", "person" };
    json_t *sessions = json_object_get(body, "sessions");
    json_t *msg = question(x, "export", NULL), *filter = json_object();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (json_object_get(body, keys[i]))
            json_object_set(filter, keys[i], json_object_get(body, keys[i]));
    if (sessions)
        json_object_set(msg, "sessions", sessions);
    else
        json_object_set(msg, "filter", filter);
    json_decref(filter);
    return msg;
}

/* What the log has to say of it. */
static json_t *detail_of(const json_t *plan) {
    static const char *const members[] = { "export", "sessions", "root", "from", "to", "ids" };
    json_t *o = json_object();
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_object_get(plan, members[i]))
            json_object_set(o, members[i], json_object_get(plan, members[i]));
    const char *connection = json_str(plan, "connection", "");
    if (*connection)
        json_object_set_new(o, "connection", json_string(connection));
    if (!json_flag(plan, "period", true))
        json_object_set_new(o, "chosen", json_true());
    return o;
}

void api_export_new(struct exchange *x) {
    struct err e = { 0 };
    const char *text = x->body ? x->body : "";
    _json_ json_t *body = json_parse(text, strlen(text), BODY_BYTES, &e);
    if (!body) {
        exchange_error(x, 400, "An export is {\"sessions\": […]} or {\"from\": …, \"to\": …}.",
                       "Reload the page.", NULL);
        return;
    }
    _json_ json_t *plan = ask(x, wanted(x, body), PLAN_MS, NULL);
    if (!plan)
        return;
    const char *id = json_str(plan, "export", "");
    const json_t *ids = json_object_get(plan, "ids");
    const char *single =
        json_array_size(ids) == 1 ? json_string_value(json_array_get(ids, 0)) : NULL;
    if (evidence_log_leaf(x->a, LEAF_EXPORT, single, x->who, detail_of(plan), &e) < 0) {
        int fd;
        json_decref(evidence_ask(x, question(x, "drop", id), &fd, &(struct err){ 0 }));
        err_prefix(&e, "Nothing is taken out without a trace of who did");
        refuse(x, &e);
        return;
    }
    _json_ json_t *begun = ask(x, question(x, "begin", id), MADE_MS * 10, NULL);
    if (!begun)
        return;
    audit(x, "ordered", id, plan);
    exchange_json(x, 202, json_pack("{s:s}", "export", id));
}

/* ---- what there is -------------------------------------------------------------------------- */

void api_exports(struct exchange *x) {
    evidence_relay(x, question(x, "exports", NULL));
}

void api_export(struct exchange *x) {
    _json_ json_t *answer = ask(x, question(x, "exports", x->params[0]), MADE_MS * 10, NULL);
    const json_t *one = json_array_get(json_object_get(answer, "exports"), 0);
    if (answer)
        exchange_json(x, 200, one ? json_deep_copy(one) : json_object());
}

void api_export_bag(struct exchange *x) {
    char disposition[128], *end = NULL;
    const char *text = query_get(&x->query, "offset", "0"), *id = x->params[0];
    int fd = -1;
    long long offset = strtoll(text, &end, 10);
    if (!*text || *end || offset < 0) {
        exchange_error(x, 400, "offset is a number of bytes.", "Begin at 0.", NULL);
        return;
    }
    json_t *msg = question(x, "bag", id);
    json_object_set_new(msg, "offset", json_integer(offset));
    _json_ json_t *answer = ask(x, msg, MADE_MS * 10, &fd);
    if (!answer || fd < 0)
        return;
    audit(x, "taken", id, NULL);
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%.60s.tar\"", id);
    exchange_header(x, "content-disposition", disposition);
    exchange_fd(x, "application/x-tar", fd, json_num(answer, "size", -1));
}

void api_export_drop(struct exchange *x) {
    _json_ json_t *answer = ask(x, question(x, "drop", x->params[0]), MADE_MS * 10, NULL);
    if (!answer)
        return;
    audit(x, "removed", x->params[0], NULL);
    exchange_json(x, 200, json_object());
}
