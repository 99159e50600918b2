/* A new size: cut or filled (alternate screen), or every long line cut anew (reflow). Built beside
 * the old grid and swapped in, so that a lack of memory changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/term/grid.h"

static int resize_cut(struct grid *g, struct grid *to) {
    for (int r = 0; r < MIN_OF(g->rows, to->rows); r++) {
        struct row *dst = to->row[r];
        const struct row *src = g->row[r];
        int n = MIN_OF((int)src->used, to->cols);
        memcpy(dst->cells, src->cells, (size_t)n * sizeof(cell_t));
        dst->used = (uint16_t)n;
        if (n && n == to->cols && (dst->cells[n - 1] & CELL_WIDE))
            dst->cells[n - 1] &= ~(cell_t)(CELL_CH | CELL_WIDE);
        dst->wrapped = src->wrapped && g->cols == to->cols;
    }
    return 0;
}

/* One logical line: rows `first` to `last` (line numbers of the old grid). */
struct logical {
    const struct grid *from;
    uint64_t first, last;
    int cols;             /* new width */
    struct row **out;     /* new rows, NULL in the counting pass */
    size_t skip;          /* rows at the front that are not kept */
    size_t rows;          /* written so far, skipped ones included */
    int col;              /* next cell in the row being written */
    struct grid_pos *pos; /* carried along: rows are line numbers - base before, and */
    size_t *at;           /* rows of this line after; SIZE_MAX: not in this line */
    size_t count;
    uint64_t base;
};

static int row_length(const struct grid *g, uint64_t line, uint64_t last) {
    const struct row *r = grid_line(g, line);
    if (line == last)
        return r->used;
    const struct row *next = grid_line(g, line + 1);
    /* A wide character that did not fit left a hole, which is no blank of the text. */
    if ((next->cells[0] & CELL_WIDE) && !r->cells[g->cols - 1])
        return g->cols - 1;
    return g->cols;
}

static void carry(struct logical *l, uint64_t line, int col, int extra) {
    for (size_t i = 0; l->out && i < l->count; i++)
        if (l->at[i] == SIZE_MAX && (uint64_t)l->pos[i].row + l->base == line &&
            l->pos[i].col == col) {
            l->at[i] = l->rows - 1;
            l->pos[i].col = MIN_OF(l->col + extra, l->cols - 1);
        }
}

static void logical_walk(struct logical *l) {
    l->rows = 1;
    l->col = 0;
    for (uint64_t line = l->first; line <= l->last; line++) {
        const struct row *r = grid_line(l->from, line);
        int n = row_length(l->from, line, l->last);
        for (int c = 0; c < n; c++) {
            cell_t cell = r->cells[c];
            if (cell & CELL_TAIL) {
                carry(l, line, c, -1);
                continue;
            }
            int width = (cell & CELL_WIDE) && l->cols > 1 ? 2 : 1;
            if (l->col + width > l->cols) {
                l->rows++;
                l->col = 0;
            }
            carry(l, line, c, 0);
            if (l->out && l->rows > l->skip) {
                struct row *dst = l->out[l->rows - 1 - l->skip];
                dst->wrapped = l->rows > 1;
                dst->cells[l->col] = width == 1 ? cell & ~(cell_t)CELL_WIDE : cell;
                if (width == 2)
                    dst->cells[l->col + 1] = r->cells[c + 1 < l->from->cols ? c + 1 : c];
                dst->used = (uint16_t)(l->col + width);
            }
            l->col += width;
        }
        for (int c = n; c < l->from->cols; c++) /* places behind the text */
            carry(l, line, c, c - n);
    }
}

struct reflow {
    struct grid *to;
    struct row **rows; /* of the new grid, newest last, filled from the end */
    size_t want, left;
};

static int reflow_line(struct reflow *f, struct logical *l, size_t *row_of) {
    l->out = NULL;
    logical_walk(l);
    size_t n = l->rows;
    l->skip = n > f->left ? n - f->left : 0;
    f->left -= n - l->skip;
    l->out = f->rows + f->left;
    for (size_t i = 0; i < n - l->skip; i++) {
        struct row *r = calloc(1, sizeof *r + (size_t)f->to->cols * sizeof(cell_t));
        if (!r)
            return -1;
        r->id = ++f->to->next_id;
        l->out[i] = r;
    }
    logical_walk(l);
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i] != SIZE_MAX && row_of[i] == SIZE_MAX)
            row_of[i] = l->at[i] < l->skip ? f->left : f->left + l->at[i] - l->skip;
    return 0;
}

static uint64_t content_end(const struct grid *g, const struct grid_pos *pos, size_t count) {
    int end = 0;
    for (int r = 0; r < g->rows; r++)
        if (g->row[r]->used)
            end = r + 1;
    for (size_t i = 0; i < count; i++)
        end = MAX_OF(end, MIN_OF(pos[i].row, g->rows - 1) + 1);
    return grid_top(g) + (uint64_t)end;
}

/* Hand the finished rows to the new grid: the last ones are its screen, the rest its scrollback. */
static int reflow_place(struct reflow *f, struct grid_pos *pos, const size_t *row_of,
                        size_t count) {
    struct grid *to = f->to;
    size_t have = f->want - f->left;
    size_t screen = MIN_OF(have, (size_t)to->rows), back = have - screen;
    if (back) {
        to->back = calloc(back, sizeof(struct row *));
        if (!to->back)
            return -1;
        memcpy(to->back, f->rows + f->left, back * sizeof(struct row *));
        to->back_len = to->back_cap = (int)back;
    }
    for (size_t i = 0; i < screen; i++) {
        free(to->row[i]);
        to->row[i] = f->rows[f->left + back + i];
    }
    for (size_t i = 0; i < count; i++) {
        size_t r = row_of[i] == SIZE_MAX ? 0 : row_of[i] - f->left;
        pos[i].row = r < back ? 0 : (int)(r - back);
        pos[i].col = MIN_OF(pos[i].col, to->cols - 1);
    }
    return 0;
}

#define POS_MAX 8

static int resize_reflow(struct grid *g, struct grid *to, struct grid_pos *pos, size_t count) {
    size_t at[POS_MAX], row_of[POS_MAX];
    struct grid_pos moved[POS_MAX];
    size_t back = (size_t)MAX_OF(g->back_wanted, 0);
    size_t fit = GRID_BYTES_MAX / (sizeof(struct row) + (size_t)to->cols * sizeof(cell_t) + 16);
    struct reflow f = { .to = to, .want = MIN_OF(back, fit) + (size_t)to->rows };
    f.left = f.want;
    f.rows = calloc(f.want, sizeof(struct row *));
    if (!f.rows)
        return -1;
    for (size_t i = 0; i < count; i++) {
        moved[i] = pos[i];
        moved[i].row = MAX_OF(MIN_OF(pos[i].row, g->rows - 1), 0);
        moved[i].col = MAX_OF(MIN_OF(pos[i].col, g->cols - 1), 0);
        row_of[i] = SIZE_MAX;
    }
    uint64_t end = content_end(g, moved, count);
    int bad = 0;
    while (!bad && end > g->gone && f.left) {
        uint64_t first = end - 1;
        while (first > g->gone && grid_line(g, first)->wrapped)
            first--;
        for (size_t i = 0; i < count; i++)
            at[i] = row_of[i] == SIZE_MAX ? SIZE_MAX : 0; /* placed already */
        struct logical l = { .from = g,
                             .first = first,
                             .last = end - 1,
                             .cols = to->cols,
                             .pos = moved,
                             .at = at,
                             .count = count,
                             .base = grid_top(g) };
        bad = reflow_line(&f, &l, row_of);
        end = first;
    }
    if (!bad)
        bad = reflow_place(&f, moved, row_of, count);
    if (bad) {
        for (size_t i = f.left; i < f.want; i++)
            free(f.rows[i]);
    } else {
        memcpy(pos, moved, count * sizeof *pos);
    }
    free(f.rows);
    return bad;
}

int grid_resize(struct grid *g, int cols, int rows, bool reflow, struct grid_pos *pos,
                size_t count) {
    struct grid to;
    if (count > POS_MAX || grid_init(&to, cols, rows, g->back_wanted))
        return -1;
    to.next_id += g->next_id;
    for (int r = 0; r < rows; r++)
        to.row[r]->id += g->next_id;
    to.gone = g->gone;
    if (reflow ? resize_reflow(g, &to, pos, count) : resize_cut(g, &to)) {
        grid_fini(&to);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        pos[i].row = MAX_OF(MIN_OF(pos[i].row, rows - 1), 0);
        pos[i].col = MAX_OF(MIN_OF(pos[i].col, cols - 1), 0);
    }
    grid_fini(g);
    *g = to;
    return 0;
}
