/* Control sequences: which of them libvterm may see, and the answers to questions. */
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/term/term_priv.h"

/* Movement, erasing, inserting: with at most two parameters, each of at most four digits. */
static void forward(struct term *t, const struct scan_csi *q) {
    char mid[2] = { q->intermediate, 0 }, lead[2] = { q->leader, 0 };
    char num[2][16] = { "", "" };
    for (int i = 0; i < q->count && i < 2; i++)
        if (q->param[i] != SCAN_MISSING)
            snprintf(num[i], sizeof num[i], "%d", (int)MIN_OF(q->param[i], 9999));
    emu_write(t, "\033[%s%s%s%s%s%c", lead, num[0], q->count > 1 ? ";" : "", num[1], mid, q->final);
}

static int param(const struct scan_csi *q, int i, int missing) {
    return i < q->count && q->param[i] > 0 ? q->param[i] : missing;
}

/* REP, by printing the character again: libvterm's own never ends before the first character. */
static void repeat(struct term *t, int count) {
    char one[CLUSTER_MAX * 4];
    size_t len = 0;
    for (int i = 0; i < CLUSTER_MAX && t->last[i]; i++)
        len += utf8_encode(t->last[i], one + len);
    const struct grid *g = term_grid(t);
    count = MIN_OF(count, g->cols * g->rows);
    for (int i = 0; len && i < count; i++)
        vterm_input_write(t->vt, one, len);
}

static void ansi_mode(struct term *t, const struct scan_csi *q, bool on) {
    for (int i = 0; i < q->count; i++) {
        if (q->param[i] == 4)
            t->modes.insert = on;
        else if (q->param[i] == 20)
            t->modes.newline = on;
        else
            continue;
        emu_write(t, "\033[%d%c", (int)q->param[i], on ? 'h' : 'l');
    }
}

static void status_report(struct term *t, int what, bool dec) {
    int row, col;
    emu_cursor(t, &row, &col);
    if (t->modes.origin)
        row = MAX_OF(row - t->margin_top, 0);
    if (what == 5)
        term_sendf(t, "\033[0n");
    else if (what == 6)
        term_sendf(t, "\033[%s%d;%dR", dec ? "?" : "", row + 1, col + 1);
    else if (dec && what == 15)
        term_sendf(t, "\033[?13n"); /* no printer */
    else if (dec && what == 996)    /* dark or light, as kitty and others tell */
        term_sendf(t, "\033[?997;%dn", colors_mix(t->colors.bg, 0, 128) > 0x404040 ? 2 : 1);
}

/* XTWINOPS: sizes are told, nothing is moved, titles are never sent back. */
static void window(struct term *t, const struct scan_csi *q) {
    const struct grid *g = term_grid(t);
    int cw, ch;
    paint_cell(&t->paint, &cw, &ch);
    switch (param(q, 0, 0)) {
    case 14:
        term_sendf(t, "\033[4;%d;%dt", g->rows * ch, g->cols * cw);
        break;
    case 16:
        term_sendf(t, "\033[6;%d;%dt", ch, cw);
        break;
    case 18:
        term_sendf(t, "\033[8;%d;%dt", g->rows, g->cols);
        break;
    case 19:
        term_sendf(t, "\033[9;%d;%dt", g->rows, g->cols);
        break;
    default:
        break;
    }
}

static void cursor_style(struct term *t, int n) {
    static const enum cursor_shape shapes[] = { CURSOR_BLOCK,     CURSOR_BLOCK,     CURSOR_BLOCK,
                                                CURSOR_UNDERLINE, CURSOR_UNDERLINE, CURSOR_BAR,
                                                CURSOR_BAR };
    if (n < 0 || n > 6)
        return;
    t->modes.cursor_shape = shapes[n];
    t->modes.cursor_blink = n == 0 || n % 2 == 1;
}

static void plain(struct term *t, const struct scan_csi *q) {
    switch (q->final) {
    case 'm':
        term_sgr(t, q);
        break;
    case 'H':
    case 'f':
    case 'd':
    case 'A':
    case 'B':
    case 'e':
    case 'E':
    case 'F':
    case 'j':
    case 'k':
        shown_break(&t->shown);
        forward(t, q);
        break;
    case '@':
    case 'C':
    case 'D':
    case 'G':
    case 'I':
    case 'K':
    case 'L':
    case 'M':
    case 'P':
    case 'S':
    case 'X':
    case 'Z':
    case '`':
    case 'a':
    case 'g':
        forward(t, q);
        break;
    case 'T':
        if (q->count == 1) /* with five it is xterm's highlight tracking */
            forward(t, q);
        break;
    case 'J':
        shown_break(&t->shown);
        if (q->param[0] == 3) {
            grid_clear_back(&t->grid[0]);
            t->back = false;
        } else {
            forward(t, q);
        }
        break;
    case 'r':
        t->margin_top = param(q, 0, 1) - 1;
        forward(t, q);
        {
            const struct grid *g = term_grid(t);
            int bottom = MIN_OF(param(q, 1, g->rows), g->rows);
            if (bottom <= t->margin_top)
                t->margin_top = 0;
        }
        break;
    case 's':
        if (t->modes.margins)
            forward(t, q);
        else
            term_save_cursor(t);
        break;
    case 'u':
        term_restore_cursor(t);
        break;
    case 'b':
        repeat(t, param(q, 0, 1));
        break;
    case 'h':
        ansi_mode(t, q, true);
        break;
    case 'l':
        ansi_mode(t, q, false);
        break;
    case 'n':
        status_report(t, param(q, 0, 0), false);
        break;
    case 'c':
        if (param(q, 0, 0) == 0)
            term_sendf(t, "\033[?62;22c"); /* VT220 with colour */
        break;
    case 't':
        window(t, q);
        break;
    default:
        break;
    }
}

static void private(struct term *t, const struct scan_csi *q) {
    switch (q->final) {
    case 'h':
    case 'l':
        for (int i = 0; i < q->count; i++)
            if (q->param[i] != SCAN_MISSING)
                term_mode(t, q->param[i], q->final == 'h');
        break;
    case 'J':
    case 'K':
        if (q->param[0] <= 2)
            forward(t, q);
        break;
    case 'n':
        status_report(t, param(q, 0, 0), true);
        break;
    default:
        break;
    }
}

static void with_intermediate(struct term *t, const struct scan_csi *q) {
    switch (q->intermediate << 8 | q->final) {
    case ' ' << 8 | 'q':
        cursor_style(t, q->param[0] == SCAN_MISSING ? 0 : (int)q->param[0]);
        break;
    case '!' << 8 | 'p':
        term_reset(t, false);
        break;
    case '"' << 8 | 'q':
        t->modes.protect = q->param[0] == 1;
        forward(t, q);
        break;
    case '\'' << 8 | '}':
    case '\'' << 8 | '~':
        forward(t, q);
        break;
    case '$' << 8 | 'p':
        if (q->param[0] == 4 || q->param[0] == 20)
            term_sendf(t, "\033[%d;%d$y", (int)q->param[0],
                       (q->param[0] == 4 ? t->modes.insert : t->modes.newline) ? 1 : 2);
        else
            term_sendf(t, "\033[%d;0$y", MAX_OF((int)q->param[0], 0));
        break;
    default:
        break;
    }
}

void term_csi(struct term *t, const struct scan_csi *q) {
    if (q->leader == '?' && q->intermediate == '$' && q->final == 'p') {
        int mode = MAX_OF((int)q->param[0], 0);
        term_sendf(t, "\033[?%d;%d$y", mode, term_mode_report(t, mode));
    } else if (q->leader && q->intermediate) {
        return;
    } else if (q->intermediate) {
        with_intermediate(t, q);
    } else if (q->leader == '?') {
        private(t, q);
    } else if (q->leader == '>') {
        if (q->final == 'c' && param(q, 0, 0) == 0)
            term_sendf(t, "\033[>1;10;0c");
        else if (q->final == 'q' && param(q, 0, 0) == 0)
            term_sendf(t, "\033P>|guacd(%s)\033\\", guac_version);
    } else if (q->leader == '=') {
        if (q->final == 'c' && param(q, 0, 0) == 0)
            term_sendf(t, "\033P!|00000000\033\\");
    } else if (!q->leader) {
        plain(t, q);
    }
}

void term_escape(struct term *t, char intermediate, char final) {
    if (intermediate) {
        /* Character sets, and the screen of E's. Double-width lines and 8-bit answers are not
         * for a UTF-8 terminal. */
        if (strchr("()*+", intermediate))
            emu_charset(t, intermediate, final);
        else if (intermediate == '#' && final == '8')
            emu_write(t, "\033#8");
        return;
    }
    switch (final) {
    case '7':
        term_save_cursor(t);
        break;
    case '8':
        term_restore_cursor(t);
        break;
    case '=':
        t->modes.app_keypad = true;
        break;
    case '>':
        t->modes.app_keypad = false;
        break;
    case 'c':
        shown_break(&t->shown);
        term_reset(t, true);
        break;
    case 'Z':
        term_sendf(t, "\033[?62;22c");
        break;
    case 'N':
    case 'O':
    case 'n':
    case 'o':
        emu_charset(t, 0, final);
        break;
    case 'D':
    case 'E':
    case 'H':
    case 'M':
        emu_write(t, "\033%c", final);
        break;
    default:
        break;
    }
}
