/* Words beside the picture: who joined and left (`msg`, for 1.5.0), titles (`name`), and for our
 * own page the pipes guac.state and guac.text (state.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"
#include "guacd/session/state.h"

#define LINE_MAX (1u << 20)
#define TITLE_MAX 256

/* A plain element for stock clients: ASCII, since they disagree on how to count the rest. */
void notify_plain(struct buf *b, const char *text) {
    char plain[TITLE_MAX];
    size_t n = 0;
    for (const char *p = text; *p && n < sizeof(plain) - 1; p++)
        if (((unsigned char)*p & 0xC0) != 0x80)
            plain[n++] = *p >= 0x20 && *p < 0x7F ? *p : '?';
    plain[n] = '\0';
    instr_str(b, plain);
}

/* ---- joined, left -------------------------------------------------------------------------- */

static void send_msg(struct session *s, const struct user *about, int code) {
    struct user *owner = s->owner;
    if (!owner || !user_live(owner) || owner == about || owner->version < HANDSHAKE_1_5_0)
        return;
    _buf_cleanup_ struct buf b;
    buf_init(&b, 4096);
    char id[24];
    snprintf(id, sizeof(id), "@%u", about->number);
    instr_begin(&b, "msg");
    instr_int(&b, code);
    instr_str(&b, id);
    notify_plain(&b, about->name);
    instr_end(&b);
    user_send_buf(owner, &b);
}

static json_t *users_json(struct session *s) {
    json_t *list = json_array();
    for (const struct user *u = s->users; u; u = u->next)
        if (user_live(u))
            json_array_append_new(list, json_pack("{s:i,s:s,s:s,s:I}", "user", (int)u->number,
                                                  "name", u->name, "role",
                                                  role_name(u == s->owner ? ROLE_OWNER : u->role),
                                                  "lagMs", (json_int_t)u->lag_ms));
    return json_pack("{s:o}", "users", list);
}

void notify_joined(struct user *u) {
    struct session *s = u->s;
    record_event(s, json_pack("{s:s,s:i,s:s,s:s,s:s}", "event", "joined", "user", (int)u->number,
                              "sub", u->sub, "name", u->name, "role", role_name(u->role)));
    send_msg(s, u, 1);
    notify_state(s, NULL, users_json(s));
}

void notify_left(struct user *u) {
    struct session *s = u->s;
    record_event(s, json_pack("{s:s,s:i,s:s}", "event", "left", "user", (int)u->number, "role",
                              role_name(u->role)));
    send_msg(s, u, 2);
    notify_state(s, NULL, users_json(s));
}

/* ---- pipes of our own page ----------------------------------------------------------------- */

static void put_line(struct buf *b, int stream, const char *data, size_t len) {
    char text[BASE64_LEN(BLOB_BYTES_MAX)];
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN_OF(len - at, (size_t)BLOB_BYTES_MAX);
        size_t size = base64_encode(data + at, n, text);
        instr_begin(b, "blob");
        instr_int(b, stream);
        instr_bytes(b, text, size);
        instr_end(b);
    }
}

void notify_state(struct session *s, struct user *only, json_t *members) {
    _json_ json_t *o = members;
    bool anybody = false;
    for (const struct user *u = s->users; u; u = u->next)
        anybody |= user_live(u) && u->ours && (!only || u == only);
    if (!anybody || !o)
        return;
    _buf_cleanup_ struct buf line, b;
    buf_init(&line, LINE_MAX);
    buf_init(&b, 2 * LINE_MAX);
    json_write(o, &line);
    buf_putc(&line, '\n');
    if (!line.failed)
        put_line(&b, STATE_STREAM, line.data, line.len);
    struct chunk *c = chunk_steal(&b);
    for (struct user *u = s->users; c && u; u = u->next)
        if (user_live(u) && u->ours && (!only || u == only))
            user_send(u, c);
    chunk_unref(c);
}

/* Lines go on once the backend answered with a whole one. */
static void want_text(struct user *u) {
    struct event ev = { .type = EVENT_TEXT };
    u->text_waits = u->text_asked = true;
    mailbox_put(&u->s->mailbox, &ev);
}

void notify_drained(struct user *u) {
    if (user_live(u) && u->text && u->text_waits && !u->text_asked && outq_empty(&u->out))
        want_text(u);
}

static struct chunk *text_line(const char *text) {
    _buf_cleanup_ struct buf line, b;
    buf_init(&line, LINE_MAX);
    buf_init(&b, 2 * LINE_MAX);
    buf_puts(&line, text);
    buf_putc(&line, '\n');
    if (line.failed)
        return NULL;
    put_line(&b, TEXT_STREAM, line.data, line.len);
    return chunk_steal(&b);
}

/* One line of the backend. Who has not taken what he was sent waits for a whole one, which is asked
 * for when he has. */
void notify_text(struct session *s, const char *text, bool whole) {
    struct chunk *c = text_line(text);
    for (struct user *u = s->users; c && u; u = u->next) {
        if (!user_live(u) || !u->text || (u->text_waits && !whole))
            continue;
        u->text_asked = false;
        u->text_waits = u->out.bytes > USER_OUT_SOFT;
        if (!u->text_waits)
            user_send(u, c);
    }
    chunk_unref(c);
}

static void open_pipe(struct user *u, int stream, const char *name) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 512);
    instr_begin(&b, "pipe");
    instr_int(&b, stream);
    instr_str(&b, "application/x-ndjson");
    instr_str(&b, name);
    instr_end(&b);
    user_send_buf(u, &b);
}

void notify_welcome(struct user *u) {
    struct session *s = u->s;
    if (s->title) {
        _buf_cleanup_ struct buf b;
        buf_init(&b, 2048);
        instr_begin(&b, "name");
        notify_plain(&b, s->title);
        instr_end(&b);
        user_send_buf(u, &b);
    }
    if (!u->ours || !user_live(u))
        return;
    open_pipe(u, STATE_STREAM, "guac.state");
    if (u->text && user_live(u)) {
        open_pipe(u, TEXT_STREAM, "guac.text");
        want_text(u);
    }
    notify_state(s, u,
                 json_pack("{s:s,s:b,s:s,s:{s:b,s:b,s:I}}", "protocol", s->protocol->name,
                           "recording", s->record != NULL, "session", s->id, "policy", "copy",
                           s->copy, "paste", s->paste, "clipboardMax",
                           (json_int_t)s->clipboard_max));
    notify_role(u);
    life_tell(s, u);
}

void notify_role(struct user *u) {
    notify_state(u->s, u,
                 json_pack("{s:s,s:b}", "role", role_name(u == u->s->owner ? ROLE_OWNER : u->role),
                           "readOnly", u->role == ROLE_VIEWER));
}

void notify_log(struct user *u, const char *text) {
    if (!user_live(u))
        return;
    _buf_cleanup_ struct buf b;
    buf_init(&b, 2048);
    instr_begin(&b, "log");
    notify_plain(&b, text);
    instr_end(&b);
    user_send_buf(u, &b);
}

void notify_message(struct session *s, const char *text) {
    notify_state(s, NULL, json_pack("{s:s}", "message", text));
    record_event(s, json_pack("{s:s,s:s}", "event", "message", "text", text));
    _buf_cleanup_ struct buf b;
    buf_init(&b, 2048);
    instr_begin(&b, "log");
    notify_plain(&b, text);
    instr_end(&b);
    session_send_all(s, &b);
}

void notify_title(struct session *s, const char *text) {
    free(s->title);
    s->title = strndup(text, TITLE_MAX - 1);
    if (!s->title)
        return;
    record_text(s, "title", NULL, s->title, strlen(s->title));
    _buf_cleanup_ struct buf b;
    buf_init(&b, 2048);
    instr_begin(&b, "name");
    notify_plain(&b, s->title);
    instr_end(&b);
    session_send_all(s, &b);
}
