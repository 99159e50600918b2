/* Input in a recording. Lines gather for a moment, so that a moving pointer does not make a frame a
 * step; typed keys wait until it is known whether they may be read (keys.h). */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/session/record_impl.h"

#define LINES_HOLD_MS 100
#define TYPED_HOLD_MS 2000
#define FILE_HOLD_MS 1000
#define MOVE_EVERY_MS 40 /* a pointer that only moves is written this often */

void record_flush_lines(struct session *s) {
    struct record *r = s->record;
    r->move_last = false;
    if (!r->lines.len || !r->any_frame) /* stock players stumble over input before a `sync` */
        return;
    r->bytes += r->lines.len;
    record_add_buf(s, TAP_DATA, &r->lines);
}

void record_flush_typed(struct session *s) {
    struct record *r = s->record;
    if (!r->tap)
        buf_wipe(&r->typed); /* a file holds keys as keys */
    if (!r->typed.len)
        return;
    json_t *o = json_pack("{s:I,s:s}", "t", (json_int_t)r->typed_t, "k", "key");
    json_object_set_new(o, "by", record_clean(r->typed_by, strlen(r->typed_by)));
    json_object_set_new(o, "s", record_clean(r->typed.data, r->typed.len));
    buf_wipe(&r->typed);
    record_add_json(s, TAP_TEXT, o);
}

static struct buf *begin_line(struct record *r, uint32_t user) {
    if (!r->lines.len)
        r->lines_ms = clock_ms();
    if (r->by != user && user && r->tap) { /* players of files know of one user */
        instr_begin(&r->lines, "by");
        instr_int(&r->lines, user);
        instr_end(&r->lines);
        r->by = user;
    }
    r->move_last = false;
    return &r->lines;
}

static void end_line(struct session *s, uint64_t ms) {
    struct record *r = s->record;
    if (ms)
        instr_int(&r->lines, (int64_t)ms);
    instr_end(&r->lines);
    if (r->lines.len >= RECORD_LINES_MAX / 4)
        record_flush_lines(s);
    if (r->lines.failed) /* no frame was ever shown, and somebody moves a pointer */
        buf_clear(&r->lines);
    record_schedule(s);
}

void record_mouse(struct user *u, int x, int y, int mask) {
    struct session *s = u->s;
    struct record *r = record_full(s);
    if (!r || r->no_mouse)
        return;
    uint64_t now = clock_ms();
    bool move = mask == u->last_mask;
    if (move && r->move_last && r->by == u->number && now - r->move_ms < MOVE_EVERY_MS)
        r->lines.len = r->move_at; /* it says the newer place instead */
    else
        r->move_ms = now;
    struct buf *b = begin_line(r, u->number);
    size_t at = b->len;
    instr_begin(b, "mouse");
    instr_int(b, x);
    instr_int(b, y);
    instr_int(b, mask);
    end_line(s, session_now(s));
    r->move_last = move && b->len > at;
    r->move_at = at;
}

void record_touch(struct user *u, const struct event *ev) {
    struct session *s = u->s;
    struct record *r = record_full(s);
    if (!r || r->no_touch)
        return;
    char angle[32], force[32];
    snprintf(angle, sizeof(angle), "%g", ev->touch.angle);
    snprintf(force, sizeof(force), "%g", ev->touch.force);
    struct buf *b = begin_line(r, u->number);
    instr_begin(b, "touch");
    instr_int(b, ev->touch.id);
    instr_int(b, ev->touch.x);
    instr_int(b, ev->touch.y);
    instr_int(b, ev->touch.rx);
    instr_int(b, ev->touch.ry);
    instr_str(b, angle);
    instr_str(b, force);
    end_line(s, session_now(s));
}

void record_acked(struct user *u, uint64_t ts) {
    struct session *s = u->s;
    struct record *r = record_tapped(s);
    if (!r)
        return;
    struct buf *b = begin_line(r, 0);
    instr_begin(b, "acked");
    instr_int(b, u->number);
    instr_int(b, (int64_t)ts);
    end_line(s, 0);
}

/* ---- typed keys ---------------------------------------------------------------------------- */

static const struct user *by_number(const struct session *s, uint32_t number) {
    const struct user *u = s->users;
    while (u && u->number != number)
        u = u->next;
    return u;
}

static void write_key(struct session *s, const struct key_held *h) {
    struct record *r = s->record;
    struct buf *b = begin_line(r, h->user);
    instr_begin(b, "key");
    instr_int(b, h->keysym);
    instr_int(b, h->pressed);
    end_line(s, h->ms);
    char who[160];
    const struct user *u = by_number(s, h->user);
    if (u)
        user_by(u, who);
    else
        snprintf(who, sizeof(who), "user-%u", h->user);
    if (strcmp(who, r->typed_by) != 0) {
        record_flush_typed(s);
        memcpy(r->typed_by, who, sizeof(who));
    }
    if (!r->typed.len) {
        r->typed_ms = clock_ms();
        r->typed_t = h->ms;
    }
    keys_text(h, &r->typed);
    if (r->typed.len &&
        (r->typed.len > RECORD_TYPED_MAX / 2 || r->typed.data[r->typed.len - 1] == '\n'))
        record_flush_typed(s);
}

void record_write_keys(struct session *s, bool force) {
    struct key_held h;
    while (keys_take(&s->record->keys, clock_ms(), force, &h))
        write_key(s, &h);
}

uint64_t record_key_id(const struct session *s) {
    return s->record ? keys_next_id(&s->record->keys) : 0;
}

void record_key(struct user *u, uint32_t keysym, bool pressed) {
    struct session *s = u->s;
    struct record *r = record_full(s);
    if (!r)
        return;
    keys_add(&r->keys, u->number, keysym, pressed, session_now(s), clock_ms());
    record_write_keys(s, false);
    record_schedule(s);
}

void record_echo(struct session *s, uint64_t id, bool visible) {
    struct record *r = record_full(s);
    if (!r)
        return;
    keys_echo(&r->keys, id, visible);
    record_write_keys(s, false);
    record_schedule(s);
}

void record_mask(struct session *s, bool on) {
    struct record *r = record_full(s);
    if (!r)
        return;
    keys_prompt(&r->keys, on);
    record_write_keys(s, false);
}

/* ---- what is due --------------------------------------------------------------------------- */

static uint64_t left_of(uint64_t since, uint64_t hold, uint64_t now) {
    return since + hold > now ? since + hold - now : 0;
}

void record_schedule(struct session *s) {
    struct record *r = s->record;
    uint64_t now = clock_ms(), due = keys_due(&r->keys, now);
    if (r->lines.len && r->any_frame) {
        uint64_t in = left_of(r->lines_ms, LINES_HOLD_MS, now);
        due = MIN_OF(due, in);
    }
    if (r->typed.len) {
        uint64_t in = left_of(r->typed_ms, TYPED_HOLD_MS, now);
        due = MIN_OF(due, in);
    }
    if (r->file && sink_pending(r->file)) {
        uint64_t in = left_of(r->file_ms, FILE_HOLD_MS, now);
        due = MIN_OF(due, in);
    }
    if (due == UINT64_MAX)
        loop_timer_stop(r->timer);
    else
        loop_timer_set(r->timer, due * 1000);
}

void record_on_timer(void *arg) {
    struct session *s = arg;
    struct record *r = s->record;
    if (r->ended)
        return;
    uint64_t now = clock_ms();
    record_write_keys(s, false);
    if (r->lines.len && !left_of(r->lines_ms, LINES_HOLD_MS, now))
        record_flush_lines(s);
    if (r->typed.len && !left_of(r->typed_ms, TYPED_HOLD_MS, now))
        record_flush_typed(s);
    if (!r->tap)
        record_file_flush(s);
    record_schedule(s);
}
