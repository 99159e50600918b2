/* What of the grid is in view. */
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

static uint64_t first_line(const struct term *t) {
    return t->back ? t->back_line : grid_top(&t->grid[t->screen]);
}

/* Column of the cursor in this row, -1: not here or not shown. */
static int cursor_in(const struct term *t, int row) {
    if (t->modes.cursor_hidden)
        return -1;
    const struct grid *g = &t->grid[t->screen];
    int r, c;
    emu_cursor(t, &r, &c);
    uint64_t line = grid_top(g) + (uint64_t)r;
    if (line != first_line(t) + (uint64_t)row)
        return -1;
    c = MIN_OF(MAX_OF(c, 0), g->cols - 1);
    if (c > 0 && (g->row[r]->cells[c] & CELL_TAIL))
        c--;
    return c;
}

struct view_row view_row(const struct term *t, int row) {
    const struct grid *g = &t->grid[t->screen];
    uint64_t line = first_line(t) + (uint64_t)row;
    const struct row *r = grid_line(g, line);
    struct view_row v = { .id = r ? r->id : 0, .version = r ? r->version : 0 };
    int from, to, cursor = cursor_in(t, row);
    if (selection_span(&t->sel, t->screen, line, g->cols, &from, &to))
        v.overlay = (uint64_t)(from + 1) << 48 | (uint64_t)(to + 1) << 32;
    if (cursor >= 0)
        v.overlay |= (uint64_t)(cursor + 1) << 8 | (uint64_t)(t->modes.cursor_shape + 1);
    return v;
}

void view_cells(const struct term *t, int row, cell_t *out) {
    const struct grid *g = &t->grid[t->screen];
    uint64_t line = first_line(t) + (uint64_t)row;
    const struct row *r = grid_line(g, line);
    int used = r ? MIN_OF((int)r->used, g->cols) : 0;
    for (int c = 0; c < used; c++)
        out[c] = r->cells[c] & ~(cell_t)CELL_PROTECTED;
    memset(out + used, 0, (size_t)(g->cols - used) * sizeof *out);
    int from, to;
    if (selection_span(&t->sel, t->screen, line, g->cols, &from, &to))
        for (int c = from; c < to; c++)
            out[c] |= CELL_SELECTED;
    int cursor = cursor_in(t, row);
    if (cursor < 0)
        return;
    static const uint32_t bits[] = { CELL_CURSOR, CELL_UNDER, CELL_BAR };
    uint32_t bit = bits[t->modes.cursor_shape];
    out[cursor] |= bit;
    if ((out[cursor] & CELL_WIDE) && bit != CELL_BAR && cursor + 1 < g->cols)
        out[cursor + 1] |= bit;
}

/* A bar at the right tells where in the scrollback the view is, only while it is scrolled back. */
void view_thumb(const struct term *t, int height, int *y, int *h) {
    *y = *h = 0;
    if (!t->back)
        return;
    const struct grid *g = &t->grid[t->screen];
    uint64_t all = (uint64_t)(g->back_len + g->rows);
    *h = MAX_OF((int)((uint64_t)height * (uint64_t)g->rows / all), MIN_OF(16, height));
    uint64_t at = t->back_line - grid_first(g);
    *y = g->back_len ? (int)((uint64_t)(height - *h) * at / (uint64_t)g->back_len) : 0;
}
