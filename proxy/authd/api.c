/* The page's own questions: who am I, what can I open, what runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/route.h"
#include "proxy/authd/text.h"

void api_me(struct exchange *x) {
    char csrf[COOKIE_CSRF_LEN + 1];
    struct snapshot *s = catalog_snapshot(x->a->catalog);
    authd_csrf(x->a, x->who->sid, csrf);
    exchange_json(
        x, 200,
        json_pack(
            "{s:s, s:s, s:O, s:O, s:s?, s:I, s:i, s:b, s:b, s:b, s:b, s:b, s:s, s:I, s:b}", "sub",
            x->who->sub, "name", x->who->name, "roles", x->who->roles, "groups", x->who->groups,
            "acr", x->who->acr, "authTime", (json_int_t)(x->who->auth_time * 1000),
            "refreshSeconds", x->who->refresh ? API_REFRESH_S : 0, "canOperate",
            authd_can_operate(x->a, x->who, s), "canAudit", authd_can_audit(x->a, x->who),
            "canModerate", authd_can_moderate(x->a, x->who), "canApprove",
            authd_can_approve(x->a, x->who, s), "canLock", authd_can_moderate(x->a, x->who), "csrf",
            csrf, "expires", (json_int_t)(x->who->exp * 1000), "refresh", x->who->refresh != NULL));
    snapshot_unref(s);
}

/* ---- sessions -------------------------------------------------------------------------------- */

struct listing {
    struct exchange *x;
    json_t *list;
    bool all;
};

static void list_session(void *arg, const struct session *one) {
    struct listing *l = arg;
    bool mine = strcmp(one->sub, l->x->who->sub) == 0;
    const char *slash = strchr(one->connection, '/');
    if (!mine && !l->all)
        return;
    int namespace_len = slash ? (int)(slash - one->connection) : 0;
    json_array_append_new(
        l->list,
        json_pack("{s:s, s:{s:s%, s:s}, s:s, s:{s:s, s:s}, s:I, s:i, s:b, s:s, s:I}", "id", one->id,
                  "connection", "namespace", one->connection, (size_t)namespace_len, "name",
                  slash ? slash + 1 : one->connection, "protocol", one->protocol, "owner", "sub",
                  one->sub, "name", one->name, "started", (json_int_t)one->started, "users",
                  (int)one->users, "mine", mine, "recording", one->recording, "graceMs",
                  (json_int_t)one->grace_ms));
}

void api_sessions(struct exchange *x) {
    struct listing l = { x, json_array(),
                         authd_can_moderate(x->a, x->who) || authd_can_audit(x->a, x->who) };
    sessions_refresh(x->a->sessions);
    sessions_each(x->a->sessions, list_session, &l);
    exchange_json(x, 200, json_pack("{s:o}", "sessions", l.list));
}

/* The text of a body {"text": …}; "" when there is none. -1: malformed. */
static int body_text(struct exchange *x, char *out, size_t size) {
    struct err e = { 0 };
    *out = '\0';
    if (!x->body || !*x->body)
        return 0;
    _json_ json_t *body = json_parse(x->body, strlen(x->body), 4096, &e);
    if (!body)
        return -1;
    snprintf(out, size, "%s", json_str(body, "text", ""));
    text_clean(out);
    return 0;
}

void api_session_end(struct exchange *x) {
    struct err e = { 0 };
    char text[300], words[400];
    const char *id = x->params[0];
    _json_ json_t *info = sessions_info(x->a->sessions, id, &e);
    if (!info) {
        exchange_error(x, status_http(e.status), "This session is over.", "Reload the list.", NULL);
        return;
    }
    bool mine = strcmp(json_str(info, "owner", ""), x->who->sub) == 0;
    if (!mine && !authd_can_moderate(x->a, x->who)) {
        exchange_fail(x, FAILURE_FORBIDDEN, "The session is another person's.");
        return;
    }
    if (body_text(x, text, sizeof text)) {
        exchange_error(x, 400, "The request's body is malformed.", "Reload the page.", NULL);
        return;
    }
    snprintf(words, sizeof words, "%s",
             *text  ? text
             : mine ? "You ended the session."
                    : "A moderator ended the session.");
    _json_ json_t *answer = sessions_call(
        x->a->sessions, id,
        json_pack("{s:s, s:i, s:s}", "op", "end", "status", STATUS_SESSION_CLOSED, "text", words),
        NULL, 0, &e);
    struct audit_event ev = { .kind = AUDIT_SESSION_KILL,
                              .success = answer != NULL,
                              .session = id,
                              .who = x->who,
                              .peer = x->peer,
                              .message = answer ? words : e.text,
                              .detail = json_pack("{s:s}", "connection",
                                                  json_str(info, "connection", "")) };
    audit_write(x->a->audit, &ev);
    if (answer)
        exchange_json(x, 200, json_object());
    else
        exchange_error(x, status_http(e.status), e.text, "Try again.", NULL);
}
