/* How long a session lives: keep-alive and silence of its users, grace without an owner, idle time
 * and maximum duration with their warnings, pauses, and the end. Durations run on CLOCK_BOOTTIME,
 * and the session keeps them itself, so it outlives every other process. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

/* ---- users: keep-alive and silence --------------------------------------------------------- */

static void nop(struct user *u) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 64);
    instr_put(&b, "nop", (char *)NULL);
    user_send_buf(u, &b);
}

/* Does what is due for one user; returns ms until something is due again. */
static uint64_t check_user(struct user *u, uint64_t now) {
    if (u->phase == USER_DEAD)
        return UINT64_MAX;
    if (u->phase == USER_CLOSING) {
        if (now - u->since_ms >= CLOSING_MS)
            user_drop(u, "he does not hang up");
        return u->since_ms + CLOSING_MS - now;
    }
    if (u->phase == USER_HANDSHAKE) {
        if (now - u->since_ms >= HANDSHAKE_TIMEOUT_MS) {
            user_end(u, STATUS_CLIENT_TIMEOUT, "The handshake took too long.");
            return CLOSING_MS;
        }
        return u->since_ms + HANDSHAKE_TIMEOUT_MS - now;
    }
    if (u->stalled) /* we do not listen, so he is not silent */
        u->heard_ms = now;
    if (now - u->heard_ms >= u->s->silent_ms) {
        user_drop(u, "he was silent for too long");
        return UINT64_MAX;
    }
    if (now - u->said_ms >= u->s->nop_ms)
        nop(u);
    if (!user_live(u))
        return CLOSING_MS;
    uint64_t due = MIN_OF(u->said_ms + u->s->nop_ms, u->heard_ms + u->s->silent_ms);
    return due > now ? due - now : 1;
}

void life_tick(struct session *s) {
    uint64_t now = clock_ms(), next = UINT64_MAX;
    for (struct user *u = s->users; u; u = u->next) {
        uint64_t in = check_user(u, now);
        next = MIN_OF(next, in);
    }
    if (next != UINT64_MAX)
        loop_timer_set(s->tick_timer, MAX_OF(next, 1) * 1000);
}

static void on_tick(void *arg) {
    life_tick(arg);
}

/* ---- grace --------------------------------------------------------------------------------- */

void life_owner_gone(struct session *s) {
    struct event ev = { .type = EVENT_RELEASE };
    mailbox_put(&s->mailbox, &ev);
    if (s->ending)
        return;
    if (!s->grace_ms) {
        life_end(s, STATUS_SUCCESS, "the owner left");
        return;
    }
    log_info("the owner is gone: waiting %llu s for him", (unsigned long long)s->grace_ms / 1000);
    s->grace_until_ms = clock_ms() + s->grace_ms;
    loop_timer_set(s->grace_timer, s->grace_ms * 1000);
    notify_state(s, NULL, json_pack("{s:I}", "grace", (json_int_t)s->grace_ms));
}

void life_owner_back(struct session *s) {
    loop_timer_stop(s->grace_timer);
    if (s->grace_until_ms)
        notify_state(s, NULL, json_pack("{s:i}", "grace", 0));
    s->grace_until_ms = 0;
}

static void on_grace(void *arg) {
    life_end(arg, STATUS_SESSION_TIMEOUT, "the owner did not come back in time");
}

uint64_t life_grace_left(const struct session *s) {
    uint64_t now = clock_ms();
    return s->grace_until_ms > now ? s->grace_until_ms - now : 0;
}

/* ---- idle time, maximum duration ----------------------------------------------------------- */

/* ms until the session ends by itself, and why; UINT64_MAX: it does not. */
static uint64_t left(const struct session *s, uint64_t now, const char **reason) {
    uint64_t idle = s->idle_ms ? s->active_ms + s->idle_ms : UINT64_MAX;
    uint64_t whole = s->max_ms ? s->start_ms + s->max_ms : UINT64_MAX;
    uint64_t leave = s->leave_until_ms ? s->leave_until_ms : UINT64_MAX;
    uint64_t due = MIN_OF(MIN_OF(idle, whole), leave);
    if (due == leave && leave != UINT64_MAX)
        *reason = "restart";
    else
        *reason = whole > idle ? "idle" : s->approved ? "approval" : "duration";
    return due == UINT64_MAX ? due : due > now ? due - now : 0;
}

static void on_limit(void *arg) {
    struct session *s = arg;
    const char *reason;
    uint64_t ms = left(s, clock_ms(), &reason);
    if (ms == UINT64_MAX || s->ending)
        return;
    if (ms == 0) {
        if (strcmp(reason, "idle") == 0)
            life_end(s, STATUS_SESSION_TIMEOUT, "nobody did anything for %llu s",
                     (unsigned long long)s->idle_ms / 1000);
        else if (strcmp(reason, "restart") == 0)
            life_end(s, STATUS_SESSION_CLOSED, "the gateway restarts");
        else
            life_end(s, STATUS_SESSION_CLOSED, "%s",
                     s->approved ? "the time that was approved is over"
                                 : "the session's maximum duration is over");
        return;
    }
    if (ms <= s->warn_ms && !s->warned) {
        s->warned = true;
        notify_state(
            s, NULL,
            json_pack("{s:I,s:s,s:b}", "left", (json_int_t)ms, "reason", reason, "warn", 1));
    }
    uint64_t in = s->warned || ms <= s->warn_ms ? ms : ms - s->warn_ms;
    loop_timer_set(s->limit_timer, MAX_OF(in, 1) * 1000);
}

void life_leave(struct session *s, uint64_t ms) {
    const char *reason;
    uint64_t now = clock_ms();
    if (s->ending)
        return;
    log_info("the server is being stopped: this session ends within %llu s",
             (unsigned long long)ms / 1000);
    s->leave_until_ms = now + ms;
    s->warned = true; /* at once, however long it is: he has to finish here */
    uint64_t in = left(s, now, &reason);
    notify_state(s, NULL,
                 json_pack("{s:I,s:s,s:b}", "left", (json_int_t)in, "reason", reason, "warn", 1));
    on_limit(s);
}

void life_active(struct session *s) {
    s->active_ms = clock_ms();
    if (!s->warned || !s->idle_ms || s->leave_until_ms)
        return; /* the timer finds out by itself that it rang too early */
    const char *reason;
    uint64_t ms = left(s, s->active_ms, &reason);
    if (ms > s->warn_ms) {
        s->warned = false;
        notify_state(
            s, NULL,
            json_pack("{s:I,s:s,s:b}", "left", (json_int_t)ms, "reason", reason, "warn", 0));
        on_limit(s);
    }
}

/* ---- pauses -------------------------------------------------------------------------------- */

static json_t *paused_json(const struct session *s) {
    json_t *list = json_array();
    if (s->paused & (PAUSE_RECORDER | PAUSE_STORE))
        json_array_append_new(list, json_string("recorder"));
    if (s->paused & PAUSE_MODERATOR)
        json_array_append_new(list, json_string("moderator"));
    return json_pack("{s:o,s:s}", "paused", list, "why", s->paused ? s->pause_why : "");
}

void life_tell(struct session *s, struct user *u) {
    const char *reason;
    uint64_t ms = left(s, clock_ms(), &reason);
    if (ms != UINT64_MAX)
        notify_state(s, u,
                     json_pack("{s:I,s:s,s:b}", "left", (json_int_t)ms, "reason", reason, "warn",
                               s->warned));
    if (s->paused && user_live(u))
        notify_state(s, u, paused_json(s));
}

void life_pause(struct session *s, unsigned why, const char *text) {
    if (s->paused & why)
        return;
    bool first = !s->paused;
    s->paused |= why;
    snprintf(s->pause_why, sizeof(s->pause_why), "%s", text);
    log_warning("paused: %s", text);
    notify_state(s, NULL, paused_json(s));
    record_event(s, json_pack("{s:s,s:s}", "event", "paused", "why", text));
    if (!first)
        return;
    files_pause(s, true);
    struct event release = { .type = EVENT_RELEASE }, pause = { .type = EVENT_PAUSE };
    mailbox_put(&s->mailbox, &release);
    mailbox_put(&s->mailbox, &pause);
}

void life_resume(struct session *s, unsigned why) {
    if (!(s->paused & why))
        return;
    s->paused &= ~why;
    record_event(s, json_pack("{s:s}", "event", "resumed"));
    notify_state(s, NULL, paused_json(s));
    if (s->paused)
        return;
    log_info("resumed");
    struct event ev = { .type = EVENT_RESUME };
    mailbox_put(&s->mailbox, &ev);
    files_pause(s, false);
    for (struct user *u = s->users; u; u = u->next)
        if (user_live(u) && u->stalled)
            user_read(u);
    frames_pump(s);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void finish(struct session *s) {
    if (!s->ended)
        log_info("ended");
    s->ended = true;
    loop_stop(s->loop);
}

/* What is still awaited: users' last words, the backend, the recorder. */
void life_check_end(struct session *s) {
    if (!s->ending)
        return;
    if (!s->backend || s->backend_done || !s->thread_runs)
        record_end(s, s->end_status, s->end_text);
    if (!s->users && (!s->thread_runs || s->backend_done) && record_finished(s))
        finish(s);
}

static void on_end_deadline(void *arg) {
    struct session *s = arg;
    if (s->thread_runs && !s->backend_done)
        log_warning("the backend did not leave in time: going without it");
    uint64_t spent = clock_ms() - s->ending_ms;
    if (!record_finished(s) && spent < s->tap_end_ms) { /* the recorder has a little longer */
        record_end(s, s->end_status, s->end_text);
        loop_timer_set(s->end_timer, (s->tap_end_ms - spent) * 1000);
        return;
    }
    finish(s);
}

void life_end(struct session *s, int status, const char *fmt, ...) {
    if (s->ending)
        return;
    s->ending = true;
    s->ending_ms = clock_ms();
    s->end_status = status;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->end_text, sizeof(s->end_text), fmt, ap);
    va_end(ap);
    log_info("ending: %s (0x%04x)", s->end_text, (unsigned)status);
    if (s->backend_done)
        frames_final(s);
    struct event ev = { .type = EVENT_END };
    mailbox_put(&s->mailbox, &ev);
    for (struct user *u = s->users; u; u = u->next)
        user_end(u, status, s->end_text);
    loop_timer_set(s->end_timer, BACKEND_END_MS * 1000);
    life_check_end(s);
}

/* -------------------------------------------------------------------------------------------- */

int life_init(struct session *s, struct err *e) {
    s->start_ms = s->active_ms = clock_ms();
    s->silent_ms = USER_SILENT_MS;
    s->nop_ms = NOP_EVERY_MS;
    s->tap_end_ms = TAP_END_MS;
    s->tick_timer = loop_timer_new(s->loop, on_tick, s);
    s->grace_timer = loop_timer_new(s->loop, on_grace, s);
    s->limit_timer = loop_timer_new(s->loop, on_limit, s);
    s->end_timer = loop_timer_new(s->loop, on_end_deadline, s);
    if (!s->tick_timer || !s->grace_timer || !s->limit_timer || !s->end_timer)
        return err_set(e, STATUS_SERVER_BUSY, "no memory for the session's timers");
    return 0;
}

void life_fini(struct session *s) {
    loop_timer_free(s->tick_timer);
    loop_timer_free(s->grace_timer);
    loop_timer_free(s->limit_timer);
    loop_timer_free(s->end_timer);
}

/* The parameters are known. */
void life_connected(struct session *s) {
    s->start_ms = s->active_ms = clock_ms();
    if (s->gateway) {
        s->grace_ms = GRACE_MS; /* of a gateway that says nothing */
        if (args_is_set(s->args, "grace"))
            s->grace_ms = (uint64_t)args_int(s->args, "grace") * 1000;
        s->idle_ms = (uint64_t)args_int(s->args, "idle-timeout") * 1000;
        s->max_ms = (uint64_t)args_int(s->args, "max-duration") * 1000;
        s->approved = strcmp(args_str(s->args, "duration-reason"), "approval") == 0;
        s->warn_ms = (uint64_t)args_int(s->args, "warn-before") * 1000;
    }
    on_limit(s);
}
