/* Links that let one more person into a session: made by who may, taken by one person once. Only
 * the hash of a link's secret is kept. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/live.h"
#include "proxy/authd/sight.h"

#define SECRET_BYTES 18
#define SECRET_LEN 24
#define MINUTES 10
#define MINUTES_MAX 60
#define INVITES_MAX 32

struct invitation {
    const char *role, *by;
    char hash[65];
    int64_t until;
};

static bool add_invite(void *arg, struct session_resource *s) {
    const struct invitation *i = arg;
    char until[32];
    if (!s->invites)
        s->invites = json_array();
    while (json_array_size(s->invites) >= INVITES_MAX)
        json_array_remove(s->invites, 0);
    clock_format((uint64_t)i->until, until, sizeof until);
    return json_array_append_new(s->invites,
                                 json_pack("{s:s, s:s, s:s, s:s}", "token", i->hash, "role",
                                           i->role, "by", i->by, "until", until)) == 0;
}

static void tell(struct exchange *x, const char *session, bool ok, const char *role,
                 const char *text) {
    struct audit_event ev = { .kind = AUDIT_SESSION_INVITE,
                              .success = ok,
                              .session = session,
                              .who = x->who,
                              .peer = x->peer,
                              .message = text,
                              .detail = json_pack("{s:s}", "role", role) };
    audit_write(x->a->audit, &ev);
}

/* Where the session's resource lives. */
static bool place(const struct sight *s, char namespace[64]) {
    const char *slash = strchr(s->connection, '/');
    if (!slash || (size_t)(slash - s->connection) >= 64)
        return false;
    snprintf(namespace, 64, "%.*s", (int)(slash - s->connection), s->connection);
    return true;
}

static void invite(struct exchange *x, const struct sight *s, const json_t *body) {
    struct err e = { 0 };
    char namespace[64] = "";
    unsigned char raw[SECRET_BYTES];
    const char *role = json_str(body, "role", "viewer");
    int64_t minutes = json_num(body, "minutes", MINUTES);
    struct buf secret, url;
    if ((strcmp(role, "viewer") != 0 && strcmp(role, "helper") != 0) || minutes < 1 ||
        minutes > MINUTES_MAX || !place(s, namespace)) {
        exchange_error(x, 400, "A viewer or a helper can be invited, for 1 to 60 minutes.",
                       "Choose another role or time.", NULL);
        return;
    }
    buf_init(&secret, 64);
    buf_init(&url, 1024);
    random_bytes(raw, sizeof raw);
    base64url_add(&secret, raw, sizeof raw);
    struct invitation i = { .role = role,
                            .by = x->who->sub,
                            .until = (int64_t)clock_wall_ms() + minutes * 60000 };
    sha256_hex(secret.data, secret.len, i.hash);
    buf_printf(&url, "%s/join/%s.%s", x->a->conf.origin, s->id, buf_str(&secret));
    enum resources_result r = live_change(x->a, namespace, s->id, add_invite, &i, &e);
    tell(x, s->id, r == RESOURCES_OK, role, r == RESOURCES_OK ? "invited somebody" : e.text);
    if (r == RESOURCES_OK)
        exchange_json(x, 201,
                      json_pack("{s:s, s:s, s:I}", "url", buf_str(&url), "role", role, "until",
                                (json_int_t)i.until));
    else
        exchange_error(x, 503, "The gateway could not write this down.", "Try again in a moment.",
                       NULL);
    buf_wipe(&secret);
    buf_wipe(&url);
}

void api_session_invite(struct exchange *x) {
    struct sight_all all;
    struct sight s;
    struct session local;
    _json_ json_t *body = exchange_body(x);
    if (!body)
        return;
    sight_init(&all, x);
    if (sight_one(&all, &s, &local)) {
        if (s.rights & SHARE_INVITE)
            invite(x, &s, body);
        else
            exchange_fail(x, FAILURE_FORBIDDEN, "The session is another person's.");
    }
    session_fini(&local);
    sight_fini(&all);
}

/* ---- taking ---------------------------------------------------------------------------------- */

struct taking {
    const struct identity *who;
    char hash[65], role[8];
    const char *rule; /* NULL: it is this person's now */
};

static bool take(void *arg, struct session_resource *s) {
    struct taking *t = arg;
    size_t i;
    json_t *invite;
    char used[32];
    uint64_t until = 0, now = clock_wall_ms();
    t->rule = "invite";
    json_array_foreach(s->invites, i, invite) {
        if (strcmp(json_str(invite, "token", ""), t->hash) != 0)
            continue;
        const char *taken = json_str(invite, "sub", "");
        snprintf(t->role, sizeof t->role, "%s", json_str(invite, "role", "viewer"));
        clock_parse(json_str(invite, "until", ""), &until);
        t->rule = *taken        ? strcmp(taken, t->who->sub) == 0 ? NULL : "invite-used"
                  : until < now ? "invite-expired"
                                : NULL;
        if (t->rule || *taken)
            return false; /* nothing to write */
        clock_format(now, used, sizeof used);
        json_object_set_new(invite, "sub", json_string(t->who->sub));
        json_object_set_new(invite, "name", json_string(t->who->name));
        json_object_set_new(invite, "used", json_string(used));
        return true;
    }
    return false;
}

static void refuse(struct exchange *x, const char *rule) {
    static const struct {
        const char *rule, *error, *advice;
        int http;
    } rows[] = {
        { "invite-used", "Somebody else has used this link.", "Ask for another one.", 410 },
        { "invite-expired", "This link is too old.", "Ask for another one.", 410 },
        { "invite", "This link leads to no session that runs.", "Ask for another one.", 404 },
    };
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(rows) && strcmp(rows[i].rule, rule) != 0)
        i++;
    exchange_error(x, rows[i].http, rows[i].error, rows[i].advice, rows[i].rule);
}

void api_invites(struct exchange *x) {
    struct taking t = { .who = x->who, .rule = "invite" };
    struct err e = { 0 };
    char id[UUID_LEN + 1] = "", namespace[64] = "";
    _json_ json_t *body = exchange_body(x);
    if (!body)
        return;
    const char *token = json_str(body, "token", "");
    if (strlen(token) == UUID_LEN + 1 + SECRET_LEN && token[UUID_LEN] == '.') {
        memcpy(id, token, UUID_LEN);
        struct resources_view *v = resources_view(x->a->resources, RESOURCE_SESSION);
        const struct resource *r = live_find(v, id);
        if (r && live_runs(r, (int64_t)clock_wall_ms()))
            snprintf(namespace, sizeof namespace, "%s", r->namespace);
        resources_view_unref(v);
    }
    if (*namespace) {
        sha256_hex(token + UUID_LEN + 1, SECRET_LEN, t.hash);
        enum resources_result r = live_change(x->a, namespace, id, take, &t, &e);
        if (r != RESOURCES_OK && r != RESOURCES_REFUSED)
            t.rule = "invite";
    }
    tell(x, *id ? id : NULL, !t.rule, t.role, t.rule ? t.rule : "took an invitation");
    if (t.rule)
        refuse(x, t.rule);
    else
        exchange_json(x, 200, json_pack("{s:s, s:s}", "session", id, "role", t.role));
}
