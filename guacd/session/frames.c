/* Frames: when one is sealed, and who gets it. The first change after a pause goes out at once, a
 * flood is cut to FRAME_EVERY_US. Whoever has taken his last frame and answers in time gets the
 * next one; whoever has not gets, once he has, the way from the frame he shows to the newest. */
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define THRIFT_MORE_US 80000
#define THRIFT_UP_US 300000
#define THRIFT_LESS_US 20000
#define THRIFT_DOWN_US 2000000

static bool same_caps(const struct picture_caps *a, const struct picture_caps *b) {
    return a->jpeg == b->jpeg && a->webp == b->webp && a->lossless == b->lossless;
}

/* ---- pacing -------------------------------------------------------------------------------- */

/* Between two frames of a flood: as the picture wants it, and so that encoding leaves a third of
 * its thread to those who type. */
static uint64_t every_us(const struct session *s) {
    uint64_t wanted = s->picture->every_us ? s->picture->every_us : FRAME_EVERY_US;
    return MAX_OF(wanted, s->cost_us * 3 / 2);
}

static void refill(struct session *s, uint64_t now) {
    uint64_t every = every_us(s), n = (now - s->tokens_us) / every;
    if (n >= FRAME_BURST || s->tokens + n >= FRAME_BURST) {
        s->tokens = FRAME_BURST;
        s->tokens_us = now;
    } else {
        s->tokens += (unsigned)n;
        s->tokens_us += n * every;
    }
}

static void wake_in(struct session *s, uint64_t us) {
    uint64_t due = clock_us() + us;
    if (loop_timer_active(s->frame_timer) && s->frame_due_us <= due)
        return;
    s->frame_due_us = due;
    loop_timer_set(s->frame_timer, us);
}

void frames_input(struct session *s) {
    if (s->tokens == 0)
        s->tokens = 1;
}

/* ---- who can take a frame ------------------------------------------------------------------ */

/* Too far behind to be sent more. *retry_us: when to look again if no answer comes. */
static bool lags(const struct user *u, uint64_t now, uint64_t *retry_us) {
    if (!u->sync_count)
        return false;
    uint64_t age = now - u->syncs[u->sync_head].sent_us;
    uint64_t newest = u->syncs[(u->sync_head + u->sync_count - 1) % SYNCS_MAX].sent_us;
    if (u->sync_count < SYNCS_MAX && age < u->best_us + LAG_MS * 1000)
        return false;
    if (now - newest >= LAG_RETRY_MS * 1000)
        return false;
    uint64_t in = LAG_RETRY_MS * 1000 - (now - newest);
    if (in < *retry_us)
        *retry_us = in;
    return true;
}

static bool ready(const struct user *u, uint64_t now, uint64_t *retry_us) {
    return user_live(u) && outq_empty(&u->out) && !lags(u, now, retry_us);
}

static void sent(struct user *u, uint64_t n, uint64_t ts, uint64_t now) {
    u->shown = n;
    u->clip_turn = true;
    if (u->sync_count == SYNCS_MAX) { /* he never answered the oldest: forget it */
        u->sync_head = (u->sync_head + 1) % SYNCS_MAX;
        u->sync_count--;
    }
    unsigned i = (u->sync_head + u->sync_count++) % SYNCS_MAX;
    u->syncs[i].ts = ts;
    u->syncs[i].sent_us = now;
}

void frames_acked(struct user *u, uint64_t ts) {
    uint64_t now = clock_us();
    bool any = false;
    while (u->sync_count && u->syncs[u->sync_head].ts <= ts) {
        uint64_t took = now - u->syncs[u->sync_head].sent_us;
        any = true;
        u->lag_ms = took / 1000;
        if (!u->best_us || took < u->best_us)
            u->best_us = took;
        else
            u->best_us += (took - u->best_us) / 256; /* the way may have become longer */
        u->sync_head = (u->sync_head + 1) % SYNCS_MAX;
        u->sync_count--;
    }
    if (!any)
        return;
    record_acked(u, ts);
    frames_pump(u->s);
}

/* More thrift when answers take longer than the way alone explains, less when they have been quick
 * for a while. The most, which costs CPU, only for who leaves our bytes lying: others may lack CPU
 * themselves. */
static void adapt(struct user *u, uint64_t now) {
    uint64_t took = u->lag_ms * 1000;
    if (u->sync_count)
        took = MAX_OF(took, now - u->syncs[u->sync_head].sent_us);
    uint64_t extra = u->best_us && took > u->best_us ? took - u->best_us : 0;
    uint64_t since = now - u->thrift_us;
    unsigned most = u->blocked ? PICTURE_THRIFT_MAX : PICTURE_THRIFT_MAX - 1;
    if (extra > THRIFT_MORE_US && u->caps.thrift < most && since > THRIFT_UP_US)
        u->caps.thrift++;
    else if (extra < THRIFT_LESS_US && u->caps.thrift && since > THRIFT_DOWN_US)
        u->caps.thrift--;
    else
        return;
    u->thrift_us = now;
    u->blocked = false;
}

/* ---- sealing ------------------------------------------------------------------------------- */

static void put_sync(struct buf *b, uint64_t ts) {
    instr_begin(b, "sync");
    instr_int(b, (int64_t)ts);
    instr_int(b, 1);
    instr_end(b);
}

static uint64_t next_ts(struct session *s) {
    uint64_t ts = session_now(s);
    return ts > s->sealed_ts ? ts : s->sealed_ts + 1;
}

static struct chunk *close_frame(struct session *s, struct buf *b) {
    put_sync(b, s->sealed_ts);
    struct chunk *c = chunk_steal(b);
    if (!c)
        life_end(s, STATUS_SERVER_ERROR, "a frame became larger than %u bytes", FRAME_BYTES_MAX);
    return c;
}

/* The class of the owner gets frame(): he is who must not wait. */
static void choose_class(struct session *s, uint64_t now) {
    struct user *u = s->owner;
    for (struct user *v = s->users; !u && v; v = v->next)
        if (user_live(v))
            u = v;
    if (!u)
        return;
    adapt(u, now);
    s->caps = u->caps;
}

static bool seal(struct session *s, uint64_t now) {
    choose_class(s, now);
    record_shown(s);
    atomic_store(&s->damaged, false);
    s->dirty = false;
    struct buf b;
    buf_init(&b, FRAME_BYTES_MAX);
    bool changed = s->picture->impl->frame(s->picture, s->sealed + 1, &s->caps, &b);
    s->cost_us += (clock_us() - now) / 8;
    s->cost_us -= s->cost_us / 8;
    if (!changed) {
        buf_fini(&b);
        return false;
    }
    s->sealed++;
    s->sealed_ts = next_ts(s);
    s->sealed_us = now;
    struct chunk *c = close_frame(s, &b);
    buf_fini(&b);
    if (!c)
        return false;
    uint64_t ignored = UINT64_MAX;
    for (struct user *u = s->users; u; u = u->next)
        if (u->shown == s->sealed - 1 && same_caps(&u->caps, &s->caps) && ready(u, now, &ignored)) {
            sent(u, s->sealed, s->sealed_ts, now);
            user_send(u, c);
        }
    record_frame(s, c);
    chunk_unref(c);
    return true;
}

/* Everyone who is ready and shows `since` in this class: one paint for all of them. */
static void paint_group(struct session *s, struct user *first, uint64_t now) {
    uint64_t since = first->shown, ignored = UINT64_MAX;
    adapt(first, now);
    struct picture_caps caps = first->caps;
    struct buf b;
    buf_init(&b, FRAME_BYTES_MAX);
    s->picture->impl->paint(s->picture, since, &caps, &b);
    struct chunk *c = close_frame(s, &b);
    buf_fini(&b);
    for (struct user *u = s->users; c && u; u = u->next)
        if (u->shown == since && same_caps(&u->caps, &caps) && ready(u, now, &ignored)) {
            sent(u, s->sealed, s->sealed_ts, now);
            user_send(u, c);
        }
    chunk_unref(c);
}

static void catch_up(struct session *s, uint64_t now, uint64_t *retry_us) {
    bool again;
    do {
        again = false;
        for (struct user *u = s->users; u && !again; u = u->next)
            if (u->shown < s->sealed && ready(u, now, retry_us)) {
                paint_group(s, u, now);
                again = true;
            }
    } while (again && !s->ended);
}

void frames_pump(struct session *s) {
    if (!s->picture || s->paused || s->ended)
        return;
    uint64_t now = clock_us(), retry_us = UINT64_MAX;
    refill(s, now);
    if (atomic_load(&s->damaged))
        s->dirty = true;
    if (s->dirty) {
        bool wanted = false;
        for (const struct user *u = s->users; u && !wanted; u = u->next)
            wanted = ready(u, now, &retry_us);
        uint64_t since = now - s->sealed_us;
        if (!wanted && record_wants_frames(s)) {
            wanted = since >= UNWATCHED_EVERY_MS * 1000;
            if (!wanted)
                wake_in(s, UNWATCHED_EVERY_MS * 1000 - since);
        }
        if (wanted && s->tokens) {
            if (seal(s, now))
                s->tokens--;
        } else if (wanted) {
            wake_in(s, s->tokens_us + every_us(s) - now);
        }
    }
    catch_up(s, now, &retry_us);
    if (retry_us != UINT64_MAX)
        wake_in(s, retry_us);
}

void frames_damage(struct session *s) {
    s->dirty = true;
    frames_pump(s);
}

void frames_final(struct session *s) {
    if (!s->picture)
        return;
    uint64_t now = clock_us();
    if (s->dirty || atomic_load(&s->damaged))
        seal(s, now);
    uint64_t ignored;
    catch_up(s, now, &ignored);
}
