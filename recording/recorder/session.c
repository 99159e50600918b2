/* A session's frame: made, found, measured, written down, forgotten. */
#include "recording/recorder/session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/alive.h"
#include "recording/recorder/session_impl.h"

static const char *const state_names[] = {
    [S_NEW] = "new",         [S_OPENING] = "opening", [S_LIVE] = "live", [S_FLUSHING] = "flushing",
    [S_LISTING] = "listing", [S_SEALING] = "sealing", [S_GONE] = "gone"
};

struct session *session_find(const struct recorder *r, const char *id) {
    struct session *s = r->sessions;
    while (s && strcmp(s->id, id) != 0)
        s = s->next;
    return s;
}

struct session *session_next(const struct session *s) {
    return s->next;
}

const char *session_id(const struct session *s) {
    return s->id;
}

const char *session_prefix(const struct session *s) {
    return s->prefix;
}

const struct sign_key *session_key(const struct session *s) {
    return s->key;
}

const json_t *session_predicate(const struct session *s) {
    return s->state == S_SEALING && !s->sealed && !s->state_file ? s->predicate : NULL;
}

void session_key_of(const struct session *s, const char *name, char out[NAME_KEY_SIZE]) {
    snprintf(out, NAME_KEY_SIZE, "%s/%.*s", s->prefix, NAME_SIZE - 2, name);
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_timer(void *arg) {
    session_cut(arg);
}

static void on_retry(void *arg) {
    struct session *s = arg;
    session_look(s);
    switch (s->state) {
    case S_NEW:
        log_warning("session %s: no open record came", s->id);
        session_gone(s);
        break;
    case S_OPENING:
        session_open_put(s);
        break;
    case S_LIVE:
    case S_FLUSHING:
        for (struct object *o = s->objects; o; o = o->next)
            if (o->stage == FAILED)
                o->stage = READY;
        session_cut(s);
        session_make(s);
        session_dispatch(s);
        if (s->state == S_LIVE && s->tap < 0)
            session_reconnect(s);
        break;
    case S_LISTING:
    case S_SEALING:
        session_seal_again(s);
        break;
    case S_GONE:
        break;
    }
}

void session_retry(struct session *s) {
    if (loop_timer_active(s->retry_timer))
        return;
    uint8_t jitter;
    random_bytes(&jitter, 1);
    s->retry_ms = s->retry_ms ? MIN_OF(s->retry_ms * 2, (uint64_t)RETRY_MAX_MS) : RETRY_MIN_MS;
    loop_timer_set(s->retry_timer, s->retry_ms * (768 + jitter)); /* 0.77 to 1.02 of it, in us */
}

static void on_durable(void *arg, uint64_t seq, uint64_t objects, uint64_t lines, uint64_t files) {
    struct session *s = arg;
    s->spooled = MAX_OF(s->spooled, seq);
    s->list_durable = lines;
    session_tap_flow(s);
    session_tap_acknowledge(s);
    session_objects_durable(s, objects);
    if (s->state_file && files >= s->state_file) {
        s->state_file = 0;
        session_state_durable(s);
    } else {
        session_check_end(s);
    }
}

static void on_failing(void *arg, const char *why) {
    struct session *s = arg;
    s->spool_failing = why != NULL;
    if (why)
        log_error("session %s: %s; nothing more is acknowledged until it can", s->id, why);
    else
        log_info("session %s: the spool can be written again", s->id);
    session_tap_flow(s);
}

static const struct spool_events spool_events = { on_durable, on_failing };

/* ---- life ----------------------------------------------------------------------------------- */

struct session *session_alloc(struct recorder *r, const char *id) {
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->r = r;
    s->tap = s->control = s->control_tap = -1;
    s->place.index = UINT64_MAX;
    snprintf(s->id, sizeof s->id, "%s", id);
    buf_init(&s->envelope, DSSE_MAX);
    buf_init(&s->in, TAP_HEADER + TAP_FRAME_MAX);
    buf_init(&s->out, 4096);
    buf_init(&s->errand.data, LIST_MAX);
    session_chunk_init(s);
    s->timer = loop_timer_new(r->loop, on_timer, s);
    s->retry_timer = loop_timer_new(r->loop, on_retry, s);
    s->next = r->sessions;
    r->sessions = s;
    r->session_count++;
    if (s->timer && s->retry_timer)
        return s;
    session_gone(s);
    return NULL;
}

int session_add_spool(struct session *s) {
    s->spool = spool_new(s->r->spooler, s->id, &spool_events, s);
    return s->spool ? 0 : -1;
}

static void session_free(struct session *s) {
    session_chunk_fini(s);
    sign_key_free(s->key);
    json_decref(s->predicate);
    buf_fini(&s->envelope);
    buf_fini(&s->in);
    buf_fini(&s->out);
    buf_fini(&s->errand.data);
    free(s);
}

void session_gone(struct session *s) {
    if (s->freeing)
        return;
    for (struct session **p = &s->r->sessions; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            s->r->session_count--;
            break;
        }
    if (s->opened) {
        struct err e = { 0 };
        err_set(&e, STATUS_SERVER_ERROR, "the recording ended before it began");
        s->opened(s->opened_arg, s, -1, &e);
        s->opened = NULL;
    }
    if (s->adopted)
        s->adopted(s->adopted_arg, s->adopted_ok);
    s->adopted = NULL;
    logger_forget(s->r->logger, s);
    session_tap_close(s);
    loop_timer_free(s->timer);
    loop_timer_free(s->retry_timer);
    spool_free(s->spool);
    s->timer = s->retry_timer = NULL;
    s->spool = NULL;
    s->state = S_GONE;
    s->freeing = true;
    if (s->jobs == 0)
        session_free(s);
}

bool session_release(struct session *s) {
    s->jobs--;
    if (!s->freeing)
        return true;
    if (s->jobs == 0)
        session_free(s);
    return false;
}

void session_submit(struct session *s, void (*run)(struct job *j, struct worker *w),
                    void (*done)(struct job *j)) {
    s->errand.job = (struct job){ .urgent = true, .run = run, .done = done };
    s->errand.s = s;
    s->errand.running = true;
    s->errand.put_us = clock_us();
    s->errand.err = (struct err){ 0 };
    s->jobs++;
    work_submit(s->r->work, &s->errand.job);
}

void session_ours(struct session *s) {
    s->mine = true;
    if (s->state == S_OPENING) {
        if (!s->state_file)
            session_open_put(s);
    } else if (s->state == S_LISTING || s->state == S_SEALING) {
        session_seal_again(s);
    } else {
        session_dispatch(s);
        session_check_end(s);
    }
}

void session_free_all(struct recorder *r) {
    for (struct session *s = r->sessions; s; s = s->next)
        s->adopted = NULL;
    while (r->sessions)
        session_gone(r->sessions);
}

void session_forget(struct recorder *r, void *arg) {
    for (struct session *s = r->sessions; s; s = s->next)
        if (s->opened && s->opened_arg == arg)
            s->opened = NULL;
}

/* ---- the state file ------------------------------------------------------------------------- */

static json_t *end_json(const struct session *s) {
    return s->end_state
               ? json_pack("{s:s, s:i, s:s, s:I}", "state", s->end_state, "status", s->end.status,
                           "reason", s->end.reason, "at", (json_int_t)s->end_ms)
               : json_null();
}

/* The key is in it as long as there may be something to sign. */
static json_t *key_json(const struct session *s) {
    uint8_t box[VAULT_BOX];
    char text[BASE64_LEN(VAULT_BOX)];
    struct err e = { 0 };
    if (!s->key)
        return json_null();
    if (vault_seal(&s->r->vault, s->id, s->key, box, &e) < 0) {
        log_error("session %s: %s", s->id, e.text);
        return NULL;
    }
    return json_stringn(text, base64_encode(box, sizeof box, text));
}

int session_write_state(struct session *s) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 2 * DSSE_MAX);
    _json_ json_t *o = json_pack(
        "{s:s, s:s, s:I, s:I, s:s, s:s, s:s%, s:{s:s, s:s, s:I}, s:o, s:o, s:O?, s:{s:I, s:I}}",
        "id", s->id, "prefix", s->prefix, "start", (json_int_t)s->start, "retainUntil",
        (json_int_t)s->retain_until, "keys", s->keys, "state", state_names[s->state], "envelope",
        s->envelope.len ? s->envelope.data : "", s->envelope.len, "open", "sha256", s->open_sha256,
        "versionId", s->open_version, "size", (json_int_t)s->open_size, "end", end_json(s), "key",
        key_json(s), "predicate", s->predicate, "log", "from", (json_int_t)s->log_from, "index",
        (json_int_t)s->place.index);
    uint64_t number = o && json_write(o, &b) == 0 ? spool_state(s->spool, b.data, b.len) : 0;
    if (!number) {
        log_error("session %s: no memory to write its state down", s->id);
        return -1;
    }
    s->state_file = number;
    return 0;
}

/* ---- figures -------------------------------------------------------------------------------- */

void session_measure(struct recorder *r) {
    int64_t live = 0, flushing = 0, sealing = 0;
    uint64_t behind = 0;
    for (struct session *s = r->sessions; s; s = s->next) {
        live += s->state == S_LIVE;
        flushing += s->state == S_FLUSHING || s->state == S_LISTING;
        sealing += s->state == S_SEALING;
        behind = MAX_OF(behind, session_behind_ms(s));
    }
    metric_set(&r->metrics.sessions, live);
    metric_set(&r->metrics.flushing, flushing);
    metric_set(&r->metrics.seals_waiting, sealing);
    metric_set(&r->metrics.behind, (int64_t)behind);
}

json_t *session_status(const struct recorder *r, size_t max) {
    json_t *list = json_array();
    for (struct session *s = r->sessions; s && max > 0; s = s->next, max--)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:s}", "id", s->id, "bytes",
                                              (json_int_t)s->bytes, "behindMs",
                                              (json_int_t)session_behind_ms(s), "state",
                                              state_names[s->state]));
    return list;
}
