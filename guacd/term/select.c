#include "guacd/term/select.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

#define CLICK_MS 400 /* between the clicks of a double click */

void selection_clear(struct selection *s) {
    s->active = s->dragging = false;
}

bool selection_span(const struct selection *s, int screen, uint64_t line, int cols, int *from,
                    int *to) {
    if (!s->active || s->screen != screen || line < s->from.line || line > s->to.line)
        return false;
    *from = line == s->from.line ? s->from.col : 0;
    *to = line == s->to.line ? MIN_OF(s->to.col + 1, cols) : cols;
    return *from < *to;
}

/* 2 word, 1 other, 0 blank. */
static int kind(const struct term *t, cell_t cell) {
    uint32_t cp[CLUSTER_MAX];
    if (!emu_cells(t, cell, cp) || cp[0] == ' ')
        return 0;
    if (cp[0] < 0x80)
        return (cp[0] >= '0' && cp[0] <= '9') || ((cp[0] | 32) >= 'a' && (cp[0] | 32) <= 'z') ||
                       strchr("-._~/$@%+=:?&#", (int)cp[0])
                   ? 2
                   : 1;
    return cp[0] >= 0x2190 && cp[0] <= 0x2BFF ? 1 : 2; /* arrows, lines, symbols */
}

static cell_t cell_at(const struct row *r, int col) {
    if (col > 0 && (r->cells[col] & CELL_TAIL))
        col--;
    return r->cells[col];
}

static void widen(const struct term *t, struct selection *s) {
    const struct grid *g = &t->grid[t->screen];
    struct select_point *ends[2] = { &s->from, &s->to };
    for (int i = 0; i < 2; i++) {
        const struct row *r = grid_line(g, ends[i]->line);
        if (!r)
            continue;
        int step = i ? 1 : -1, *col = &ends[i]->col;
        if (s->by == SELECT_LINES) {
            /* A logical line, over the rows it was wrapped to. */
            *col = i ? g->cols - 1 : 0;
            if (!i)
                while (grid_line(g, s->from.line)->wrapped && s->from.line > grid_first(g))
                    s->from.line--;
            else
                for (; (r = grid_line(g, s->to.line + 1)) && r->wrapped; s->to.line++)
                    ;
            continue;
        }
        int k = kind(t, cell_at(r, *col));
        for (;;) {
            int next = *col + step;
            uint64_t line = ends[i]->line;
            if (next < 0 || next >= g->cols) { /* words go on where a line was wrapped */
                const struct row *to = i ? grid_line(g, line + 1) : r;
                if (!to || !to->wrapped || (!i && line <= grid_first(g)))
                    break;
                line += (uint64_t)(int64_t)step;
                r = grid_line(g, line);
                next = i ? 0 : g->cols - 1;
                if (!r || kind(t, cell_at(r, next)) != k)
                    break;
                ends[i]->line = line;
            } else if (kind(t, cell_at(r, next)) != k) {
                break;
            }
            *col = next;
        }
    }
}

static void update(struct term *t) {
    struct selection *s = &t->sel;
    const struct grid *g = &t->grid[t->screen];
    bool swap = s->head.line < s->anchor.line ||
                (s->head.line == s->anchor.line && s->head.col < s->anchor.col);
    s->from = swap ? s->head : s->anchor;
    s->to = swap ? s->anchor : s->head;
    const struct row *r = grid_line(g, s->from.line);
    if (r && s->from.col > 0 && (r->cells[s->from.col] & CELL_TAIL))
        s->from.col--;
    r = grid_line(g, s->to.line);
    if (r && s->to.col + 1 < g->cols && (r->cells[s->to.col] & CELL_WIDE))
        s->to.col++;
    if (s->by != SELECT_CHARS)
        widen(t, s);
}

void selection_begin(struct term *t, struct select_point at, uint64_t now_ms) {
    struct selection *s = &t->sel;
    bool again = now_ms - s->click_ms <= CLICK_MS && s->click_col == at.col &&
                 s->click_line == at.line && s->screen == t->screen;
    s->clicks = again ? s->clicks % 3 + 1 : 1;
    s->click_ms = now_ms;
    s->click_col = at.col;
    s->click_line = at.line;
    s->screen = t->screen;
    s->dragging = true;
    s->anchor = s->head = at;
    s->by = (enum select_by)(s->clicks - 1);
    s->active = s->by != SELECT_CHARS; /* one click selects nothing yet */
    if (s->active)
        update(t);
}

void selection_drag(struct term *t, struct select_point at) {
    struct selection *s = &t->sel;
    if (!s->dragging || s->screen != t->screen)
        return;
    if (!s->active && at.line == s->anchor.line && at.col == s->anchor.col)
        return;
    s->active = true;
    s->head = at;
    update(t);
}

void row_text(const struct term *t, const struct row *r, int left, int right, struct buf *out) {
    right = MIN_OF(right, (int)r->used);
    size_t solid = out->len; /* up to the last character that is no blank */
    for (int c = left; c < right; c++) {
        if (r->cells[c] & CELL_TAIL)
            continue;
        uint32_t cp[CLUSTER_MAX], n = emu_cells(t, r->cells[c], cp);
        if (!n || (n == 1 && cp[0] == ' ')) {
            buf_putc(out, ' ');
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            char utf8[4];
            buf_add(out, utf8, utf8_encode(cp[i], utf8));
        }
        solid = out->len;
    }
    out->len = MIN_OF(out->len, solid);
}

bool selection_text(const struct term *t, struct buf *out) {
    const struct selection *s = &t->sel;
    const struct grid *g = &t->grid[s->screen];
    if (!s->active)
        return false;
    for (uint64_t l = s->from.line; l <= s->to.line; l++) {
        const struct row *r = grid_line(g, l);
        int from, to;
        if (!r || !selection_span(s, s->screen, l, g->cols, &from, &to))
            continue;
        const struct row *next = grid_line(g, l + 1);
        bool joined = l < s->to.line && next && next->wrapped;
        size_t before = out->len;
        row_text(t, r, from, to, out);
        if (joined) { /* blanks at the edge belong to the text */
            for (int c = from + (int)(out->len - before); c < to && c < r->used; c++)
                if (!cell_ch(r->cells[c]) && !(r->cells[c] & CELL_TAIL))
                    buf_putc(out, ' ');
        } else if (l < s->to.line || s->by == SELECT_LINES) {
            buf_putc(out, '\n');
        }
    }
    return !out->failed && out->len > 0;
}
