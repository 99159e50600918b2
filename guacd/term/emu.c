/* libvterm's state layer between our scan and our grid: it knows where characters go, we keep them.
 * Its answers, strings, colours and modes are not used: csi.c, osc.c, sgr.c and modes.c have them.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

#define COMBINE_FLOOD 64 /* code points in one cell; libvterm would keep them all */

/* ---- styles ---------------------------------------------------------------------------------- */

static void mark_cell(void *arg, cell_t cell) {
    struct term *t = arg;
    intern_mark(&t->styles, cell_style(cell));
    if (cell_ch(cell) >= CELL_CLUSTER)
        intern_mark(&t->clusters, cell_ch(cell) - CELL_CLUSTER);
}

static void sweep(struct term *t) {
    for (int i = 0; i < 2; i++)
        grid_each(&t->grid[i], mark_cell, t);
    paint_each(&t->paint, mark_cell, t);
    mark_cell(t, t->pen_bits);
    mark_cell(t, t->blank);
    intern_sweep(&t->styles);
    intern_sweep(&t->clusters);
}

uint32_t term_style(struct term *t, const struct style *s) {
    if (intern_crowded(&t->styles))
        sweep(t);
    uint32_t n = intern_get(&t->styles, s);
    return n == INTERN_NONE ? 0 : n;
}

void term_pen_refresh(struct term *t) {
    t->pen_stale = false;
    struct style bg = { .bg = t->pen.bg };
    t->pen_bits = cell_make(0, term_style(t, &t->pen));
    t->blank = bg.bg ? cell_make(0, term_style(t, &bg)) : 0;
    /* Printed blanks are the same as erased ones unless something of the style shows on them. */
    t->pen_space = t->pen.attrs & (ATTR_UNDERLINE | ATTR_STRIKE | ATTR_OVERLINE) ? t->pen_bits | ' '
                   : t->pen.attrs & ATTR_REVERSE                                 ? t->pen_bits
                                                                                 : t->blank;
}

/* ---- what stands in a cell ------------------------------------------------------------------- */

/* Code points of a cell; returns how many (0: blank). */
uint32_t emu_cells(const struct term *t, cell_t cell, uint32_t out[CLUSTER_MAX]) {
    uint32_t ch = cell_ch(cell);
    if (!ch)
        return 0;
    const struct cluster *k =
        ch >= CELL_CLUSTER ? intern_at(&t->clusters, ch - CELL_CLUSTER) : NULL;
    if (!k) {
        out[0] = ch >= CELL_CLUSTER ? 0xFFFD : ch;
        return 1;
    }
    uint32_t n = 0;
    while (n < CLUSTER_MAX && k->cp[n]) {
        out[n] = k->cp[n];
        n++;
    }
    return n;
}

static uint32_t cluster(struct term *t, const uint32_t *chars, size_t n) {
    struct cluster k = { 0 };
    for (size_t i = 0; i < n && i < CLUSTER_MAX; i++)
        k.cp[i] = chars[i] <= 0x10FFFF ? chars[i] : 0xFFFD;
    if (intern_crowded(&t->clusters))
        sweep(t);
    uint32_t id = intern_get(&t->clusters, &k);
    return id == INTERN_NONE ? k.cp[0] : id + CELL_CLUSTER;
}

/* A combining character with nothing of its own line before it: it belongs to the cell before. */
static void combine_left(struct term *t, VTermPos pos, const uint32_t *chars, size_t n) {
    struct grid *g = term_grid(t);
    int col = pos.col - 1;
    if (pos.row < 0 || pos.row >= g->rows || col < 0 || col >= g->cols)
        return;
    if (col > 0 && (g->row[pos.row]->cells[col] & CELL_TAIL))
        col--;
    cell_t cell = g->row[pos.row]->cells[col];
    uint32_t all[CLUSTER_MAX];
    size_t have = emu_cells(t, cell, all);
    if (!have)
        all[have++] = ' ';
    for (size_t i = 0; i < n && have < CLUSTER_MAX; i++)
        all[have++] = chars[i];
    uint32_t ch = cluster(t, all, have);
    g->row[pos.row]->cells[col] = (cell & ~(cell_t)CELL_CH) | ch;
    g->row[pos.row]->version++;
}

/* Did what was typed appear where it was typed? */
static void echo_check(struct term *t, uint32_t cp, VTermPos pos, int width) {
    struct echo *e = &t->echo;
    if (cp != e->key[0].cp || pos.row != e->row || pos.col != e->col)
        return;
    if (clock_ms() <= e->key[0].until)
        t->ops.echo(t->arg, e->key[0].id);
    e->col += width;
    memmove(e->key, e->key + 1, (size_t)--e->count * sizeof *e->key);
}

static int on_putglyph(VTermGlyphInfo *info, VTermPos pos, void *user) {
    struct term *t = user;
    const uint32_t *chars = info->chars;
    if (t->pen_stale)
        term_pen_refresh(t);
    if (info->width <= 0 || info->width > 2) {
        size_t n = 0;
        while (n < CLUSTER_MAX && chars[n])
            n++;
        if (info->width == 0)
            combine_left(t, pos, chars, n);
        return 1;
    }
    uint32_t ch = chars[0];
    t->last[0] = ch;
    t->last[1] = 0;
    if (ch && chars[1]) {
        size_t n = 2;
        while (n < COMBINE_FLOOD && chars[n])
            n++;
        t->combine_flood = n == COMBINE_FLOOD;
        n = MIN_OF(n, (size_t)CLUSTER_MAX);
        memcpy(t->last, chars, n * sizeof *chars);
        if (n < CLUSTER_MAX)
            t->last[n] = 0;
        ch = cluster(t, chars, n);
    } else if (ch > 0x10FFFF) {
        ch = 0xFFFD;
    }
    if (t->echo.count)
        echo_check(t, chars[0], pos, info->width);
    cell_t cell = ch == ' ' ? t->pen_space : t->pen_bits | ch;
    if (info->protected_cell)
        cell |= CELL_PROTECTED;
    struct grid *g = term_grid(t);
    grid_put(g, pos.row, pos.col, cell, info->width);
    if (pos.col == 0 && pos.row >= 0 && pos.row < g->rows)
        g->row[pos.row]->wrapped = vterm_state_get_lineinfo(t->state, pos.row)->continuation;
    return 1;
}

/* ---- the rest of libvterm's callbacks -------------------------------------------------------- */

static int on_movecursor(VTermPos pos, VTermPos old, int visible, void *user) {
    (void)pos, (void)old, (void)visible, (void)user;
    return 1;
}

static int on_scrollrect(VTermRect r, int downward, int rightward, void *user) {
    struct term *t = user;
    if (t->pen_stale)
        term_pen_refresh(t);
    struct grid_rect rect = { r.start_row, r.end_row, r.start_col, r.end_col };
    grid_scroll(term_grid(t), rect, downward, rightward, t->blank);
    return 1;
}

static int on_erase(VTermRect r, int selective, void *user) {
    struct term *t = user;
    if (t->pen_stale)
        term_pen_refresh(t);
    struct grid_rect rect = { r.start_row, r.end_row, r.start_col, r.end_col };
    grid_erase(term_grid(t), rect, t->blank, selective);
    return 1;
}

static int on_settermprop(VTermProp prop, VTermValue *val, void *user) {
    struct term *t = user;
    if (prop == VTERM_PROP_ALTSCREEN) {
        t->screen = val->boolean ? 1 : 0;
        selection_clear(&t->sel);
        t->back = false;
    }
    return 1;
}

/* libvterm does not lengthen its line infos by itself unless its screen layer is used. */
static int on_resize(int rows, int cols, VTermStateFields *fields, void *user) {
    struct term *t = user;
    (void)cols;
    for (int i = 0; i < 2; i++) {
        VTermLineInfo *infos = calloc((size_t)rows, sizeof *infos);
        if (!infos)
            abort(); /* nothing can be given back any more, and it is some 100 bytes */
        for (int r = 0; r < rows; r++)
            infos[r].continuation = t->grid[i].row[r]->wrapped;
        free(fields->lineinfos[i]);
        fields->lineinfos[i] = infos;
    }
    return 1;
}

static const VTermStateCallbacks callbacks = {
    .putglyph = on_putglyph,
    .movecursor = on_movecursor,
    .scrollrect = on_scrollrect,
    .erase = on_erase,
    .settermprop = on_settermprop,
    .resize = on_resize,
};

/* libvterm asks for zeroed memory and looks at no failure. */
static void *vt_malloc(size_t size, void *arg) {
    (void)arg;
    void *p = calloc(1, size);
    if (!p)
        abort();
    return p;
}

static void vt_free(void *p, void *arg) {
    (void)arg;
    free(p);
}

static const VTermAllocatorFunctions allocator = { vt_malloc, vt_free };

int emu_init(struct term *t) {
    static const struct style plain;
    static const struct cluster none;
    if (intern_init(&t->styles, sizeof(struct style), 1u << 18, &plain) ||
        intern_init(&t->clusters, sizeof(struct cluster), 1u << 14, &none))
        return -1;
    t->pen_stale = true;
    struct grid *g = &t->grid[0];
    t->vt = vterm_build(
        &(struct VTermBuilder){ .rows = g->rows, .cols = g->cols, .allocator = &allocator });
    if (!t->vt)
        return -1;
    vterm_set_utf8(t->vt, 1);
    t->state = vterm_obtain_state(t->vt);
    vterm_state_set_callbacks(t->state, &callbacks, t);
    vterm_state_reset(t->state, 1);
    return 0;
}

void emu_cursor(const struct term *t, int *row, int *col) {
    VTermPos pos;
    vterm_state_get_cursorpos(t->state, &pos);
    *row = pos.row;
    *col = pos.col;
}

void emu_write(struct term *t, const char *fmt, ...) {
    char text[64];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n > 0)
        vterm_input_write(t->vt, text, MIN_OF((size_t)n, sizeof text - 1));
}

/* ---- bytes in -------------------------------------------------------------------------------- */

static void on_text(void *arg, const char *data, size_t len) {
    struct term *t = arg;
    while (t->combine_flood && len && (data[0] & 0x80)) {
        data++;
        len--;
    }
    if (!len)
        return;
    t->combine_flood = false;
    shown_text(&t->shown, data, len);
    emu_text(t, data, len);
}

static void on_escape(void *arg, char intermediate, char final) {
    term_escape(arg, intermediate, final);
}

static void on_csi(void *arg, const struct scan_csi *q) {
    term_csi(arg, q);
}

static void on_string(void *arg, char kind, const char *data, size_t len) {
    term_string(arg, kind, data, len);
}

void emu_feed(struct term *t, const char *data, size_t len) {
    static const struct scan_ops ops = { on_text, on_escape, on_csi, on_string };
    scan_feed(&t->scan, data, len, &ops, t);
}

/* ---- a new size ------------------------------------------------------------------------------ */

int emu_resize(struct term *t, int cols, int rows) {
    /* Margins and positions beyond the new edge are what libvterm does not survive. */
    int row, col;
    emu_cursor(t, &row, &col);
    bool origin = t->modes.origin;
    emu_write(t, "\033[?6l\033[?69l\033[r");
    t->modes.margins = t->modes.origin = false;
    t->margin_top = 0;

    /* The cursor is on one screen; the saved ones each belong to theirs. */
    struct grid_pos pos[2][2];
    for (int i = 0; i < 2; i++) {
        pos[i][0] = (struct grid_pos){ t->saved[i].row, t->saved[i].col };
        pos[i][1] = t->screen == i ? (struct grid_pos){ row, col } : pos[i][0];
    }
    for (int i = 0; i < 2; i++)
        if (grid_resize(&t->grid[i], cols, rows, i == 0, pos[i], 2)) {
            /* Without memory for the second the first goes back to its old size, losing lines. */
            if (i == 1)
                grid_resize(&t->grid[0], t->grid[1].cols, t->grid[1].rows, true, pos[0], 2);
            emu_write(t, "\033[%d;%dH", row + 1, col + 1);
            return -1;
        }
    for (int i = 0; i < 2; i++) {
        t->saved[i].row = pos[i][0].row;
        t->saved[i].col = pos[i][0].col;
    }
    vterm_set_size(t->vt, rows, cols);
    emu_write(t, "\033[%d;%dH", pos[t->screen][1].row + 1, pos[t->screen][1].col + 1);
    if (origin) {
        t->modes.origin = true;
        emu_write(t, "\033[?6h\033[%d;%dH", pos[t->screen][1].row + 1, pos[t->screen][1].col + 1);
    }
    return 0;
}
