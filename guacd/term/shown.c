#include "guacd/term/shown.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"

static void tail_add(struct shown *s, const char *data, size_t len) {
    if (len >= SHOWN_TAIL) {
        s->skipped += s->tail_len + (len - SHOWN_TAIL);
        memcpy(s->tail, data + len - SHOWN_TAIL, SHOWN_TAIL);
        s->tail_at = 0;
        s->tail_len = SHOWN_TAIL;
        return;
    }
    size_t room = SHOWN_TAIL - s->tail_len;
    if (len > room) { /* the oldest go */
        s->skipped += len - room;
        s->tail_at = (s->tail_at + len - room) % SHOWN_TAIL;
        s->tail_len -= len - room;
    }
    size_t at = (s->tail_at + s->tail_len) % SHOWN_TAIL;
    size_t first = MIN_OF(len, SHOWN_TAIL - at);
    memcpy(s->tail + at, data, first);
    memcpy(s->tail, data + first, len - first);
    s->tail_len += len;
}

static void add(struct shown *s, const char *data, size_t len) {
    size_t n = MIN_OF(len, SHOWN_HEAD - s->head_len);
    memcpy(s->head + s->head_len, data, n);
    s->head_len += n;
    if (len > n)
        tail_add(s, data + n, len - n);
}

void shown_text(struct shown *s, const char *data, size_t len) {
    if (s->broken) {
        s->broken = false;
        if (s->head_len)
            add(s, "\n", 1);
    }
    add(s, data, len);
}

void shown_break(struct shown *s) {
    s->broken = true;
}

/* Only what can be read: whole UTF-8 characters, tabs, line feeds. */
static void clean(const char *data, size_t len, struct buf *out) {
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)data[i];
        if (c < 0x80) {
            if (c == '\b' && out->len && (unsigned char)out->data[out->len - 1] < 0x80 &&
                out->data[out->len - 1] != '\n')
                out->len--; /* a shell's corrections */
            if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t')
                buf_putc(out, (char)c);
            i++;
            continue;
        }
        uint32_t cp;
        size_t k = utf8_decode(data + i, len - i, &cp);
        if (k && cp >= 0xA0)
            buf_add(out, data + i, k);
        i += k ? k : 1;
    }
}

bool shown_take(struct shown *s, struct buf *out) {
    if (!s->head_len)
        return false;
    if (s->skipped) {
        clean(s->head, s->head_len, out);
        buf_printf(out, "\n[\xE2\x80\xA6 %llu bytes \xE2\x80\xA6]\n",
                   (unsigned long long)s->skipped);
        char line[SHOWN_TAIL];
        size_t first = MIN_OF(s->tail_len, SHOWN_TAIL - s->tail_at);
        memcpy(line, s->tail + s->tail_at, first);
        memcpy(line + first, s->tail, s->tail_len - first);
        clean(line, s->tail_len, out);
    } else {
        /* One piece, so that a character cut between the two stays whole. */
        char both[SHOWN_HEAD + SHOWN_TAIL];
        memcpy(both, s->head, s->head_len);
        size_t first = MIN_OF(s->tail_len, SHOWN_TAIL - s->tail_at);
        memcpy(both + s->head_len, s->tail + s->tail_at, first);
        memcpy(both + s->head_len + first, s->tail, s->tail_len - first);
        clean(both, s->head_len + s->tail_len, out);
    }
    s->head_len = s->tail_len = s->tail_at = 0;
    s->skipped = 0;
    return true;
}
