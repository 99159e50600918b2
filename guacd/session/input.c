/* What a live user may say: one row an opcode. Roles are kept here: a viewer's keys end at this
 * table, whatever his client shows him. Unknown opcodes are ignored, the empty one included. */
#include <stdlib.h>

#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define PIXEL_MAX 8191

static enum input_result bad(struct err *e, const char *opcode) {
    err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s with wrong arguments", opcode);
    return INPUT_BAD;
}

/* Numbers that only have to be numbers: clamped into min…max. */
static bool number(const struct instr *in, size_t i, int min, int max, int *out) {
    int64_t v;
    if (i >= in->argc || !instr_to_int(in->argv[i], INT32_MIN, INT32_MAX, &v))
        return false;
    *out = v < min ? min : v > max ? max : (int)v;
    return true;
}

/* Fractions are allowed where JavaScript makes them: cut. */
static bool pixel(const struct instr *in, size_t i, int *out) {
    if (i >= in->argc)
        return false;
    struct slice s = in->argv[i];
    for (size_t k = 0; k < s.len; k++)
        if (s.data[k] == '.')
            s.len = k;
    int64_t v;
    if (!instr_to_int(s, INT32_MIN, INT32_MAX, &v))
        return false;
    *out = v < 0 ? 0 : v > PIXEL_MAX ? PIXEL_MAX : (int)v;
    return true;
}

static bool fraction(const struct instr *in, size_t i, double *out) {
    char text[32], *end;
    if (i >= in->argc || !instr_to_str(in->argv[i], text, sizeof(text)) || !text[0])
        return false;
    double v = strtod(text, &end);
    if (*end || !(v > -1e9 && v < 1e9))
        return false;
    *out = v;
    return true;
}

/* A recorder that is behind is back within the hard limit: what is typed waits for it, since half a
 * command line is worse than a late one. Without a moderator, or while a prompt is open, it is
 * meant for nobody, and nobody records it. */
enum gate { GATE_OPEN, GATE_WAIT, GATE_SHUT };

static enum gate input_gate(const struct user *u) {
    if (u->s->paused & PAUSE_MODERATOR || !mailbox_takes_input(&u->s->mailbox))
        return GATE_SHUT;
    return u->s->paused ? GATE_WAIT : GATE_OPEN;
}

static enum input_result put(struct user *u, struct event *ev) {
    ev->user = u->number;
    if (!mailbox_put(&u->s->mailbox, ev))
        return INPUT_RETRY;
    life_active(u->s);
    return INPUT_OK;
}

static enum input_result on_key(struct user *u, const struct instr *in, struct err *e) {
    int64_t keysym, pressed;
    if (in->argc < 2 || !instr_to_int(in->argv[0], 0, UINT32_MAX, &keysym) ||
        !instr_to_int(in->argv[1], 0, 1, &pressed))
        return bad(e, "key");
    enum gate gate = input_gate(u);
    if (gate != GATE_OPEN)
        return gate == GATE_WAIT ? INPUT_RETRY : INPUT_OK;
    struct event ev = { .type = EVENT_KEY };
    ev.key.keysym = (uint32_t)keysym;
    ev.key.pressed = pressed;
    ev.key.id = record_key_id(u->s);
    enum input_result r = put(u, &ev);
    if (r == INPUT_OK) {
        record_key(u, (uint32_t)keysym, pressed);
        frames_input(u->s);
    }
    return r;
}

static enum input_result on_mouse(struct user *u, const struct instr *in, struct err *e) {
    struct event ev = { .type = EVENT_MOUSE };
    if (!pixel(in, 0, &ev.mouse.x) || !pixel(in, 1, &ev.mouse.y) ||
        !number(in, 2, 0, 0x7F, &ev.mouse.mask))
        return bad(e, "mouse");
    enum gate gate = input_gate(u);
    if (gate != GATE_OPEN)
        return gate == GATE_WAIT ? INPUT_RETRY : INPUT_OK;
    int x = ev.mouse.x, y = ev.mouse.y, mask = ev.mouse.mask;
    ev.mouse.move = mask == u->last_mask;
    enum input_result r = put(u, &ev);
    if (r == INPUT_OK) {
        record_mouse(u, x, y, mask);
        if (mask != u->last_mask)
            frames_input(u->s);
        u->last_mask = mask;
    }
    return r;
}

static enum input_result on_touch(struct user *u, const struct instr *in, struct err *e) {
    struct event ev = { .type = EVENT_TOUCH };
    if (!number(in, 0, 0, 255, &ev.touch.id) || !pixel(in, 1, &ev.touch.x) ||
        !pixel(in, 2, &ev.touch.y) || !pixel(in, 3, &ev.touch.rx) || !pixel(in, 4, &ev.touch.ry) ||
        !fraction(in, 5, &ev.touch.angle) || !fraction(in, 6, &ev.touch.force))
        return bad(e, "touch");
    enum gate gate = input_gate(u);
    if (gate != GATE_OPEN)
        return gate == GATE_WAIT ? INPUT_RETRY : INPUT_OK;
    struct event copy = ev;
    enum input_result r = put(u, &ev);
    if (r == INPUT_OK)
        record_touch(u, &copy);
    return r;
}

static enum input_result on_size(struct user *u, const struct instr *in, struct err *e) {
    struct event ev = { .type = EVENT_SIZE };
    if (!number(in, 0, 1, HANDSHAKE_PIXELS_MAX, &ev.size.width) ||
        !number(in, 1, 1, HANDSHAKE_PIXELS_MAX, &ev.size.height))
        return bad(e, "size");
    if (!number(in, 2, 1, 1200, &ev.size.dpi))
        ev.size.dpi = u->s->first_dpi;
    /* The picture has one size: the owner's window decides. Policies that pause input do not
     * stop it, so that the picture still fits when they end. */
    if (u->s->owner != u)
        return INPUT_OK;
    return put(u, &ev);
}

static enum input_result on_sync(struct user *u, const struct instr *in, struct err *e) {
    int64_t ts;
    if (in->argc < 1 || !instr_to_int(in->argv[0], INT64_MIN, INT64_MAX, &ts))
        return bad(e, "sync");
    if (ts > 0)
        frames_acked(u, (uint64_t)ts);
    return INPUT_OK;
}

static enum input_result on_disconnect(struct user *u, const struct instr *in, struct err *e) {
    (void)in;
    (void)e;
    user_end(u, 0, "");
    return INPUT_OK;
}

static enum input_result on_ack(struct user *u, const struct instr *in, struct err *e) {
    int64_t stream, status;
    if (in->argc < 3 || !instr_to_int(in->argv[0], INT32_MIN, INT32_MAX, &stream) ||
        !instr_to_int(in->argv[2], 0, INT32_MAX, &status))
        return bad(e, "ack");
    if (stream > 0 && stream % 2 == 0 && files_ack(u, (int)stream, (int)status))
        return INPUT_OK;
    if (status && stream) { /* what else we send is paced by the socket and by sync, not by this */
        clip_refused(u, (int)stream);
        audio_refused(u, (int)stream);
    }
    return INPUT_OK;
}

static const struct {
    const char *opcode;
    enum role least;
    enum input_result (*fn)(struct user *u, const struct instr *in, struct err *e);
} opcodes[] = {
    { "sync", ROLE_VIEWER, on_sync },
    { "key", ROLE_HELPER, on_key },
    { "mouse", ROLE_HELPER, on_mouse },
    { "touch", ROLE_HELPER, on_touch },
    { "blob", ROLE_VIEWER, streams_blob },
    { "end", ROLE_VIEWER, streams_end },
    { "ack", ROLE_VIEWER, on_ack },
    { "size", ROLE_VIEWER, on_size },
    { "clipboard", ROLE_VIEWER, streams_open }, /* streams answer by ack, refusals too */
    { "argv", ROLE_VIEWER, streams_open },
    { "pipe", ROLE_VIEWER, streams_open },
    { "file", ROLE_VIEWER, streams_open },
    { "audio", ROLE_VIEWER, streams_open },
    { "put", ROLE_VIEWER, streams_open },
    { "get", ROLE_HELPER, files_get },
    { "disconnect", ROLE_VIEWER, on_disconnect },
};

enum input_result input_instr(struct user *u, const struct instr *in, struct err *e) {
    for (size_t i = 0; i < ARRAY_LEN(opcodes); i++)
        if (slice_is(in->opcode, opcodes[i].opcode))
            return u->role < opcodes[i].least ? INPUT_OK : opcodes[i].fn(u, in, e);
    return INPUT_OK; /* nop, what is to come, and guacamole-lite's empty opcode */
}
