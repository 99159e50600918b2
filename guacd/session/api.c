/* What backend.h offers to the backend thread. What has to happen on the wire thread is posted. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/dial.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"
#include "guacd/session/wake.h"

#define AUDIO_WAITING_MAX (512u << 10)
#define WAKE_AGAIN_MS 1000

/* A call on its way to the wire thread. */
struct post {
    struct session *s;
    void (*fn)(struct post *p);
    void *pointer;
    uint64_t number;
    char name[64];
    size_t len;
    char data[];
};

static void deliver(void *arg) {
    struct post *p = arg;
    p->fn(p);
    secret_wipe(p->data, p->len);
    free(p);
}

static void post(struct session *s, void (*fn)(struct post *p), void *pointer, uint64_t number,
                 const char *name, const void *data, size_t len) {
    struct post *p = calloc(1, sizeof(*p) + len + 1);
    if (!p)
        return;
    p->s = s;
    p->fn = fn;
    p->pointer = pointer;
    p->number = number;
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->len = len;
    if (len)
        memcpy(p->data, data, len);
    if (loop_post(s->loop, deliver, p) < 0)
        free(p);
}

/* ---- connecting ---------------------------------------------------------------------------- */

int session_lock(struct session *s, struct err *e) {
    if (atomic_load(&s->locked))
        return 0;
    unsigned needs = s->backend->sandbox_needs;
    if (s->backend->needs)
        needs |= s->backend->needs(s->args);
    if (sandbox_lock(needs, &s->sandbox, e) < 0)
        return -1;
    atomic_store(&s->locked, true);
    return 0;
}

static struct dial_policy address_policy(const struct session *s) {
    struct dial_policy policy = { .any = !s->gateway };
    if (s->gateway) {
        policy.allow = args_str(s->args, "address-allow");
        policy.deny = args_str(s->args, "address-deny");
    }
    return policy;
}

int session_dial_beside(struct session *s, const char *host, uint16_t port, int timeout_ms, int *fd,
                        struct err *e) {
    struct dial_policy policy = address_policy(s);
    char peer[64] = "";
    int got = dial_tcp(host, port, &policy, timeout_ms, peer, sizeof(peer), e);
    if (got < 0)
        return -1;
    log_info("connected to %s", peer);
    *fd = got;
    return 0;
}

/* A woken machine answers when it is up: it is dialled again until wol-wait-time is over, which the
 * owner may cut short by leaving. What no waiting helps against ends it at once. */
static int dial_woken(struct session *s, const char *host, uint16_t port, int timeout_ms, int *fd,
                      struct err *e) {
    const struct dial_policy policy = address_policy(s);
    if (wake_send(s->args, &policy, e) < 0)
        return -1;
    uint64_t wait_ms = args_bool(s->args, "wol-send-packet")
                           ? (uint64_t)args_int(s->args, "wol-wait-time") * 1000
                           : 0;
    uint64_t end = clock_ms() + wait_ms;
    while (session_dial_beside(s, host, port, timeout_ms, fd, e) < 0) {
        bool down =
            e->status == STATUS_UPSTREAM_UNAVAILABLE || e->status == STATUS_UPSTREAM_TIMEOUT;
        if (!down || clock_ms() >= end || session_ending(s))
            return -1;
        log_debug("not up yet: %s", e->text);
        *e = (struct err){ 0 };
        poll(NULL, 0, WAKE_AGAIN_MS);
    }
    return 0;
}

int session_dial(struct session *s, const char *host, uint16_t port, int timeout_ms, int *fd,
                 struct err *e) {
    int got = -1;
    if (dial_woken(s, host, port, timeout_ms, &got, e) < 0)
        return -1;
    if (session_lock(s, e) < 0) {
        close(got);
        return -1;
    }
    *fd = got;
    return 0;
}

void session_size(struct session *s, int *width, int *height, int *dpi) {
    *width = s->first_width;
    *height = s->first_height;
    *dpi = s->first_dpi;
}

const char *session_timezone(struct session *s) {
    return s->timezone;
}

int session_storage(struct session *s) {
    return steal_fd(&s->storage);
}

const char *session_known(struct session *s) {
    return s->known_print;
}

struct first_use {
    struct session *s;
    char print[65];
};

static void on_first_use(void *arg) {
    _free_ struct first_use *u = arg;
    channel_remember(u->s, u->print);
}

void session_remember(struct session *s, const char *print) {
    struct first_use *u = malloc(sizeof(*u));
    snprintf(s->known_print, sizeof(s->known_print), "%s", print);
    if (!u)
        return;
    u->s = s;
    snprintf(u->print, sizeof(u->print), "%s", print);
    if (loop_post(s->loop, on_first_use, u) < 0)
        free(u);
}

/* ---- events -------------------------------------------------------------------------------- */

int session_event_fd(struct session *s) {
    return s->mailbox.fd;
}

bool session_ending(struct session *s) {
    pthread_mutex_lock(&s->mailbox.lock);
    bool ended = s->mailbox.ended;
    pthread_mutex_unlock(&s->mailbox.lock);
    return ended;
}

bool session_next_event(struct session *s, struct event *ev) {
    if (!mailbox_take(&s->mailbox, ev))
        return false;
    if (ev->type == EVENT_KEY)
        s->last_key = ev->key.id;
    return true;
}

/* ---- the picture --------------------------------------------------------------------------- */

static void on_picture(struct post *p) {
    p->s->picture = p->pointer;
    frames_damage(p->s);
}

void session_set_picture(struct session *s, struct picture *p) {
    post(s, on_picture, p, 0, "", NULL, 0);
}

static void on_damage(void *arg) {
    frames_damage(arg);
}

void session_damage(struct session *s) {
    if (!atomic_exchange(&s->damaged, true))
        loop_post(s->loop, on_damage, s);
}

/* ---- words --------------------------------------------------------------------------------- */

static void on_clipboard(struct post *p) {
    clip_offer(p->s, p->name, p->data, p->len);
}

void session_clipboard(struct session *s, const char *mimetype, const void *data, size_t len) {
    if (len <= s->clipboard_max)
        post(s, on_clipboard, NULL, 0, mimetype, data, len);
    else
        log_warning("a clipboard of %zu bytes is over clipboard-buffer-size", len);
}

/* The format is in the number: bytes a sample, channels, rate. */
static void on_audio(struct post *p) {
    const struct audio_format f = { .rate = (unsigned)(p->number >> 8),
                                    .channels = (unsigned)(p->number >> 4) & 15,
                                    .bits = (unsigned)(p->number & 15) * 8 };
    atomic_fetch_sub(&p->s->audio_waiting, p->len);
    audio_play(p->s, &f, p->data, p->len);
}

void session_audio(struct session *s, const struct audio_format *f, const void *data, size_t len) {
    len = MIN_OF(len, (size_t)AUDIO_MAX);
    if (len == 0 || atomic_load(&s->audio_waiting) > AUDIO_WAITING_MAX)
        return;
    atomic_fetch_add(&s->audio_waiting, len);
    post(s, on_audio, NULL, (uint64_t)f->rate << 8 | f->channels << 4 | f->bits / 8, "", data, len);
}

static void on_title(struct post *p) {
    notify_title(p->s, p->data);
}

void session_title(struct session *s, const char *text) {
    post(s, on_title, NULL, 0, "", text, strlen(text));
}

void session_shown(struct session *s, const char *text, size_t len) {
    pthread_mutex_lock(&s->shown_lock);
    size_t room = s->shown.max - s->shown.len;
    if (len > room)
        s->shown_lost += len - room;
    buf_add(&s->shown, text, MIN_OF(len, room));
    pthread_mutex_unlock(&s->shown_lock);
}

static void on_text(struct post *p) {
    notify_text(p->s, p->data, p->number);
}

void session_text(struct session *s, const char *json_line) {
    if (atomic_load(&s->text_readers))
        post(s, on_text, NULL, false, "", json_line, strlen(json_line));
}

void session_text_whole(struct session *s, const char *json_line) {
    if (atomic_load(&s->text_readers))
        post(s, on_text, NULL, true, "", json_line, strlen(json_line));
}

static void on_echo(struct post *p) {
    record_echo(p->s, p->number, p->len > 0);
}

void session_echo(struct session *s, bool visible) {
    post(s, on_echo, NULL, s->last_key, "", "", visible);
}

void session_key_echoed(struct session *s, uint64_t id) {
    post(s, on_echo, NULL, id, "", "", 1);
}

static void on_mask(struct post *p) {
    record_mask(p->s, p->number);
}

void session_mask_input(struct session *s, bool mask) {
    post(s, on_mask, NULL, mask, "", NULL, 0);
}

static void on_state(struct post *p) {
    notify_state(p->s, NULL, json_pack("{s:{s:s}}", "state", p->name, p->data));
}

void session_state(struct session *s, const char *key, const char *value) {
    post(s, on_state, NULL, 0, key, value, strlen(value));
}
