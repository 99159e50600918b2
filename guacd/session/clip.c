/* The target's clipboard on its way to the owner: megabytes perhaps, so it goes a piece at a time,
 * whenever his queue has drained, and frames pass in between. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define WAITING_MAX 4 /* contents; the oldest not yet begun gives way */
#define PIECE (16 * BLOB_BYTES_MAX)

struct outstream {
    struct outstream *next;
    int index; /* 0: not begun */
    char mimetype[64];
    size_t len, sent;
    char data[];
};

static void drop(struct outstream *o) {
    secret_wipe(o->data, o->len);
    free(o);
}

void clip_free(struct user *u) {
    while (u->out_streams) {
        struct outstream *o = u->out_streams;
        u->out_streams = o->next;
        drop(o);
    }
}

/* Odd: nobody's acknowledgement is awaited, since old clients give none for clipboards. */
int clip_next_index(struct user *u) {
    u->next_out = u->next_out >= 1021 ? 3 : u->next_out + 2;
    return u->next_out;
}

static void put_blob(struct buf *b, int stream, const char *data, size_t len) {
    char text[BASE64_LEN(BLOB_BYTES_MAX)];
    size_t n = base64_encode(data, len, text);
    instr_begin(b, "blob");
    instr_int(b, stream);
    instr_bytes(b, text, n);
    instr_end(b);
}

static void put_piece(struct outstream *o, struct user *u, struct buf *b) {
    if (!o->index) {
        o->index = clip_next_index(u);
        instr_begin(b, "clipboard");
        instr_int(b, o->index);
        instr_str(b, o->mimetype);
        instr_end(b);
    }
    size_t stop = MIN_OF(o->len, o->sent + PIECE);
    while (o->sent < stop) {
        size_t n = MIN_OF(stop - o->sent, (size_t)BLOB_BYTES_MAX);
        put_blob(b, o->index, o->data + o->sent, n);
        o->sent += n;
    }
    if (o->sent == o->len) {
        instr_begin(b, "end");
        instr_int(b, o->index);
        instr_end(b);
    }
}

static void pump_all(void *arg) {
    struct session *s = arg;
    for (struct user *u = s->users; u; u = u->next)
        clip_pump(u);
}

/* One piece. More follows when the queue has drained, or after others had their turn. */
void clip_pump(struct user *u) {
    u->clip_turn = false;
    if (!user_live(u) || !u->out_streams || !outq_empty(&u->out))
        return;
    struct outstream *o = u->out_streams;
    _buf_cleanup_ struct buf b;
    buf_init(&b, 2 * PIECE);
    b.secret = true;
    put_piece(o, u, &b);
    if (o->sent == o->len) {
        u->out_streams = o->next;
        drop(o);
    }
    if (user_send_buf(u, &b) == 0 && outq_empty(&u->out) && u->out_streams)
        loop_post(u->s->loop, pump_all, u->s);
}

void clip_refused(struct user *u, int stream) {
    for (struct outstream **p = &u->out_streams; *p; p = &(*p)->next)
        if ((*p)->index == stream) {
            struct outstream *o = *p;
            *p = o->next;
            drop(o);
            return;
        }
}

void clip_offer(struct session *s, const char *mimetype, const char *data, size_t len) {
    struct user *u = s->owner;
    record_clipboard(s, NULL, mimetype, data, len);
    if (!u || !user_live(u) || !s->copy || len > s->clipboard_max)
        return;
    struct outstream *o = calloc(1, sizeof(*o) + len);
    if (!o)
        return;
    o->len = len;
    memcpy(o->data, data, len);
    strncpy(o->mimetype, mimetype, sizeof(o->mimetype) - 1);
    struct outstream **p = &u->out_streams;
    size_t waiting = 0;
    while (*p) {
        struct outstream *old = *p;
        if (old->index || ++waiting < WAITING_MAX) {
            p = &old->next;
            continue;
        }
        *p = old->next;
        drop(old);
    }
    *p = o;
    clip_pump(u);
}
