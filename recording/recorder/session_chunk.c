/* Frames become chunks, chunks become objects, objects are stored: cut by age and size on the loop,
 * made one after the other on a worker (each signs the hash of the one before), written to the
 * spool as they are, and only then sent, at most four at a time. So a restarted recorder sends the
 * very same bytes under the very same names. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/alive.h"
#include "recording/recorder/session_impl.h"
#include "recording/recorder/watch.h"

void session_chunk_init(struct session *s) {
    for (int k = 0; k < CHAIN_KINDS; k++)
        buf_init(&s->chains[k].raw, CHUNK_RAW_MAX);
    s->objects_end = &s->objects;
    s->threshold = CHUNK_BYTES;
}

static void object_free(struct object *o) {
    buf_fini(&o->raw);
    buf_fini(&o->data);
    free(o);
}

void session_hold(struct session *s, int64_t bytes) {
    s->held += (size_t)bytes;
    s->r->held += (size_t)bytes;
}

void session_chunk_fini(struct session *s) {
    session_hold(s, -(int64_t)s->held);
    for (int k = 0; k < CHAIN_KINDS; k++)
        buf_fini(&s->chains[k].raw);
    for (struct object *o = s->objects, *next; o; o = next) {
        next = o->next;
        object_free(o);
    }
}

struct object *session_object_add(struct session *s) {
    struct object *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->s = s;
    o->number = ++s->object_count;
    buf_init(&o->raw, CHUNK_RAW_MAX);
    buf_init(&o->data, CHUNK_MAX + CHUNK_HEADER_MAX);
    *s->objects_end = o;
    s->objects_end = &o->next;
    s->waiting++;
    return o;
}

static void object_remove(struct session *s, struct object *o) {
    struct object **p = &s->objects;
    while (*p != o)
        p = &(*p)->next;
    *p = o->next;
    if (!o->next)
        s->objects_end = p;
    s->waiting--;
    session_hold(s, -(int64_t)(o->data.len + o->raw.len));
    object_free(o);
}

/* ---- what the store has --------------------------------------------------------------------- */

/* Everything below the oldest frame that is not stored. A name lost to somebody else is never made
 * up for, so nothing is acknowledged behind it. */
static void measure_acked(struct session *s) {
    uint64_t acked = s->seq;
    if (s->conflict)
        return;
    for (int k = 0; k < CHAIN_KINDS; k++)
        if (s->chains[k].frames)
            acked = MIN_OF(acked, s->chains[k].seq0 - 1);
    for (struct object *o = s->objects; o; o = o->next)
        acked = MIN_OF(acked, o->seq0 - 1);
    s->acked = MAX_OF(s->acked, acked);
}

uint64_t session_behind_ms(const struct session *s) {
    uint64_t now = clock_us(), oldest = now;
    for (int k = 0; k < CHAIN_KINDS; k++)
        if (s->chains[k].frames)
            oldest = MIN_OF(oldest, s->chains[k].first_us);
    for (struct object *o = s->objects; o; o = o->next)
        oldest = MIN_OF(oldest, o->first_us);
    return (now - oldest) / 1000;
}

/* Into the list first: what is not in there is sent again. */
static bool note_stored(struct session *s, struct object *o) {
    struct recorder_metrics *m = &s->r->metrics;
    memcpy(o->entry.version, o->meta.version, sizeof o->entry.version);
    if (spool_stored(s->spool, &o->entry, 0, 0) < 0) {
        log_error("session %s: no memory to note that %s is stored", s->id, o->entry.name);
        return false;
    }
    s->list_lines++;
    metric_add(&m->bytes, (int64_t)o->entry.raw);
    metric_add(&m->stored_bytes, (int64_t)o->entry.size);
    metric_add(&m->objects[o->entry.kind], 1);
    metric_observe(&m->put_seconds, (double)(clock_us() - o->put_us) / 1e6);
    object_remove(s, o);
    measure_acked(s);
    spool_stored(s->spool, NULL, s->acked, s->objects ? s->objects->number - 1 : s->object_count);
    session_tap_acknowledge(s);
    return true;
}

static void stored(struct job *j) {
    struct object *o = (struct object *)j;
    struct session *s = o->s;
    struct recorder_metrics *m = &s->r->metrics;
    s->puts--;
    watch_result(s->r, o->result, o->err.text);
    if (!session_release(s))
        return;
    if (o->result == STORE_OK && note_stored(s, o)) {
        s->retry_ms = 0;
    } else if (o->result == STORE_EXISTS) {
        char why[160];
        snprintf(why, sizeof why, "somebody else's object is called %s", o->entry.name);
        metric_add(&m->conflicts, 1);
        s->conflict = true;
        object_remove(s, o);
        session_spoil(s, why);
    } else {
        metric_add(&m->put_failures, 1);
        o->stage = FAILED;
        session_retry(s);
    }
    session_cut(s);
    session_dispatch(s);
    session_tap_flow(s);
    session_check_end(s);
}

static void put(struct job *j, struct worker *w) {
    struct object *o = (struct object *)j;
    char key[NAME_KEY_SIZE];
    uint8_t sum[32];
    session_key_of(o->s, o->entry.name, key);
    list_hash_bytes(o->entry.sha256, sum);
    o->result = alive_late(o->s->r, &o->err);
    if (o->result != STORE_OK)
        return;
    o->result = store_put(w->store, key, o->data.data, o->data.len, sum, o->s->retain_until,
                          &o->meta, &o->err);
}

void session_dispatch(struct session *s) {
    /* While the store is away, one of a session's objects is enough to find out that it is back. */
    int most = !s->mine ? 0 : s->r->store_away ? 1 : PUTS_MAX;
    for (struct object *o = s->objects; o && s->puts < most; o = o->next) {
        if (o->stage != READY)
            continue;
        o->stage = PUTTING;
        o->err = (struct err){ 0 };
        o->put_us = clock_us();
        o->job = (struct job){ .run = put, .done = stored };
        s->puts++;
        s->jobs++;
        work_submit(s->r->work, &o->job);
    }
}

void session_objects_durable(struct session *s, uint64_t objects) {
    for (struct object *o = s->objects; o; o = o->next)
        if (o->stage == SPOOLING && o->number <= objects)
            o->stage = READY;
    session_dispatch(s);
}

/* ---- making --------------------------------------------------------------------------------- */

static void make(struct job *j, struct worker *w) {
    struct object *o = (struct object *)j;
    char head[HASH_HEX];
    o->result = chunk_build(w->codec, &o->h, o->raw.data, o->raw.len, o->s->key, &o->data, head,
                            &o->err) == 0
                    ? STORE_OK
                    : STORE_AWAY;
    if (o->result == STORE_OK)
        list_entry_of(&o->h, o->data.data, o->data.len, head, &o->entry);
}

static void made(struct job *j) {
    struct object *o = (struct object *)j;
    struct session *s = o->s;
    s->making = false;
    if (!session_release(s))
        return;
    if (o->result != STORE_OK) {
        log_error("session %s: %s", s->id, o->err.text);
        o->stage = CUT;
        session_retry(s);
        return;
    }
    memcpy(s->chains[o->h.kind].prev, o->entry.head, HASH_HEX);
    session_hold(s, (int64_t)o->data.len);
    if (spool_object(s->spool, o->number, &o->entry, o->data.data, o->data.len) < 0) {
        log_error("session %s: no memory to spool %s", s->id, o->entry.name);
        o->stage = CUT; /* made again: the same bytes */
        session_hold(s, -(int64_t)o->data.len);
        memcpy(s->chains[o->h.kind].prev, o->h.prev, HASH_HEX);
        buf_fini(&o->data);
        session_retry(s);
        return;
    }
    session_hold(s, -(int64_t)o->raw.len);
    buf_fini(&o->raw);
    o->stage = SPOOLING;
    session_make(s);
    session_tap_flow(s);
}

void session_make(struct session *s) {
    struct object *o = s->objects;
    while (o && o->stage != CUT)
        o = o->next;
    if (!o || s->making)
        return;
    s->making = true;
    o->stage = MAKING;
    o->err = (struct err){ 0 };
    memcpy(o->h.prev, s->chains[o->h.kind].prev, HASH_HEX);
    o->job = (struct job){ .run = make, .done = made };
    s->jobs++;
    work_submit(s->r->work, &o->job);
}

/* ---- cutting -------------------------------------------------------------------------------- */

static int cut_chain(struct session *s, enum chain_kind kind) {
    struct chain *c = &s->chains[kind], *data = &s->chains[CHAIN_DATA];
    if (c->frames == 0)
        return 0;
    struct object *o = session_object_add(s);
    if (!o)
        return -1;
    bool key = kind == CHAIN_KEYFRAME;
    /* Two keyframes with nothing between them would have one name. */
    if (key && c->next_i > 0 && c->t0 <= c->last_start)
        c->t0 = c->last_start + 1;
    o->h = (struct chunk_header){ .kind = kind,
                                  .n = key ? data->next_i : c->next_i,
                                  .i = c->next_i,
                                  .t0 = c->t0,
                                  .t1 = MAX_OF(c->t0, c->t1),
                                  .offset = key ? data->offset : c->offset,
                                  .seq0 = c->seq0,
                                  .seq1 = c->seq1,
                                  .frames = c->frames };
    memcpy(o->h.session, s->id, sizeof o->h.session);
    o->seq0 = c->seq0;
    o->first_us = c->first_us;
    o->raw = c->raw;
    buf_init(&c->raw, CHUNK_RAW_MAX);
    c->offset += o->raw.len;
    c->last_start = c->t0;
    c->covered = c->seq1;
    c->next_i++;
    c->frames = 0;
    session_make(s);
    return 0;
}

static bool data_due(struct session *s, uint64_t now) {
    const struct chain *c = &s->chains[CHAIN_DATA];
    if (c->frames == 0)
        return false;
    if (s->state != S_LIVE || c->raw.len >= CHUNK_BYTES_MAX)
        return true;
    if (s->waiting == 0)
        s->threshold = CHUNK_BYTES;
    if (s->waiting >= PUTS_MAX) { /* the store is slow: fewer and larger */
        if (c->raw.len >= s->threshold)
            s->threshold = MIN_OF(s->threshold * 2, (size_t)CHUNK_BYTES_MAX);
        return false;
    }
    return c->raw.len >= s->threshold || now >= c->first_us + DATA_AGE_US;
}

static bool text_due(const struct session *s, uint64_t now) {
    const struct chain *c = &s->chains[CHAIN_TEXT];
    return c->frames > 0 && (s->state != S_LIVE || c->raw.len >= CHUNK_BYTES ||
                             (s->waiting < 2 * PUTS_MAX &&
                              (c->raw.len >= TEXT_BYTES || now >= c->first_us + TEXT_AGE_US)));
}

/* Rings when the oldest frame is due; what waits for the store is cut when a PUT is done. */
static void arm(struct session *s, uint64_t now) {
    const struct chain *d = &s->chains[CHAIN_DATA], *t = &s->chains[CHAIN_TEXT];
    uint64_t due = UINT64_MAX;
    if (d->frames && s->waiting < PUTS_MAX)
        due = d->first_us + DATA_AGE_US;
    if (t->frames && s->waiting < 2 * PUTS_MAX)
        due = MIN_OF(due, t->first_us + TEXT_AGE_US);
    if (due == UINT64_MAX)
        loop_timer_stop(s->timer);
    else
        loop_timer_set(s->timer, due > now ? due - now : 0);
}

void session_cut(struct session *s) {
    uint64_t now = clock_us();
    int r = 0;
    if (s->state != S_LIVE && s->state != S_FLUSHING)
        return;
    if (data_due(s, now))
        r = cut_chain(s, CHAIN_DATA);
    if (r == 0 && text_due(s, now))
        r = cut_chain(s, CHAIN_TEXT);
    if (r == 0 && s->state == S_FLUSHING)
        r = cut_chain(s, CHAIN_KEYFRAME);
    if (r < 0)
        session_retry(s);
    arm(s, now);
}

/* ---- frames --------------------------------------------------------------------------------- */

static int append(struct session *s, enum chain_kind kind, const struct frame *f, const void *data,
                  size_t len, bool newline) {
    struct chain *c = &s->chains[kind];
    if (c->raw.len + len + newline > CHUNK_RAW_MAX && cut_chain(s, kind) < 0)
        return -1;
    if (buf_add(&c->raw, data, len) < 0 || (newline && buf_putc(&c->raw, '\n') < 0))
        return -1;
    if (c->frames == 0) {
        c->seq0 = f->h.sequence;
        c->t0 = c->t1 = f->h.ms;
        c->first_us = clock_us();
    }
    c->frames++;
    c->seq1 = f->h.sequence;
    c->t1 = MAX_OF(c->t1, f->h.ms);
    s->last_ms = MAX_OF(s->last_ms, f->h.ms);
    session_hold(s, (int64_t)(len + newline));
    return 0;
}

static int keyframe(struct session *s, const struct frame *f) {
    /* A chunk begins where the keyframe stands, so that feeding goes on from there. */
    return cut_chain(s, CHAIN_DATA) < 0 || cut_chain(s, CHAIN_KEYFRAME) < 0 ||
                   append(s, CHAIN_KEYFRAME, f, f->data, f->h.length, false) < 0 ||
                   cut_chain(s, CHAIN_KEYFRAME) < 0
               ? -1
               : 0;
}

static void last_frame(struct session *s) {
    s->ended = true;
    /* The target never showed anything: it refused. */
    bool refused = s->end.status != STATUS_SUCCESS && s->chains[CHAIN_DATA].next_i == 0 &&
                   s->chains[CHAIN_DATA].frames == 0 && s->chains[CHAIN_KEYFRAME].next_i == 0;
    session_finish(s, refused ? "refused" : "closed", s->end.status, s->end.reason);
}

static int event(struct session *s, const struct frame *f) {
    struct buf line __attribute__((cleanup(buf_fini)));
    buf_init(&line, CHUNK_BYTES_MAX);
    bool last = frame_event(f, &line, &s->end);
    if (line.failed || append(s, CHAIN_TEXT, f, line.data, line.len, false) < 0)
        return -1;
    if (last)
        last_frame(s);
    return 0;
}

void session_frame_again(struct session *s, const struct frame *f) {
    struct buf line __attribute__((cleanup(buf_fini)));
    buf_init(&line, CHUNK_BYTES_MAX);
    if (f->h.type == TAP_EVENT && frame_event(f, &line, &s->end))
        last_frame(s);
}

int session_frame(struct session *s, const struct frame *f) {
    const char *text = (const char *)f->data;
    int r = f->h.type == TAP_EVENT      ? event(s, f)
            : f->h.type == TAP_KEYFRAME ? keyframe(s, f)
            : f->h.type == TAP_DATA     ? append(s, CHAIN_DATA, f, f->data, f->h.length, false)
                                        : append(s, CHAIN_TEXT, f, f->data, f->h.length,
                                                 f->h.length == 0 || text[f->h.length - 1] != '\n');
    if (r == 0)
        session_cut(s);
    return r;
}
