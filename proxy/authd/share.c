/* Rights come from the resource and the roles of the moment. Who moderates is the session's to
 * remember: it outlives us. */
#include "proxy/authd/share.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "proxy/authd/approvals.h"

/* ---- rights ---------------------------------------------------------------------------------- */

json_t *share_names(unsigned rights) {
    static const char *const names[] = { "resume", "view",  "help", "takeover", "message",
                                         "end",    "pause", "role", "invite" };
    json_t *out = json_array();
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (rights & 1u << i)
            json_array_append_new(out, json_string(names[i]));
    return out;
}

/* By roles of the configuration, of the connection, or as one who approves it: not the owner. */
bool share_moderates(const struct share_ask *q) {
    if (strcmp(q->who->sub, q->owner) == 0)
        return false;
    return q->moderates || (q->c && (identity_has_any(q->who, q->c->moderation.roles) ||
                                     approvals_named(q->who, q->c->jit.approvers)));
}

unsigned share_rights(const struct share_ask *q) {
    unsigned rights = 0;
    size_t i;
    json_t *invite;
    if (strcmp(q->who->sub, q->owner) == 0)
        return SHARE_RESUME | SHARE_MESSAGE | SHARE_END | SHARE_ROLE | SHARE_INVITE;
    if (share_moderates(q))
        rights |= SHARE_VIEW | SHARE_HELP | SHARE_TAKEOVER | SHARE_MESSAGE | SHARE_END |
                  SHARE_PAUSE | SHARE_ROLE | SHARE_INVITE;
    if (q->audits)
        rights |= SHARE_VIEW;
    json_array_foreach(q->invites, i,
                       invite) if (strcmp(json_str(invite, "sub", ""), q->who->sub) == 0) rights |=
        strcmp(json_str(invite, "role", ""), "helper") == 0 ? SHARE_VIEW | SHARE_HELP : SHARE_VIEW;
    return rights;
}

#define ENDED_MAX 10000

/* ---- sessions that were ended ---------------------------------------------------------------- */

struct share {
    pthread_mutex_t lock;
    json_t *ended; /* id -> reason */
};

struct share *share_new(void) {
    struct share *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->ended = json_object();
    return s;
}

void share_free(struct share *s) {
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    json_decref(s->ended);
    free(s);
}

void share_ended(struct share *s, const char *session, const char *reason) {
    json_t *text = json_string(reason);
    pthread_mutex_lock(&s->lock);
    if (text && json_object_size(s->ended) < ENDED_MAX)
        json_object_set(s->ended, session, text);
    pthread_mutex_unlock(&s->lock);
    json_decref(text);
}

json_t *share_take_ended(struct share *s) {
    json_t *fresh = json_object();
    pthread_mutex_lock(&s->lock);
    json_t *out = s->ended;
    s->ended = fresh;
    pthread_mutex_unlock(&s->lock);
    return out;
}
