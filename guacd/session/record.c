/* The session's side of the tap: frames and input as one stream of instructions, in the order they
 * were shown and typed; keyframes; shown and typed text; events. Input lines gather for a moment,
 * so that a moving pointer does not make a frame a step; typed keys wait until it is known whether
 * they may be read (keys.h). The limits of tap.h become pause and end here. */
#include "guacd/session/record.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/keys.h"
#include "guacd/session/tap.h"

#define LINES_MAX (64u << 10)
#define LINES_HOLD_MS 100
#define TYPED_MAX 1024
#define TYPED_HOLD_MS 2000
#define MOVE_EVERY_MS 40 /* a pointer that only moves is written this often */
#define KEYFRAME_ACTIVE_MS 30000
#define KEYFRAME_BYTES (4u << 20)
#define CLIP_TEXT_MAX (1u << 20) /* of a clipboard's text; its hash covers all of it */

struct record {
    struct tap *tap;
    bool events_only;
    struct keys keys;
    struct loop_timer *timer;
    struct buf lines;  /* input and acked, whole instructions */
    uint64_t lines_ms; /* clock of the oldest */
    uint32_t by;       /* user of the last input line */
    size_t move_at;    /* where the newest line starts, if it is a mere move */
    bool move_last;
    uint64_t move_ms;
    struct buf typed; /* typed text, one user */
    uint64_t typed_ms, typed_t;
    char typed_by[160];
    uint64_t active_ms, last_frame_ms;
    size_t bytes; /* of data since the last keyframe */
    bool any_frame, ended;
    uint64_t final; /* sequence of `ended` */
};

static struct record *full(const struct session *s) {
    return s->record && !s->record->events_only && !s->record->ended ? s->record : NULL;
}

/* ---- frames of the tap --------------------------------------------------------------------------
 */

static void add_buf(struct session *s, enum tap_type type, struct buf *b) {
    struct chunk *c = chunk_steal(b);
    if (c)
        tap_add(s->record->tap, type, session_now(s), c);
    else
        life_end(s, STATUS_SERVER_ERROR, "no memory to record");
    chunk_unref(c);
}

static void add_json(struct session *s, enum tap_type type, json_t *o) {
    _json_ json_t *owned = o;
    struct buf b;
    buf_init(&b, TAP_FRAME_MAX);
    if (owned && json_write(owned, &b) == 0 && buf_putc(&b, '\n') == 0)
        add_buf(s, type, &b);
    buf_fini(&b);
}

/* Text of a target may be anything: what is no UTF-8 becomes '?', so that a line is always JSON. */
static json_t *clean(const char *text, size_t len) {
    if (utf8_count(text, len) >= 0 && !memchr(text, 0, len))
        return json_stringn(text, len);
    _buf_cleanup_ struct buf b;
    buf_init(&b, len + 1);
    for (size_t at = 0, n; at < len; at += n) {
        uint32_t cp;
        n = text[at] ? utf8_decode(text + at, len - at, &cp) : 0;
        if (n)
            buf_add(&b, text + at, n);
        else
            buf_putc(&b, '?');
        n = n ? n : 1;
    }
    return json_stringn(b.data, b.len);
}

static json_t *line(const struct session *s, const char *kind, const char *by) {
    json_t *o = json_pack("{s:I,s:s}", "t", (json_int_t)session_now(s), "k", kind);
    if (o && by)
        json_object_set_new(o, "by", clean(by, strlen(by)));
    return o;
}

void record_text(struct session *s, const char *kind, const char *by, const char *text,
                 size_t len) {
    if (!full(s))
        return;
    json_t *o = line(s, kind, by);
    json_object_set_new(o, "s", clean(text, len));
    add_json(s, TAP_TEXT, o);
}

void record_event(struct session *s, json_t *event) {
    if (s->record && !s->record->ended)
        add_json(s, TAP_EVENT, event);
    else
        json_decref(event);
}

void record_clipboard(struct session *s, const struct user *from, const char *mimetype,
                      const char *data, size_t len) {
    if (!full(s))
        return;
    char by[160], hash[65];
    json_t *o = line(s, "clip", from ? user_by(from, by) : NULL);
    sha256_hex(data ? data : "", len, hash);
    json_object_set_new(o, "dir", json_string(from ? "in" : "out"));
    json_object_set_new(o, "type", clean(mimetype, strlen(mimetype)));
    json_object_set_new(o, "bytes", json_integer((json_int_t)len));
    json_object_set_new(o, "sha256", json_string(hash));
    if (strncmp(mimetype, "text/", 5) == 0)
        json_object_set_new(o, "s", clean(data ? data : "", MIN_OF(len, (size_t)CLIP_TEXT_MAX)));
    add_json(s, TAP_TEXT, o);
}

void record_shown(struct session *s) {
    if (!full(s))
        return;
    struct buf text;
    pthread_mutex_lock(&s->shown_lock);
    size_t lost = s->shown_lost;
    text = s->shown;
    buf_init(&s->shown, text.max);
    s->shown_lost = 0;
    pthread_mutex_unlock(&s->shown_lock);
    if (text.len) {
        json_t *o = line(s, "out", NULL);
        json_object_set_new(o, "s", clean(text.data, text.len));
        if (lost)
            json_object_set_new(o, "lost", json_integer((json_int_t)lost));
        add_json(s, TAP_TEXT, o);
    }
    buf_fini(&text);
}

/* ---- input lines --------------------------------------------------------------------------------
 */

static void schedule(struct session *s);

static void flush_lines(struct session *s) {
    struct record *r = s->record;
    r->move_last = false;
    if (!r->lines.len || !r->any_frame) /* stock players stumble over input before a `sync` */
        return;
    r->bytes += r->lines.len;
    add_buf(s, TAP_DATA, &r->lines);
}

static void flush_typed(struct session *s) {
    struct record *r = s->record;
    if (!r->typed.len)
        return;
    json_t *o = json_pack("{s:I,s:s}", "t", (json_int_t)r->typed_t, "k", "key");
    json_object_set_new(o, "by", clean(r->typed_by, strlen(r->typed_by)));
    json_object_set_new(o, "s", clean(r->typed.data, r->typed.len));
    buf_wipe(&r->typed);
    add_json(s, TAP_TEXT, o);
}

static struct buf *begin_line(struct record *r, uint32_t user) {
    if (!r->lines.len)
        r->lines_ms = clock_ms();
    if (r->by != user && user) {
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
    if (r->lines.len >= LINES_MAX / 4)
        flush_lines(s);
    if (r->lines.failed) /* no frame was ever shown, and somebody moves a pointer */
        buf_clear(&r->lines);
    schedule(s);
}

void record_mouse(struct user *u, int x, int y, int mask) {
    struct session *s = u->s;
    struct record *r = full(s);
    if (!r)
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
    struct record *r = full(s);
    if (!r)
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
    struct record *r = full(s);
    if (!r)
        return;
    struct buf *b = begin_line(r, 0);
    instr_begin(b, "acked");
    instr_int(b, u->number);
    instr_int(b, (int64_t)ts);
    end_line(s, 0);
}

/* ---- typed keys ---------------------------------------------------------------------------------
 */

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
        flush_typed(s);
        memcpy(r->typed_by, who, sizeof(who));
    }
    if (!r->typed.len) {
        r->typed_ms = clock_ms();
        r->typed_t = h->ms;
    }
    keys_text(h, &r->typed);
    if (r->typed.len && (r->typed.len > TYPED_MAX / 2 || r->typed.data[r->typed.len - 1] == '\n'))
        flush_typed(s);
}

static void write_keys(struct session *s, bool force) {
    struct key_held h;
    while (keys_take(&s->record->keys, clock_ms(), force, &h))
        write_key(s, &h);
}

uint64_t record_key_id(const struct session *s) {
    return s->record ? keys_next_id(&s->record->keys) : 0;
}

void record_key(struct user *u, uint32_t keysym, bool pressed) {
    struct session *s = u->s;
    struct record *r = full(s);
    if (!r)
        return;
    keys_add(&r->keys, u->number, keysym, pressed, session_now(s), clock_ms());
    write_keys(s, false);
    schedule(s);
}

void record_echo(struct session *s, uint64_t id, bool visible) {
    struct record *r = full(s);
    if (!r)
        return;
    keys_echo(&r->keys, id, visible);
    write_keys(s, false);
    schedule(s);
}

void record_mask(struct session *s, bool on) {
    struct record *r = full(s);
    if (!r)
        return;
    keys_prompt(&r->keys, on);
    write_keys(s, false);
}

/* ---- what is due --------------------------------------------------------------------------------
 */

static uint64_t left_of(uint64_t since, uint64_t hold, uint64_t now) {
    return since + hold > now ? since + hold - now : 0;
}

static void schedule(struct session *s) {
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
    if (due == UINT64_MAX)
        loop_timer_stop(r->timer);
    else
        loop_timer_set(r->timer, due * 1000);
}

static void on_timer(void *arg) {
    struct session *s = arg;
    struct record *r = s->record;
    if (r->ended)
        return;
    uint64_t now = clock_ms();
    write_keys(s, false);
    if (r->lines.len && !left_of(r->lines_ms, LINES_HOLD_MS, now))
        flush_lines(s);
    if (r->typed.len && !left_of(r->typed_ms, TYPED_HOLD_MS, now))
        flush_typed(s);
    schedule(s);
}

/* ---- frames of the picture ----------------------------------------------------------------------
 */

bool record_wants_frames(const struct session *s) {
    return full(s);
}

static void keyframe(struct session *s) {
    struct buf b;
    buf_init(&b, TAP_FRAME_MAX);
    s->picture->impl->paint(s->picture, 0, &s->caps, &b);
    instr_begin(&b, "sync");
    instr_int(&b, (int64_t)s->sealed_ts);
    instr_int(&b, 1);
    instr_end(&b);
    if (b.failed)
        log_warning("a keyframe was left out: larger than %u bytes", TAP_FRAME_MAX);
    else
        add_buf(s, TAP_KEYFRAME, &b);
    buf_fini(&b);
}

void record_frame(struct session *s, struct chunk *c) {
    struct record *r = full(s);
    if (!r)
        return;
    uint64_t now = clock_ms();
    bool first = !r->any_frame;
    if (!first) {
        flush_lines(s);
        r->active_ms += MIN_OF(now - r->last_frame_ms, 1000u);
    }
    r->any_frame = true;
    r->last_frame_ms = now;
    r->bytes += c->len;
    tap_add(r->tap, TAP_DATA, session_now(s), c);
    if (first || r->active_ms >= KEYFRAME_ACTIVE_MS || r->bytes >= KEYFRAME_BYTES) {
        r->active_ms = 0;
        r->bytes = 0;
        keyframe(s);
    }
    schedule(s);
}

/* ---- limits, life -------------------------------------------------------------------------------
 */

static void on_tap(void *arg) {
    struct session *s = arg;
    struct record *r = s->record;
    enum tap_state state = tap_state(r->tap);
    if (s->ending) {
        life_check_end(s);
        return;
    }
    bool strict = !r->events_only || args_bool(s->args, "require-tap");
    if (state == TAP_LOST && strict)
        life_end(s, STATUS_SERVER_ERROR,
                 "The recording could not be stored in time, so the session was ended.");
    else if (state == TAP_BEHIND || (state == TAP_CUT && strict))
        life_pause(s, PAUSE_RECORDER,
                   state == TAP_CUT ? "The recorder is away. Waiting for it."
                                    : "The recording is behind. Waiting for its store.");
    else if (state == TAP_GOOD)
        life_resume(s, PAUSE_RECORDER);
}

void record_descriptor(struct session *s, int fd) {
    if (s->tap_fd >= 0)
        close(s->tap_fd);
    s->tap_fd = fd;
}

static enum keys_mode keys_mode(const char *name) {
    return strcmp(name, "full") == 0  ? KEYS_FULL
           : strcmp(name, "off") == 0 ? KEYS_OFF
                                      : KEYS_MASKED;
}

int record_start(struct session *s, struct err *e) {
    if (s->tap_fd < 0)
        return 0;
    struct record *r = calloc(1, sizeof(*r));
    if (!r)
        return err_set(e, STATUS_SERVER_BUSY, "no memory to record");
    s->record = r;
    const struct tap_limits limits = {
        .soft_bytes = (size_t)args_int(s->args, "tap-soft-limit"),
        .hard_bytes = (size_t)args_int(s->args, "tap-hard-limit"),
        .soft_ms = (uint64_t)args_int(s->args, "tap-soft-delay"),
        .hard_ms = (uint64_t)args_int(s->args, "tap-hard-delay"),
    };
    r->events_only = strcmp(args_str(s->args, "recording"), "events") == 0;
    keys_init(&r->keys, keys_mode(args_str(s->args, "recording-keys")));
    buf_init(&r->lines, LINES_MAX);
    buf_init(&r->typed, TYPED_MAX);
    r->typed.secret = true;
    r->timer = loop_timer_new(s->loop, on_timer, s);
    r->tap = tap_new(s->loop, &limits, on_tap, s, e);
    if (!r->tap || !r->timer)
        return -1;
    return tap_attach(r->tap, steal_fd(&s->tap_fd), 0, e);
}

int record_resume(struct session *s, int fd, uint64_t after, uint64_t *next, struct err *e) {
    if (!s->record) {
        close(fd);
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "this session is not recorded");
    }
    if (tap_attach(s->record->tap, fd, after, e) < 0)
        return -1;
    *next = after + 1;
    return 0;
}

void record_end(struct session *s, int status, const char *reason) {
    struct record *r = s->record;
    if (!r || r->ended)
        return;
    if (!r->events_only) {
        write_keys(s, true);
        flush_lines(s);
        flush_typed(s);
        record_shown(s);
    }
    json_t *o = json_pack("{s:s,s:i}", "event", "ended", "status", status);
    json_object_set_new(o, "reason", clean(reason, strlen(reason)));
    add_json(s, TAP_EVENT, o);
    r->ended = true;
    r->final = tap_last(r->tap);
    loop_timer_stop(r->timer);
}

bool record_finished(const struct session *s) {
    const struct record *r = s->record;
    return !r || (r->ended && tap_spooled(r->tap) >= r->final);
}

void record_free(struct session *s) {
    if (s->tap_fd >= 0)
        close(s->tap_fd);
    struct record *r = s->record;
    if (!r)
        return;
    tap_free(r->tap);
    keys_fini(&r->keys);
    buf_fini(&r->lines);
    buf_wipe(&r->typed);
    loop_timer_free(r->timer);
    free(r);
    s->record = NULL;
}
