/* Reading the message, finding out who asks, writing answers. */
#include "proxy/authd/exchange.h"

#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/stats.h"
#include "proxy/authd/text.h"

int exchange_init(struct exchange *x, struct authd *a, struct http *http, const json_t *msg,
                  struct err *e) {
    const json_t *h = json_object_get(msg, "headers");
    const char *query = json_str(msg, "query", "");
    *x = (struct exchange){ .a = a, .http = http, .fd = -1, .size = -1 };
    buf_init(&x->text, EXCHANGE_BODY_MAX);
    uuid_v7(x->id, clock_wall_ms());
    x->method = json_str(msg, "method", "");
    x->path = json_str(msg, "path", "");
    x->peer = json_str(msg, "peer", "");
    x->body = json_str(msg, "body", NULL);
    x->relayed = json_str(msg, "relayed", NULL);
    x->cookie = json_str(h, "cookie", NULL);
    x->origin = json_str(h, "origin", NULL);
    x->fetch_site = json_str(h, "sec-fetch-site", NULL);
    x->csrf = json_str(h, "x-csrf", NULL);
    x->content_type = json_str(h, "content-type", NULL);
    return query_parse(query, strlen(query), &x->query, e);
}

void exchange_fini(struct exchange *x) {
    query_fini(&x->query);
    identity_free(x->who);
    json_decref(x->headers);
    json_decref(x->relay);
    buf_fini(&x->text);
    if (x->fd >= 0)
        close(x->fd);
}

void exchange_identify(struct exchange *x) {
    char name[32];
    struct err ignored = { 0 };
    x->nobody = FAILURE_NO_COOKIE;
    cookie_name(EXCHANGE_COOKIE, x->a->conf.secure, name, sizeof name);
    struct slice value =
        x->cookie ? cookie_find(x->cookie, strlen(x->cookie), name) : (struct slice){ NULL, 0 };
    if (!value.len)
        return;
    x->nobody = FAILURE_COOKIE;
    _json_ json_t *content = authd_open(x->a, COOKIE_SESSION, value.data, value.len, &ignored);
    struct identity *who = content ? identity_read(content, &ignored) : NULL;
    if (!who)
        return;
    enum failure ended = locks_person(x->a->locks, who, (int64_t)clock_wall_ms());
    if (ended != FAILURE_NONE) {
        x->nobody = ended;
        identity_free(who);
        return;
    }
    x->who = who;
    x->nobody = who->exp * 1000 > (int64_t)clock_wall_ms() ? FAILURE_NONE : FAILURE_EXPIRED;
}

/* ---- answers --------------------------------------------------------------------------------- */

void exchange_header(struct exchange *x, const char *name, const char *value) {
    if (!x->headers)
        x->headers = json_array();
    json_t *pair = json_pack("[s, s]", name, value);
    if (pair)
        json_array_append_new(x->headers, pair);
}

void exchange_json(struct exchange *x, int status, json_t *body) {
    _json_ json_t *held = body;
    buf_clear(&x->text);
    x->status = held && json_write(held, &x->text) == 0 ? status : 500;
    exchange_header(x, "content-type", "application/json; charset=utf-8");
}

void exchange_refuse(struct exchange *x, int status, const char *error, const char *advice,
                     const char *rule, json_t *more) {
    char text[ERR_TEXT_MAX + 256];
    _json_ json_t *extra = more;
    snprintf(text, sizeof text, "%s", error);
    if (rule && *rule && status >= 400)
        stats_refused(rule);
    json_t *o =
        json_pack("{s:s, s:s, s:s}", "error", text_clean(text), "advice", advice, "id", x->id);
    if (rule && *rule)
        json_object_set_new(o, "rule", json_string(rule));
    if (extra)
        json_object_update_missing(o, extra);
    exchange_json(x, status, o);
}

void exchange_error(struct exchange *x, int status, const char *error, const char *advice,
                    const char *rule) {
    exchange_refuse(x, status, error, advice, rule, NULL);
}

json_t *exchange_body(struct exchange *x) {
    struct err e = { 0 };
    if (!x->body || !*x->body)
        return json_object();
    json_t *body = json_parse(x->body, strlen(x->body), 65536, &e);
    if (json_is_object(body))
        return body;
    json_decref(body);
    exchange_error(x, 400, "The request's body is malformed.", "Reload the page.", NULL);
    return NULL;
}

void exchange_retry_after(struct exchange *x, int seconds) {
    char text[16];
    snprintf(text, sizeof text, "%d", seconds);
    exchange_header(x, "retry-after", text);
}

void exchange_redirect(struct exchange *x, const char *url) {
    x->status = 302;
    exchange_header(x, "location", url);
}

static bool is_page(const struct exchange *x) {
    return strncmp(x->path, "/auth/", 6) == 0 && strcmp(x->method, "GET") == 0;
}

static void tell_failure(struct exchange *x, enum failure f, const char *detail) {
    char text[600];
    const struct failure_row *row = failure_row(f);
    failure_count(f);
    if (f == FAILURE_NO_COOKIE || f == FAILURE_EXPIRED)
        return;
    snprintf(text, sizeof text, "%s%s%s", row->title, detail && *detail ? " " : "",
             detail ? detail : "");
    struct audit_event ev = {
        .kind = is_page(x) ? AUDIT_SIGN_IN_FAILED : AUDIT_REFUSED,
        .success = false,
        .who = x->who,
        .peer = x->peer,
        .message = text,
        .detail = json_pack("{s:s, s:s, s:s, s:s}", "reason", row->reason, "method", x->method,
                            "path", x->path, "correlation", x->id),
    };
    audit_write(x->a->audit, &ev);
}

void exchange_fail(struct exchange *x, enum failure f, const char *detail) {
    const struct failure_row *row = failure_row(f);
    char text[700];
    tell_failure(x, f, detail);
    if (!is_page(x)) {
        snprintf(text, sizeof text, "%s%s%s", row->title, detail && *detail ? " " : "",
                 detail ? detail : "");
        exchange_error(x, row->http, text, row->advice, row->reason);
        return;
    }
    struct page_link again = { x->a->oidc ? "/auth/login" : NULL, "Sign in" }, none = { 0 };
    buf_clear(&x->text);
    x->status = page_error(&x->text, f, detail, x->id, again, none) ? 500 : row->http;
    exchange_header(x, "content-type", "text/html; charset=utf-8");
}

void exchange_fd(struct exchange *x, const char *type, int fd, int64_t size) {
    x->status = 200;
    x->fd = fd;
    x->size = size;
    exchange_header(x, "content-type", type);
}

void exchange_set_cookie(struct exchange *x, const char *name, const char *value, long max_age) {
    struct buf line;
    buf_init(&line, COOKIE_TEXT_MAX + 256);
    if (cookie_format(&line, name, value, x->a->conf.secure, max_age) == 0)
        exchange_header(x, "set-cookie", buf_str(&line));
    buf_wipe(&line);
}

/* ---- signing in ------------------------------------------------------------------------------ */

static bool in_use(const struct authd *a, const struct snapshot *s, const char *role) {
    if (json_has_string(a->conf.operators, role) || json_has_string(a->conf.auditors, role) ||
        json_has_string(a->conf.moderators, role))
        return true;
    for (size_t i = 0; i < s->count; i++)
        if (json_has_string(s->connections[i]->roles, role) ||
            json_has_string(s->connections[i]->jit.approvers, role))
            return true;
    return false;
}

/* Roles, or groups, that something here asks for. */
static json_t *names_in_use(struct authd *a, const json_t *roles) {
    struct snapshot *s = catalog_snapshot(a->catalog);
    json_t *kept = json_array(), *role;
    size_t i;
    json_array_foreach(roles, i, role) if (in_use(a, s, json_string_value(role)))
        json_array_append(kept, role);
    snapshot_unref(s);
    return kept;
}

static int seal(struct exchange *x, const struct identity *who, struct buf *out, struct err *e) {
    _json_ json_t *content = identity_write(who);
    buf_clear(out);
    return content ? authd_seal(x->a, COOKIE_SESSION, content, out, e)
                   : err_set(e, STATUS_SERVER_ERROR, "no memory for a cookie");
}

int exchange_sign_in(struct exchange *x, struct identity *who, struct err *e) {
    struct buf value;
    buf_init(&value, COOKIE_TEXT_MAX + 1);
    int rc = seal(x, who, &value, e);
    if (rc) {
        json_t *kept = names_in_use(x->a, who->roles), *groups = names_in_use(x->a, who->groups);
        log_info("%zu of %zu roles of %s are kept: the cookie would be too large",
                 json_array_size(kept), json_array_size(who->roles), who->sub);
        json_decref(who->roles);
        json_decref(who->groups);
        who->roles = kept;
        who->groups = groups;
        rc = seal(x, who, &value, e);
    }
    if (rc && who->refresh) {
        log_warning("the refresh token of %s does not fit into a cookie and is left out", who->sub);
        secret_wipe(who->refresh, strlen(who->refresh));
        free(steal_ptr(who->refresh));
        rc = seal(x, who, &value, e);
    }
    if (rc == 0)
        exchange_set_cookie(x, EXCHANGE_COOKIE, buf_str(&value), EXCHANGE_COOKIE_S);
    buf_wipe(&value);
    return rc;
}
