/* Keys, mouse and paste to bytes for the target; scrolling back and selecting. */
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

#define WHEEL_LINES 3

/* ---- the view ---------------------------------------------------------------------------------
 */

void term_back_to(struct term *t, int64_t line) {
    const struct grid *g = &t->grid[0];
    if (t->screen)
        return;
    int64_t first = (int64_t)grid_first(g), top = (int64_t)grid_top(g);
    t->back = line < top;
    t->back_line = (uint64_t)MAX_OF(line, first);
    if (first == top)
        t->back = false;
    term_damage(t);
}

static void scroll_view(struct term *t, int lines) {
    const struct grid *g = &t->grid[0];
    term_back_to(t, (int64_t)(t->back ? t->back_line : grid_top(g)) + lines);
}

static bool view_key(struct term *t, uint32_t keysym) {
    int page = MAX_OF(term_grid(t)->rows - 1, 1);
    if (t->screen)
        return false;
    switch (keysym) {
    case 0xFF55:
    case 0xFF9A:
        scroll_view(t, -page);
        return true;
    case 0xFF56:
    case 0xFF9B:
        scroll_view(t, page);
        return true;
    case 0xFF50:
    case 0xFF95:
        term_back_to(t, 0);
        return true;
    case 0xFF57:
    case 0xFF9C:
        term_back_to(t, INT64_MAX);
        return true;
    default:
        return false;
    }
}

/* ---- keys -------------------------------------------------------------------------------------
 */

static void focus(struct term *t, bool in) {
    if (t->mouse.focused == in)
        return;
    t->mouse.focused = in;
    if (t->modes.focus)
        term_send(t, in ? "\033[I" : "\033[O", 3);
}

static void copy(struct term *t) {
    _buf_cleanup_ struct buf text = { 0 };
    buf_init(&text, 8u << 20);
    if (selection_text(t, &text))
        t->ops.clipboard(t->arg, text.data, text.len);
}

/* Keys that are for the terminal itself, not for the target: 1 to paste, 2 done, 0 none of them. */
static int local_key(struct term *t, uint32_t keysym) {
    const struct key_state *k = &t->keys;
    if (k->shift && k->ctrl && !k->alt && (keysym == 'C' || keysym == 'c')) {
        copy(t);
        return 2;
    }
    if (k->shift && k->ctrl && !k->alt && (keysym == 'V' || keysym == 'v'))
        return 1;
    if (k->meta && !k->ctrl && !k->alt && (keysym == 'c' || keysym == 'v')) { /* Command */
        if (keysym == 'v')
            return 1;
        copy(t);
        return 2;
    }
    if (k->shift && !k->ctrl && !k->alt) {
        if (keysym == 0xFF63 || keysym == 0xFF9E)
            return 1;
        if (view_key(t, keysym))
            return 2;
    }
    return 0;
}

/* The next character printed at the cursor tells whether typing is shown (evidence.md 2.11). Keys
 * typed faster than they are shown wait in order, each a cell behind the one before. */
static void expect_echo(struct term *t, uint32_t cp, uint64_t id) {
    struct echo *e = &t->echo;
    uint64_t now = clock_ms();
    if (e->count && (now > e->key[0].until || e->count == ECHO_MAX))
        e->count = 0;
    if (!e->count)
        emu_cursor(t, &e->row, &e->col);
    e->key[e->count].cp = cp;
    e->key[e->count].id = id;
    e->key[e->count++].until = now + ECHO_LIMIT_MS;
}

static void send_key(struct term *t, uint32_t keysym, uint64_t id) {
    struct key_modes m = { .app_cursor = t->modes.app_cursor,
                           .app_keypad = t->modes.app_keypad,
                           .newline = t->modes.newline,
                           .vt100 = t->cfg.vt100_keys,
                           .backspace = (char)t->cfg.backspace };
    char bytes[KEYS_MAX];
    size_t n = keys_encode(&t->keys, &m, keysym, bytes);
    uint32_t cp = keys_unicode(keysym);
    if (n && cp && (unsigned char)bytes[0] >= 0x20 && bytes[0] != 0x7F)
        expect_echo(t, cp, id);
    if (n && t->back)
        term_back_to(t, INT64_MAX);
    term_send(t, bytes, n);
}

void term_key(struct term *t, uint32_t keysym, bool pressed, uint64_t id) {
    term_lock(t);
    focus(t, true);
    int local = 0;
    if (!keys_modifier(&t->keys, keysym, pressed) && pressed) {
        local = local_key(t, keysym);
        if (!local)
            send_key(t, keysym, id);
    }
    term_unlock(t);
    if (local == 1)
        t->ops.paste(t->arg);
}

void term_release(struct term *t) {
    term_lock(t);
    t->keys = (struct key_state){ 0 };
    t->mouse.mask = 0;
    t->sel.dragging = false;
    focus(t, false);
    term_unlock(t);
}

/* ---- mouse ------------------------------------------------------------------------------------
 */

static int modifier_bits(const struct term *t) {
    return (t->keys.shift ? 4 : 0) | (t->keys.alt || t->keys.meta ? 8 : 0) |
           (t->keys.ctrl ? 16 : 0);
}

static void report(struct term *t, int code, bool pressed, int x, int y) {
    int col = t->mouse.col + 1, row = t->mouse.row + 1;
    switch (t->modes.mouse_format) {
    case MOUSE_SGR:
        term_sendf(t, "\033[<%d;%d;%d%c", code, col, row, pressed ? 'M' : 'm');
        return;
    case MOUSE_PIXELS:
        term_sendf(t, "\033[<%d;%d;%d%c", code, x + 1, y + 1, pressed ? 'M' : 'm');
        return;
    default:
        break;
    }
    if (!pressed)
        code = (code & ~3) | 3;
    if (t->modes.mouse_format == MOUSE_URXVT) {
        term_sendf(t, "\033[%d;%d;%dM", code + 32, col, row);
        return;
    }
    int limit = t->modes.mouse_format == MOUSE_UTF8 ? 2015 : 223;
    if (col > limit || row > limit)
        return;
    char out[16] = "\033[M";
    size_t n = 3;
    const int v[3] = { code + 32, col + 32, row + 32 };
    for (int i = 0; i < 3; i++)
        if (t->modes.mouse_format == MOUSE_UTF8)
            n += utf8_encode((uint32_t)v[i], out + n);
        else
            out[n++] = (char)v[i];
    term_send(t, out, n);
}

static void report_change(struct term *t, int mask, bool moved, int x, int y) {
    int change = mask ^ t->mouse.mask, mods = modifier_bits(t);
    for (int b = 0; b < 3; b++)
        if (change >> b & 1) {
            bool down = mask >> b & 1;
            if (t->modes.mouse != MOUSE_X10)
                report(t, b | mods, down, x, y);
            else if (down)
                report(t, b, true, x, y);
        }
    if (t->modes.mouse == MOUSE_X10)
        return;
    for (int b = 3; b < 5; b++) /* the wheel is pressed only */
        if ((change >> b & 1) && (mask >> b & 1))
            report(t, (64 + b - 3) | mods, true, x, y);
    bool held = mask & 7;
    if (moved && !(change & 7) &&
        (t->modes.mouse == MOUSE_MOVE || (t->modes.mouse == MOUSE_DRAG && held))) {
        int b = mask & 1 ? 0 : mask & 2 ? 1 : mask & 4 ? 2 : 3;
        report(t, (b + 32) | mods, true, x, y);
    }
}

static void wheel(struct term *t, bool up) {
    if (!t->screen) {
        scroll_view(t, up ? -WHEEL_LINES : WHEEL_LINES);
        return;
    }
    if (!t->modes.alt_scroll)
        return;
    const char *key = t->modes.app_cursor ? (up ? "\033OA" : "\033OB") : (up ? "\033[A" : "\033[B");
    for (int i = 0; i < WHEEL_LINES; i++)
        term_send(t, key, 3);
}

static struct select_point point(const struct term *t) {
    const struct grid *g = &t->grid[t->screen];
    uint64_t top = t->back ? t->back_line : grid_top(g);
    return (struct select_point){ top + (uint64_t)t->mouse.row, t->mouse.col };
}

/* Without reporting, or with Shift: select, copy on release, paste by the other buttons. */
static bool own_mouse(struct term *t, int mask, int y) {
    int pressed = mask & ~t->mouse.mask, released = ~mask & t->mouse.mask;
    if (pressed & 8)
        wheel(t, true);
    if (pressed & 16)
        wheel(t, false);
    if (pressed & 1) {
        selection_begin(t, point(t), clock_ms());
        term_damage(t);
    } else if ((mask & 1) && t->sel.dragging) {
        if (y < t->paint.pad_y) /* dragging beyond the edge brings what is there */
            scroll_view(t, -1);
        else if (y >= t->height - t->paint.pad_y && t->back)
            scroll_view(t, 1);
        selection_drag(t, point(t));
        term_damage(t);
    }
    if ((released & 1) && t->sel.dragging) {
        t->sel.dragging = false;
        copy(t);
        term_damage(t);
    }
    return released & 6;
}

void term_mouse(struct term *t, int x, int y, int mask) {
    term_lock(t);
    const struct grid *g = term_grid(t);
    int cw, ch;
    paint_cell(&t->paint, &cw, &ch);
    int pad_x = MAX_OF((t->width - g->cols * cw) / 2, 0);
    int pad_y = MAX_OF((t->height - g->rows * ch) / 2, 0);
    int px = MIN_OF(MAX_OF(x - pad_x, 0), g->cols * cw - 1);
    int py = MIN_OF(MAX_OF(y - pad_y, 0), g->rows * ch - 1);
    int col = px / cw, row = py / ch;
    bool moved = col != t->mouse.col || row != t->mouse.row ||
                 (t->modes.mouse_format == MOUSE_PIXELS && (x != t->mouse.x || y != t->mouse.y));
    t->mouse.col = col;
    t->mouse.row = row;
    bool paste = false;
    if (mask)
        focus(t, true);
    if (t->modes.mouse != MOUSE_OFF && !t->keys.shift && !t->sel.dragging)
        report_change(t, mask, moved, px, py);
    else
        paste = own_mouse(t, mask, y);
    t->mouse.mask = mask;
    t->mouse.x = x;
    t->mouse.y = y;
    term_unlock(t);
    if (paste)
        t->ops.paste(t->arg);
}

/* ---- paste ------------------------------------------------------------------------------------
 */

void term_paste_begin(struct term *t) {
    term_lock(t);
    if (t->back)
        term_back_to(t, INT64_MAX);
    t->pasting = t->modes.bracketed; /* the end goes with the beginning, whatever changes between */
    t->paste_cr = false;
    if (t->pasting)
        term_send(t, "\033[200~", 6);
    term_unlock(t);
}

/* Lines end as the Return key does. Within brackets nothing may look like their end; without them
 * a control character would be a command. */
void term_paste(struct term *t, const char *text, size_t len) {
    char out[4096];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n' && t->paste_cr) {
            t->paste_cr = false;
            continue;
        }
        t->paste_cr = c == '\r';
        if (c == '\n')
            c = '\r';
        if ((c < 0x20 && c != '\r' && c != '\t') || c == 0x7F)
            continue;
        out[n++] = (char)c;
        if (n == sizeof out) {
            term_send(t, out, n);
            n = 0;
        }
    }
    term_send(t, out, n);
}

void term_paste_end(struct term *t) {
    if (t->pasting)
        term_send(t, "\033[201~", 6);
    t->pasting = false;
}
