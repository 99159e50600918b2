/* See relay.h. What is used is remembered as long as it would be good; a ticket older than this
 * process is refused, since an earlier one may have seen it. */
#include "proxy/authd/relay.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/proto/status.h"
#include "proxy/authd/live.h"

#define USED_MAX 4096 /* tickets within RELAY_TICKET_S */
#define KEY_LEN 32

struct relay {
    pthread_mutex_t lock;
    int64_t began; /* Unix ms */
    struct {
        char id[UUID_LEN + 1];
        int64_t until; /* Unix ms; 0: free */
    } used[USED_MAX];
};

struct relay *relay_new(void) {
    struct relay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    r->began = (int64_t)clock_wall_ms();
    return r;
}

void relay_free(struct relay *r) {
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* 0: it was not used before, and is now. */
static int use(struct relay *r, const char *id, int64_t until, int64_t now) {
    size_t room = USED_MAX;
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < USED_MAX && rc == 0; i++) {
        if (r->used[i].until < now)
            room = i;
        else if (strcmp(r->used[i].id, id) == 0)
            rc = -1;
    }
    if (rc == 0 && room < USED_MAX) {
        memcpy(r->used[room].id, id, UUID_LEN + 1);
        r->used[room].until = until;
    }
    pthread_mutex_unlock(&r->lock);
    return rc == 0 && room < USED_MAX ? 0 : -1;
}

json_t *relay_to(struct authd *a, const char *session) {
    struct resources_view *v = resources_view(a->resources, RESOURCE_SESSION);
    const struct resource *r = live_find(v, session);
    int64_t now = (int64_t)clock_wall_ms();
    json_t *out = NULL;
    if (r && live_runs(r, now) && r->session.relay && r->session.gateway &&
        strcmp(r->session.gateway, a->conf.gateway_name) != 0) {
        unsigned char key[KEY_LEN];
        char id[UUID_LEN + 1];
        struct buf text, ticket;
        struct err e = { 0 };
        buf_init(&text, 64);
        buf_init(&ticket, COOKIE_TEXT_MAX + 1);
        text.secret = true;
        random_bytes(key, sizeof key);
        uuid_v7(id, (uint64_t)now);
        base64url_add(&text, key, sizeof key);
        _json_ json_t *content =
            json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", id, "session", session, "gateway",
                      r->session.gateway, "key", buf_str(&text), "made", (json_int_t)now);
        if (content && authd_seal(a, COOKIE_RELAY, content, &ticket, &e) == 0)
            out = json_pack("{s:s, s:s, s:s}", "address", r->session.relay, "ticket",
                            buf_str(&ticket), "key", buf_str(&text));
        else
            log_error("a relay's ticket: %s", e.text);
        secret_wipe(key, sizeof key);
        buf_wipe(&text);
        buf_fini(&ticket);
    }
    resources_view_unref(v);
    return out;
}

json_t *relay_admit(struct authd *a, const char *ticket, struct err *e) {
    struct err ignored = { 0 };
    _json_ json_t *content = authd_open(a, COOKIE_RELAY, ticket, strlen(ticket), &ignored);
    int64_t now = (int64_t)clock_wall_ms(), made = json_num(content, "made", 0);
    const char *id = json_str(content, "id", ""), *why = NULL;
    if (!content || !uuid_valid(id, strlen(id)))
        why = "the ticket is none of this installation";
    else if (strcmp(json_str(content, "gateway", ""), a->conf.gateway_name) != 0)
        why = "the ticket is for another replica";
    else if (now - made > RELAY_TICKET_S * 1000 || made - now > RELAY_TICKET_S * 1000 ||
             made < a->relay->began)
        why = "the ticket is too old";
    else if (use(a->relay, id, made + 2 * RELAY_TICKET_S * 1000, now))
        why = "the ticket was used before";
    if (why) {
        err_set(e, STATUS_CLIENT_FORBIDDEN, "%s", why);
        return NULL;
    }
    return json_pack("{s:s, s:s}", "session", json_str(content, "session", ""), "key",
                     json_str(content, "key", ""));
}
