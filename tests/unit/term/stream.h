/* Random output of a target: words, wide and combining characters, and every sequence a terminal
 * knows, mostly sensible, now and then not. */
#ifndef GUAC_TESTS_TERM_STREAM_H
#define GUAC_TESTS_TERM_STREAM_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/util.h"

struct stream {
    uint64_t state;
    bool plain; /* only what libvterm's screen layer means the same by */
};

static inline uint32_t stream_next(struct stream *s) {
    s->state ^= s->state << 13;
    s->state ^= s->state >> 7;
    s->state ^= s->state << 17;
    return (uint32_t)(s->state >> 16);
}

static inline int stream_upto(struct stream *s, int n) {
    return n > 1 ? (int)(stream_next(s) % (uint32_t)n) : 0;
}

static inline void stream_words(struct stream *s, struct buf *b) {
    /* The wide ones come last: libvterm's screen keeps the halves of what is overwritten. */
    static const char *const odd[] = { "Gr\xC3\xBC\xC3\x9F"
                                       "e",
                                       "e\xCC\x81",
                                       "\xE2\x94\x80\xE2\x94\xBC",
                                       "\xE2\x96\x88",
                                       "\xE2\xA3\xBF",
                                       "\xC2\xA0",
                                       "\xE2\x80\x8B",
                                       "\xE6\x97\xA5\xE6\x9C\xAC",
                                       "\xF0\x9F\x98\x80" };
    int n = 1 + stream_upto(s, 6);
    for (int i = 0; i < n; i++) {
        if (stream_upto(s, 6) == 0) {
            buf_puts(b, odd[stream_upto(s, s->plain ? 5 : (int)ARRAY_LEN(odd))]);
        } else {
            int len = 1 + stream_upto(s, 14);
            for (int k = 0; k < len; k++)
                buf_putc(b, (char)(' ' + 1 + stream_upto(s, 94)));
        }
        buf_putc(b, ' ');
    }
}

static inline void stream_sgr(struct stream *s, struct buf *b) {
    static const char *const sgr[] = { "",
                                       "0",
                                       "1",
                                       "3",
                                       "4",
                                       "7",
                                       "9",
                                       "22",
                                       "23",
                                       "24",
                                       "27",
                                       "29",
                                       "31",
                                       "42",
                                       "38;5;208",
                                       "48;5;17",
                                       "38;2;10;200;30",
                                       "48;2;90;0;90",
                                       "39",
                                       "49",
                                       "97",
                                       "100",
                                       "1;31;44" };
    static const char *const more[] = {
        "2",      "8",  "28",          "53",      "55", "4:3", "4:5",          "4:0",
        "58;5;9", "59", "38:2::1:2:3", "48:5:20", "5",  "21",  "58:2::250:0:0"
    };
    if (!s->plain && stream_upto(s, 3) == 0)
        buf_printf(b, "\033[%sm", more[stream_upto(s, ARRAY_LEN(more))]);
    else
        buf_printf(b, "\033[%sm", sgr[stream_upto(s, ARRAY_LEN(sgr))]);
}

static inline void stream_sequence(struct stream *s, struct buf *b, int cols, int rows) {
    static const char counted[] = "ABCDEFGILMPSTXZ@`ade";
    int n = 1 + stream_upto(s, stream_upto(s, 8) ? 4 : 2 * cols);
    switch (stream_upto(s, s->plain ? 12 : 22)) {
    case 0:
    case 1:
    case 2:
        buf_printf(b, "\033[%d;%dH", 1 + stream_upto(s, rows + 1), 1 + stream_upto(s, cols + 1));
        break;
    case 3:
        buf_printf(b, "\033[%dJ", stream_upto(s, 3));
        break;
    case 4:
    case 5:
        buf_printf(b, "\033[%dK", stream_upto(s, 3));
        break;
    case 6:
    case 7:
    case 8:
        buf_printf(b, "\033[%d%c", n, counted[stream_upto(s, (int)sizeof counted - 1)]);
        break;
    case 9: {
        int top = 1 + stream_upto(s, rows - 1);
        buf_printf(b, "\033[%d;%dr", top, top + 1 + stream_upto(s, rows - top));
        break;
    }
    case 10:
        buf_puts(b, "\033[r");
        break;
    case 11:
        buf_printf(b, "\033[?%d%c", stream_upto(s, 3) ? 7 : 6, "hl"[stream_upto(s, 2)]);
        break;
    case 12:
        buf_printf(b, "\033[?%d%c", stream_upto(s, 2) ? 1049 : 1047, "hl"[stream_upto(s, 2)]);
        break;
    case 13:
        buf_printf(b, "\033[4%c", "hl"[stream_upto(s, 2)]);
        break;
    case 14:
        buf_printf(b, "\033%c", "78DEMHc"[stream_upto(s, stream_upto(s, 9) ? 6 : 7)]);
        break;
    case 15:
        buf_printf(b, "\033(%c", "0B"[stream_upto(s, 2)]);
        break;
    case 16:
        buf_printf(b, "\033]4;%d;rgb:%02x/80/40\007", stream_upto(s, 16), stream_upto(s, 256));
        break;
    case 17:
        buf_printf(b, "\033]1%d;#%06x\033\\", stream_upto(s, 3), stream_next(s) & 0xFFFFFF);
        break;
    case 18:
        buf_printf(b, "\033[%d q", stream_upto(s, 7));
        break;
    case 19:
        buf_printf(b, "\033[?%d%c", stream_upto(s, 2) ? 25 : 5, "hl"[stream_upto(s, 4) == 0]);
        break;
    case 20:
        buf_printf(b, "\033[%db", n);
        break;
    default:
        buf_printf(b, "\033[?69h\033[%d;%ds\033[%dS\033[?69l", 1 + stream_upto(s, cols / 2),
                   cols / 2 + stream_upto(s, cols / 2), 1 + stream_upto(s, 2));
        break;
    }
}

static inline void stream_piece(struct stream *s, struct buf *b, int cols, int rows) {
    int k = stream_upto(s, 10);
    if (k < 4)
        stream_words(s, b);
    else if (k < 6)
        buf_puts(b, stream_upto(s, 4) ? "\r\n" : "\n");
    else if (k < 7)
        stream_sgr(s, b);
    else if (k < 8)
        buf_putc(b, "\t\b\r"[stream_upto(s, 3)]);
    else
        stream_sequence(s, b, cols, rows);
}

#endif
