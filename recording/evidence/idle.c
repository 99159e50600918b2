/* Frame by frame: a frame's own time stands at its end, so it is held until then. */
#include "recording/evidence/idle.h"

#include "guacd/proto/instr.h"

void idle_init(struct idle *i) {
    *i = (struct idle){ 0 };
    buf_init(&i->partial, INSTR_BYTES_MAX + 1);
    buf_init(&i->frame, IDLE_HOLD_MAX);
    buf_init(&i->input, IDLE_HOLD_MAX);
}

void idle_fini(struct idle *i) {
    buf_fini(&i->partial);
    buf_fini(&i->frame);
    buf_fini(&i->input);
}

static int pass(struct buf *from, struct buf *out) {
    int r = buf_add(out, from->data, from->len);
    buf_clear(from);
    return r;
}

/* `sync`s up to this time, then what was held. */
static int move(struct idle *i, uint64_t ts, struct buf *out) {
    for (int n = 0; i->synced && ts > i->last + IDLE_MS && n < IDLE_SYNCS_MAX; n++) {
        i->last += IDLE_MS;
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)i->last);
        instr_put(out, "sync", number, "1", NULL);
    }
    if (i->synced && ts > i->last)
        i->last = ts;
    return pass(&i->frame, out);
}

/* Which argument of an input line is its time; -1: none. */
static int time_argument(const struct instr *in) {
    static const struct {
        const char *opcode;
        int argument;
    } known[] = { { "key", 2 }, { "mouse", 3 }, { "touch", 6 } };
    for (size_t k = 0; k < ARRAY_LEN(known); k++)
        if (slice_is(in->opcode, known[k].opcode))
            return known[k].argument;
    return -1;
}

static bool time_of(const struct instr *in, int argument, uint64_t *out) {
    int64_t v;
    if (argument < 0 || (size_t)argument >= in->argc ||
        !instr_to_int(in->argv[argument], 0, INT64_MAX / 2, &v))
        return false;
    *out = (uint64_t)v;
    return true;
}

static int take(struct idle *i, const struct instr *in, const char *text, size_t len,
                struct buf *out) {
    uint64_t ts = 0;
    int argument = time_argument(in);
    bool input = argument >= 0;
    if (slice_is(in->opcode, "sync")) {
        buf_add(&i->frame, text, len);
        bool timed = time_of(in, 0, &ts);
        if (!i->synced && timed) {
            i->synced = true;
            i->last = ts;
            return pass(&i->frame, out) < 0 ? -1 : pass(&i->input, out);
        }
        return move(i, timed ? ts : i->last, out);
    }
    if (input && !i->synced)
        return buf_add(&i->input, text, len) == 0 ? 0 : pass(&i->input, out);
    if (input && i->frame.len == 0 && time_of(in, argument, &ts)) {
        buf_add(&i->frame, text, len);
        return move(i, ts, out);
    }
    if (buf_add(&i->frame, text, len) == 0)
        return 0;
    return pass(&i->frame, out) < 0 ? -1 : buf_add(out, text, len);
}

int idle_feed(struct idle *i, const char *data, size_t len, struct buf *out) {
    if (i->raw)
        return buf_add(out, data, len);
    while (len > 0) {
        size_t n = len < i->partial.max - i->partial.len ? len : i->partial.max - i->partial.len;
        size_t used = 0, at = 0;
        struct instr in;
        enum instr_result r = INSTR_MORE;
        buf_add(&i->partial, data, n);
        data += n;
        len -= n;
        while (at < i->partial.len &&
               (r = instr_parse(i->partial.data + at, i->partial.len - at, COUNT_CODE_POINTS, &in,
                                &used, NULL)) == INSTR_OK) {
            if (take(i, &in, i->partial.data + at, used, out) < 0)
                return -1;
            at += used;
        }
        buf_consume(&i->partial, at);
        if (r == INSTR_BAD || (r == INSTR_MORE && i->partial.len == i->partial.max)) {
            i->raw = true; /* nothing a player understands: not ours to hide */
            return idle_end(i, out) < 0 ? -1 : buf_add(out, data, len);
        }
    }
    return 0;
}

int idle_end(struct idle *i, struct buf *out) {
    return pass(&i->frame, out) < 0 || pass(&i->input, out) < 0 || pass(&i->partial, out) < 0 ? -1
                                                                                              : 0;
}
