/* Characters. Most of what is printed is runs of plain ASCII that end before the right edge: they
 * go straight into the grid, and libvterm is told to move its cursor. The last character of a run
 * takes the long way, for a combining one may follow; so does whatever could wrap, insert, or be
 * translated by a character set. Three times as fast, and libvterm's rules still decide. */
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

#define RUN_MIN 5 /* from here on moving the cursor is cheaper than printing */

static size_t ascii_run(const char *data, size_t len) {
    size_t i = 0;
    for (; i + 16 <= len; i += 16) {
        unsigned other = 0;
        for (int k = 0; k < 16; k++)
            other |= (unsigned char)(data[i + k] - 0x20) > 0x5E;
        if (other)
            break;
    }
    while (i < len && (unsigned char)(data[i] - 0x20) <= 0x5E)
        i++;
    return i;
}

/* Designations as ESC ( B gives them; a set never named is ASCII in libvterm. */
static bool plain_charset(const struct term *t) {
    char g = t->charset.g[t->charset.gl];
    return !t->charset.single && (!g || g == 'B');
}

void emu_charset(struct term *t, char intermediate, char final) {
    if (intermediate) {
        if (strchr("0AB", final)) /* libvterm has these; it ignores others */
            t->charset.g[strchr("()*+", intermediate) - "()*+"] = final;
        emu_write(t, "\033%c%c", intermediate, final);
        return;
    }
    if (final == 'n' || final == 'o')
        t->charset.gl = final == 'n' ? 2 : 3;
    else
        t->charset.single = true;
    emu_write(t, "\033%c", final);
}

static void controls(struct term *t, const char *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (data[i] == 0x0E || data[i] == 0x0F)
            t->charset.gl = data[i] == 0x0E;
        else if ((unsigned char)data[i] > 0x20)
            t->charset.single = false;
    }
}

/* The beginning of a run that can go directly; returns how many characters did. */
static size_t direct(struct term *t, const char *run, size_t len) {
    struct grid *g = term_grid(t);
    int row, col;
    emu_cursor(t, &row, &col);
    /* In the last column the cursor may be waiting to wrap: not from there, and not up to there. */
    int room = g->cols - 2 - col;
    if (room < RUN_MIN || row < 0 || row >= g->rows || col < 0)
        return 0;
    int n = (int)MIN_OF(len - 1, (size_t)room);
    if (n < RUN_MIN)
        return 0;
    if (t->pen_stale)
        term_pen_refresh(t);
    grid_put_ascii(g, row, col, run, n, t->pen_bits, t->pen_space);
    if (col == 0)
        g->row[row]->wrapped = vterm_state_get_lineinfo(t->state, row)->continuation;
    char move[16] = "\033[";
    size_t at = 2;
    if (n >= 1000)
        move[at++] = (char)('0' + n / 1000);
    if (n >= 100)
        move[at++] = (char)('0' + n / 100 % 10);
    if (n >= 10)
        move[at++] = (char)('0' + n / 10 % 10);
    move[at++] = (char)('0' + n % 10);
    move[at++] = 'C';
    vterm_input_write(t->vt, move, at);
    return (size_t)n;
}

void emu_text(struct term *t, const char *data, size_t len) {
    size_t sent = 0, at = 0; /* what libvterm has; where we look */
    /* Typed characters are looked for one by one, but only as long as they may still come. */
    if (t->echo.count && clock_ms() > t->echo.key[t->echo.count - 1].until)
        t->echo.count = 0;
    while (at < len) {
        size_t run = ascii_run(data + at, len - at);
        const struct modes *m = &t->modes;
        bool long_way = m->insert || m->origin || m->margins || m->protect || t->echo.count ||
                        !plain_charset(t);
        if (run >= RUN_MIN && !long_way) {
            if (at > sent)
                vterm_input_write(t->vt, data + sent, at - sent);
            size_t n = direct(t, data + at, run);
            sent = at += n;
            run -= n;
            /* What is left reaches the edge: libvterm wraps it, and the next row begins anew. */
            int row, col;
            emu_cursor(t, &row, &col);
            size_t edge = (size_t)MAX_OF(term_grid(t)->cols - col, 0) + 1;
            if (run > edge) {
                at += edge;
                continue;
            }
        }
        if (run)
            t->charset.single = false;
        at += run;
        size_t other = at;
        while (at < len && (unsigned char)(data[at] - 0x20) > 0x5E)
            at++;
        controls(t, data + other, at - other);
    }
    if (len > sent)
        vterm_input_write(t->vt, data + sent, len - sent);
}
