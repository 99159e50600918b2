#include "guacd/term/grid.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"

#define BACK_STEP 256 /* the scrollback's ring grows by need, not at once */

static struct row *row_new(struct grid *g) {
    struct row *r = calloc(1, sizeof *r + (size_t)g->cols * sizeof(cell_t));
    if (r)
        r->id = ++g->next_id;
    return r;
}

static void row_fill(const struct grid *g, struct row *r, cell_t blank) {
    if (!blank) {
        memset(r->cells, 0, r->used * sizeof(cell_t));
        r->used = 0;
        return;
    }
    for (int c = 0; c < g->cols; c++)
        r->cells[c] = blank;
    r->used = (uint16_t)g->cols;
}

/* A row that scrolled in: nothing in common with what it held before. */
static void row_rebirth(struct grid *g, struct row *r, cell_t blank) {
    row_fill(g, r, blank);
    r->id = ++g->next_id;
    r->version = 0;
    r->wrapped = false;
}

static int back_limit(int cols, int wanted) {
    size_t row = sizeof(struct row) + (size_t)cols * sizeof(cell_t) + 16;
    size_t fit = GRID_BYTES_MAX / row;
    return (size_t)wanted < fit ? wanted : (int)fit;
}

int grid_init(struct grid *g, int cols, int rows, int scrollback) {
    *g = (struct grid){ .cols = cols, .rows = rows, .back_wanted = scrollback };
    g->row = calloc((size_t)rows, sizeof *g->row);
    if (!g->row)
        return -1;
    for (int r = 0; r < rows; r++)
        if (!(g->row[r] = row_new(g))) {
            grid_fini(g);
            return -1;
        }
    return 0;
}

void grid_fini(struct grid *g) {
    for (int r = 0; g->row && r < g->rows; r++)
        free(g->row[r]);
    for (int i = 0; i < g->back_len; i++)
        free(g->back[(g->back_head + i) % g->back_cap]);
    free(g->row);
    free(g->back);
    *g = (struct grid){ 0 };
}

/* More room in the ring, or false when it has its size (or memory is short). */
static bool back_grow(struct grid *g) {
    int cap = MIN_OF(g->back_cap + BACK_STEP, back_limit(g->cols, g->back_wanted));
    if (cap <= g->back_cap)
        return false;
    struct row **ring = calloc((size_t)cap, sizeof(struct row *));
    if (!ring)
        return false;
    for (int i = 0; i < g->back_len; i++)
        ring[i] = g->back[(g->back_head + i) % g->back_cap];
    free(g->back);
    g->back = ring;
    g->back_cap = cap;
    g->back_head = 0;
    return true;
}

/* Take a row into the scrollback; returns one to use in its place, perhaps the oldest. */
static struct row *back_push(struct grid *g, struct row *r) {
    if (g->back_len < g->back_cap || back_grow(g)) {
        struct row *fresh = row_new(g);
        if (fresh) {
            g->back[(g->back_head + g->back_len++) % g->back_cap] = r;
            return fresh;
        }
    }
    if (!g->back_len) {
        g->gone++;
        return r;
    }
    struct row *old = g->back[g->back_head];
    g->back[g->back_head] = r;
    g->back_head = g->back_head + 1 == g->back_cap ? 0 : g->back_head + 1;
    g->gone++;
    return old;
}

void grid_clear_back(struct grid *g) {
    for (int i = 0; i < g->back_len; i++)
        free(g->back[(g->back_head + i) % g->back_cap]);
    g->gone += (uint64_t)g->back_len;
    g->back_len = g->back_head = 0;
}

/* Whatever is about to be cut through the middle loses its other half. */
static void split_wide(const struct grid *g, struct row *r, int col) {
    if (col <= 0 || col >= g->cols || !(r->cells[col] & CELL_TAIL))
        return;
    r->cells[col - 1] &= ~(cell_t)(CELL_CH | CELL_WIDE);
    r->cells[col] &= ~(cell_t)CELL_TAIL;
}

void grid_put(struct grid *g, int row, int col, cell_t cell, int width) {
    if (row < 0 || row >= g->rows || col < 0 || col >= g->cols)
        return;
    struct row *r = g->row[row];
    int end = col + width;
    if (end > g->cols) {
        end = g->cols;
        width = 1;
    }
    if ((r->cells[col] | r->cells[end - 1]) & (CELL_WIDE | CELL_TAIL)) {
        split_wide(g, r, col);
        split_wide(g, r, end);
    }
    r->cells[col] = cell;
    if (width == 2) {
        r->cells[col] |= CELL_WIDE;
        r->cells[col + 1] = (cell & ~(cell_t)CELL_CH) | CELL_TAIL;
    }
    if (end > r->used)
        r->used = (uint16_t)end;
    r->version++;
}

void grid_put_ascii(struct grid *g, int row, int col, const char *text, int count, cell_t style,
                    cell_t blank) {
    struct row *r = g->row[row];
    split_wide(g, r, col);
    split_wide(g, r, col + count);
    cell_t *to = r->cells + col;
    for (int i = 0; i < count; i++)
        to[i] = text[i] == ' ' ? blank : style | (unsigned char)text[i];
    if (col + count > r->used)
        r->used = (uint16_t)(col + count);
    r->version++;
}

static bool clip(const struct grid *g, struct grid_rect *r) {
    r->top = MAX_OF(r->top, 0);
    r->left = MAX_OF(r->left, 0);
    r->bottom = MIN_OF(r->bottom, g->rows);
    r->right = MIN_OF(r->right, g->cols);
    return r->top < r->bottom && r->left < r->right;
}

static void erase_span(const struct grid *g, struct row *r, int left, int right, cell_t blank,
                       bool keep_protected) {
    split_wide(g, r, left);
    split_wide(g, r, right);
    if (blank && right > r->used)
        r->used = (uint16_t)right;
    int end = MIN_OF(right, r->used);
    for (int c = left; c < end; c++)
        if (!keep_protected || !(r->cells[c] & CELL_PROTECTED))
            r->cells[c] = blank;
    if (!blank && right >= r->used && left < r->used && !keep_protected)
        r->used = (uint16_t)left;
    r->version++;
}

void grid_erase(struct grid *g, struct grid_rect r, cell_t blank, bool keep_protected) {
    if (!clip(g, &r))
        return;
    for (int i = r.top; i < r.bottom; i++)
        erase_span(g, g->row[i], r.left, r.right, blank, keep_protected);
}

static void scroll_rows(struct grid *g, int top, int bottom, int down, cell_t blank) {
    int n = down < 0 ? -down : down;
    n = MIN_OF(n, bottom - top);
    for (int i = 0; i < n; i++) {
        struct row *r;
        if (down > 0) {
            r = g->row[top];
            if (top == 0 && g->back_wanted > 0)
                r = back_push(g, r);
            memmove(g->row + top, g->row + top + 1,
                    (size_t)(bottom - top - 1) * sizeof(struct row *));
            g->row[bottom - 1] = r;
        } else {
            r = g->row[bottom - 1];
            memmove(g->row + top + 1, g->row + top,
                    (size_t)(bottom - top - 1) * sizeof(struct row *));
            g->row[top] = r;
        }
        row_rebirth(g, r, blank);
    }
}

static void scroll_cells(struct grid *g, struct grid_rect r, int right, cell_t blank) {
    int n = right < 0 ? -right : right;
    int width = r.right - r.left;
    n = MIN_OF(n, width);
    for (int i = r.top; i < r.bottom; i++) {
        struct row *row = g->row[i];
        split_wide(g, row, r.left);
        split_wide(g, row, r.right);
        split_wide(g, row, right > 0 ? r.left + n : r.right - n);
        cell_t *from = row->cells + r.left;
        size_t keep = (size_t)(width - n) * sizeof(cell_t);
        memmove(right > 0 ? from : from + n, right > 0 ? from + n : from, keep);
        row->used = (uint16_t)MAX_OF((int)row->used, r.right);
        int hole = right > 0 ? r.right - n : r.left;
        for (int c = hole; c < hole + n; c++)
            row->cells[c] = blank;
        row->version++;
    }
}

void grid_scroll(struct grid *g, struct grid_rect r, int down, int right, cell_t blank) {
    if (!clip(g, &r))
        return;
    if (right)
        scroll_cells(g, r, right, blank);
    if (!down)
        return;
    if (r.left == 0 && r.right == g->cols) {
        scroll_rows(g, r.top, r.bottom, down, blank);
        return;
    }
    /* Between left and right margins: cells move, not rows. */
    int height = r.bottom - r.top;
    int n = MIN_OF(down < 0 ? -down : down, height);
    for (int i = 0; i < height - n; i++) {
        int dst = down > 0 ? r.top + i : r.bottom - 1 - i;
        struct row *to = g->row[dst], *from = g->row[down > 0 ? dst + n : dst - n];
        split_wide(g, to, r.left);
        split_wide(g, to, r.right);
        split_wide(g, from, r.left);
        split_wide(g, from, r.right);
        memcpy(to->cells + r.left, from->cells + r.left,
               (size_t)(r.right - r.left) * sizeof(cell_t));
        to->used = (uint16_t)MAX_OF((int)to->used, r.right);
        to->version++;
    }
    struct grid_rect hole = r;
    if (down > 0)
        hole.top = r.bottom - n;
    else
        hole.bottom = r.top + n;
    grid_erase(g, hole, blank, false);
}

const struct row *grid_line(const struct grid *g, uint64_t line) {
    if (line < g->gone)
        return NULL;
    uint64_t i = line - g->gone;
    if (i < (uint64_t)g->back_len)
        return g->back[((uint64_t)g->back_head + i) % (uint64_t)g->back_cap];
    i -= (uint64_t)g->back_len;
    return i < (uint64_t)g->rows ? g->row[i] : NULL;
}

void grid_each(const struct grid *g, void (*fn)(void *arg, cell_t cell), void *arg) {
    for (uint64_t l = g->gone; g->row && l < grid_top(g) + (uint64_t)g->rows; l++) {
        const struct row *r = grid_line(g, l);
        for (int c = 0; c < r->used; c++)
            fn(arg, r->cells[c]);
    }
}
