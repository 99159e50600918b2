/* Whose sessions they are: listed before anything of them is stored, looked at after a restart, and
 * let go when others have sealed them. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/heartbeat.h"
#include "recording/recorder/alive.h"
#include "recording/recorder/session_impl.h"
#include "recording/recorder/watch.h"

static bool to_be_listed(const struct session *s) {
    return !s->foreign && s->state != S_NEW && s->state != S_GONE;
}

void session_list(struct recorder *r, struct heartbeat *h) {
    for (struct session *s = r->sessions; s; s = s->next) {
        bool known = s->place.index != UINT64_MAX;
        s->in_list = to_be_listed(s) &&
                     heartbeat_add(h, s->prefix, known ? s->place.index : s->log_from) == 0;
    }
}

/* ---- after a restart ------------------------------------------------------------------------ */

static void look(struct job *j, struct worker *w) {
    struct errand *t = (struct errand *)j;
    char key[NAME_KEY_SIZE];
    session_key_of(t->s, NAME_SEAL_OBJECT, key);
    t->result = store_head(w->store, key, NULL, &t->meta, &t->err);
}

static void looked(struct job *j) {
    struct errand *t = (struct errand *)j;
    struct session *s = t->s;
    t->running = false;
    watch_result(s->r, t->result == STORE_MISSING ? STORE_OK : t->result, t->err.text);
    if (!session_release(s))
        return;
    if (t->result == STORE_OK)
        session_lost(s);
    else if (t->result == STORE_MISSING)
        session_ours(s);
    else
        session_retry(s);
}

void session_look(struct session *s) {
    if (s->mine || !s->listed || s->errand.running || !alive_claimed(s->r->alive))
        return;
    if (!s->resumed || s->state == S_SEALING)
        session_ours(s); /* a seal is stored once, whoever comes second */
    else
        session_submit(s, look, looked);
}

void session_listed(struct recorder *r) {
    for (struct session *s = r->sessions; s; s = s->next)
        s->listed |= s->in_list;
    for (struct session *s = r->sessions, *next; s; s = next) {
        next = s->next; /* what goes here is only s itself */
        session_look(s);
    }
}

/* ---- letting go ----------------------------------------------------------------------------- */

void session_silent(struct recorder *r) {
    for (struct session *s = r->sessions; s; s = s->next)
        if (s->state == S_LIVE && s->listed)
            session_finish(s, "interrupted", STATUS_SERVER_ERROR,
                           "the store could not be told that the recorder lives");
}

static bool all_stored(const struct session *s) {
    for (int k = 0; k < CHAIN_KINDS; k++)
        if (s->chains[k].frames)
            return false;
    return !s->objects && s->state != S_OPENING;
}

/* What is not in the store stays in the spool, for somebody to look at. */
void session_lost(struct session *s) {
    struct err e = { 0 };
    bool all = all_stored(s);
    log_error("session %s: sealed by another recorder; %s", s->id,
              all ? "all of it was stored" : "what was not stored by then stays in the spool");
    metric_add(&s->r->metrics.lost, 1);
    if (s->opened) {
        err_set(&e, STATUS_UPSTREAM_UNAVAILABLE, "another recorder took the session over");
        s->opened(s->opened_arg, s, -1, &e);
        s->opened = NULL;
    }
    s->end_state = "lost";
    if (all)
        spool_remove(s->spool);
    else
        session_write_state(s);
    session_gone(s);
}

void session_lost_listed(struct recorder *r) {
    for (struct session *s = r->sessions, *next; s; s = next) {
        next = s->next;
        if (s->listed)
            session_lost(s);
    }
}
