/* The session's side of the tap: frames and input as one stream of instructions, in the order they
 * were shown and typed; keyframes; and what becomes of the session when the recorder falls behind.
 */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record_impl.h"

#define KEYFRAME_ACTIVE_MS 30000
#define KEYFRAME_BYTES (4u << 20)

struct record *record_full(const struct session *s) {
    return s->record && !s->record->events_only && !s->record->ended ? s->record : NULL;
}

struct record *record_tapped(const struct session *s) {
    struct record *r = record_full(s);
    return r && r->tap ? r : NULL;
}

void record_put(struct session *s, enum tap_type type, struct chunk *c) {
    struct record *r = s->record;
    if (r->tap)
        tap_add(r->tap, type, session_now(s), c);
    else if (type == TAP_DATA)
        record_file_put(s, c);
}

/* ---- frames of the picture ----------------------------------------------------------------- */

bool record_wants_frames(const struct session *s) {
    return record_full(s);
}

static void keyframe(struct session *s) {
    struct buf b;
    buf_init(&b, TAP_FRAME_MAX);
    s->picture->impl->paint(s->picture, 0, &s->caps, &b);
    instr_begin(&b, "sync");
    instr_int(&b, (int64_t)s->sealed_ts);
    instr_int(&b, 1);
    instr_end(&b);
    s->record->keyframe_bytes = b.failed ? TAP_FRAME_MAX : b.len;
    if (b.failed)
        log_warning("a keyframe was left out: larger than %u bytes", TAP_FRAME_MAX);
    else
        record_add_buf(s, TAP_KEYFRAME, &b);
    buf_fini(&b);
}

void record_frame(struct session *s, struct chunk *c) {
    struct record *r = record_full(s);
    if (!r)
        return;
    uint64_t now = clock_ms();
    bool first = !r->any_frame;
    if (!first) {
        record_flush_lines(s);
        r->active_ms += MIN_OF(now - r->last_frame_ms, 1000u);
    }
    r->any_frame = true;
    r->last_frame_ms = now;
    r->bytes += c->len;
    if (!r->no_output)
        record_put(s, TAP_DATA, c);
    else if (first)
        record_file_sync(s);
    if (!r->tap) {
        record_schedule(s);
        return;
    }
    if (first || r->active_ms >= KEYFRAME_ACTIVE_MS ||
        r->bytes >= MAX_OF((size_t)KEYFRAME_BYTES, r->keyframe_bytes)) {
        r->active_ms = 0;
        r->bytes = 0;
        keyframe(s);
    }
    record_schedule(s);
}

/* ---- limits, life -------------------------------------------------------------------------- */

static void on_tap(void *arg) {
    struct session *s = arg;
    struct record *r = s->record;
    enum tap_state state = tap_state(r->tap);
    if (s->ending) {
        life_check_end(s);
        return;
    }
    if (r->events_only && !args_bool(s->args, "require-tap"))
        return; /* nothing is promised but what a few events tell */
    if (state == TAP_LOST)
        life_end(s, STATUS_SERVER_ERROR,
                 "The recording could not be stored in time, so the session was ended.");
    else if (state == TAP_BEHIND || state == TAP_CUT)
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

int record_prepare(struct session *s, enum keys_mode keys, struct err *e) {
    struct record *r = s->record;
    keys_init(&r->keys, keys);
    buf_init(&r->lines, RECORD_LINES_MAX);
    buf_init(&r->typed, RECORD_TYPED_MAX);
    r->typed.secret = true;
    r->timer = loop_timer_new(s->loop, record_on_timer, s);
    return r->timer ? 0 : err_set(e, STATUS_SERVER_BUSY, "no memory to record");
}

int record_start(struct session *s, struct err *e) {
    if (s->tap_fd < 0)
        return 0;
    struct record *r = s->record = calloc(1, sizeof(*r));
    if (!r)
        return err_set(e, STATUS_SERVER_BUSY, "no memory to record");
    const struct tap_limits limits = {
        .soft_bytes = (size_t)args_int(s->args, "tap-soft-limit"),
        .hard_bytes = (size_t)args_int(s->args, "tap-hard-limit"),
        .soft_ms = (uint64_t)args_int(s->args, "tap-soft-delay"),
        .hard_ms = (uint64_t)args_int(s->args, "tap-hard-delay"),
    };
    r->events_only = strcmp(args_str(s->args, "recording"), "events") == 0;
    r->tap = tap_new(s->loop, &limits, on_tap, s, e);
    if (!r->tap || record_prepare(s, keys_mode(args_str(s->args, "recording-keys")), e) < 0)
        return -1;
    return tap_attach(r->tap, steal_fd(&s->tap_fd), 0, e);
}

int record_resume(struct session *s, int fd, uint64_t after, uint64_t *next, struct err *e) {
    if (!s->record || !s->record->tap) {
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
        record_write_keys(s, true);
        record_flush_lines(s);
        record_flush_typed(s);
        record_shown(s);
    }
    json_t *o = json_pack("{s:s,s:i}", "event", "ended", "status", status);
    json_object_set_new(o, "reason", record_clean(reason, strlen(reason)));
    record_add_json(s, TAP_EVENT, o);
    r->ended = true;
    if (r->tap)
        r->final = tap_last(r->tap);
    else
        record_file_flush(s);
    loop_timer_stop(r->timer);
}

bool record_finished(const struct session *s) {
    const struct record *r = s->record;
    return !r || !r->tap || (r->ended && tap_spooled(r->tap) >= r->final);
}

void record_free(struct session *s) {
    if (s->tap_fd >= 0)
        close(s->tap_fd);
    struct record *r = s->record;
    if (!r)
        return;
    tap_free(r->tap);
    sink_free(r->file);
    keys_fini(&r->keys);
    buf_fini(&r->lines);
    buf_wipe(&r->typed);
    loop_timer_free(r->timer);
    free(r);
    s->record = NULL;
}
