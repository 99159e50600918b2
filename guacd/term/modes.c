/* DEC private modes, the saved cursor and resets. Only what moves characters is passed on to
 * libvterm (origin mode, autowrap, margins, the screen). */
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/term/term_priv.h"

void term_save_cursor(struct term *t) {
    struct saved_cursor *s = &t->saved[t->screen];
    emu_cursor(t, &s->row, &s->col);
    s->origin = t->modes.origin;
    s->pen = t->pen;
}

void term_restore_cursor(struct term *t) {
    const struct saved_cursor *s = &t->saved[t->screen];
    int row = s->row, col = s->col;
    emu_write(t, "\033[?6l");
    if (s->origin) { /* positions count from the region's corner, which is where 6h leads */
        int top, left;
        emu_write(t, "\033[?6h");
        emu_cursor(t, &top, &left);
        row = row > top ? row - top : 0;
        col = col > left ? col - left : 0;
    }
    t->modes.origin = s->origin;
    emu_write(t, "\033[%d;%dH", row + 1, col + 1);
    t->pen = s->pen;
    t->pen_stale = true;
}

static void alternate(struct term *t, bool on) {
    if (on != (t->screen == 1))
        emu_write(t, on ? "\033[?1047h" : "\033[?1047l");
}

static void mouse(struct term *t, enum mouse_mode mode, bool on) {
    t->modes.mouse = on ? mode : MOUSE_OFF;
}

static void mouse_format(struct term *t, enum mouse_format f, bool on) {
    t->modes.mouse_format = on ? f : MOUSE_BYTES;
}

void term_mode(struct term *t, int mode, bool on) {
    struct modes *m = &t->modes;
    switch (mode) {
    case 1:
        m->app_cursor = on;
        break;
    case 5:
        if (m->reverse != on) {
            m->reverse = on;
            term_colors_changed(t);
        }
        break;
    case 6:
        m->origin = on;
        emu_write(t, "\033[?6%c", on ? 'h' : 'l');
        break;
    case 7:
        m->autowrap = on;
        emu_write(t, "\033[?7%c", on ? 'h' : 'l');
        break;
    case 9:
        mouse(t, MOUSE_X10, on);
        break;
    case 12:
        m->cursor_blink = on;
        break;
    case 25:
        m->cursor_hidden = !on;
        break;
    case 47:
    case 1047:
        alternate(t, on);
        break;
    case 66:
        m->app_keypad = on;
        break;
    case 69:
        m->margins = on;
        emu_write(t, "\033[?69%c", on ? 'h' : 'l');
        break;
    case 1000:
        mouse(t, MOUSE_CLICK, on);
        break;
    case 1002:
        mouse(t, MOUSE_DRAG, on);
        break;
    case 1003:
        mouse(t, MOUSE_MOVE, on);
        break;
    case 1004:
        m->focus = on;
        break;
    case 1005:
        mouse_format(t, MOUSE_UTF8, on);
        break;
    case 1006:
        mouse_format(t, MOUSE_SGR, on);
        break;
    case 1007:
        m->alt_scroll = on;
        break;
    case 1015:
        mouse_format(t, MOUSE_URXVT, on);
        break;
    case 1016:
        mouse_format(t, MOUSE_PIXELS, on);
        break;
    case 1048:
        if (on)
            term_save_cursor(t);
        else
            term_restore_cursor(t);
        break;
    case 1049:
        if (on && t->screen == 0)
            term_save_cursor(t);
        alternate(t, on);
        if (on)
            emu_write(t, "\033[2J");
        else
            term_restore_cursor(t);
        break;
    case 2004:
        m->bracketed = on;
        break;
    case 2026:
        t->sync_until = on ? clock_ms() + SYNC_LIMIT_MS : 0;
        break;
    default:
        break;
    }
}

/* DECRQM: 1 set, 2 reset, 0 not known. */
int term_mode_report(const struct term *t, int mode) {
    const struct modes *m = &t->modes;
    bool on;
    switch (mode) {
    case 1:
        on = m->app_cursor;
        break;
    case 5:
        on = m->reverse;
        break;
    case 6:
        on = m->origin;
        break;
    case 7:
        on = m->autowrap;
        break;
    case 9:
        on = m->mouse == MOUSE_X10;
        break;
    case 12:
        on = m->cursor_blink;
        break;
    case 25:
        on = !m->cursor_hidden;
        break;
    case 47:
    case 1047:
    case 1049:
        on = t->screen == 1;
        break;
    case 66:
        on = m->app_keypad;
        break;
    case 69:
        on = m->margins;
        break;
    case 1000:
        on = m->mouse == MOUSE_CLICK;
        break;
    case 1002:
        on = m->mouse == MOUSE_DRAG;
        break;
    case 1003:
        on = m->mouse == MOUSE_MOVE;
        break;
    case 1004:
        on = m->focus;
        break;
    case 1005:
        on = m->mouse_format == MOUSE_UTF8;
        break;
    case 1006:
        on = m->mouse_format == MOUSE_SGR;
        break;
    case 1007:
        on = m->alt_scroll;
        break;
    case 1015:
        on = m->mouse_format == MOUSE_URXVT;
        break;
    case 1016:
        on = m->mouse_format == MOUSE_PIXELS;
        break;
    case 2004:
        on = m->bracketed;
        break;
    case 2026:
        on = t->sync_until != 0;
        break;
    default:
        return 0;
    }
    return on ? 1 : 2;
}

/* DECSTR (soft) and RIS (hard). */
void term_reset(struct term *t, bool hard) {
    if (hard) {
        alternate(t, false);
        emu_write(t, "\033c");
        t->colors = t->scheme;
        t->sync_until = 0;
        selection_clear(&t->sel);
        t->back = false;
    } else {
        int row, col;
        emu_cursor(t, &row, &col);
        emu_write(t, "\033[!p");
        emu_write(t, "\033[%d;%dH", row + 1, col + 1);
    }
    bool bracketed = t->modes.bracketed && !hard;
    t->modes = (struct modes){ .autowrap = true, .alt_scroll = true, .bracketed = bracketed };
    t->pen = (struct style){ 0 };
    t->pen_stale = true;
    memset(&t->charset, 0, sizeof t->charset);
    t->margin_top = 0;
    t->saved[t->screen] = (struct saved_cursor){ 0 };
    term_colors_changed(t);
}
