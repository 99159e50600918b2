/* Cells of one row to fills, copies and glyphs to be drawn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

#define SELECT_ACCENT 0x3A7BD5u
#define FRESH_MAX \
    768 /* new glyphs of one frame; more is a picture, not text, and goes directly \
         */

void paint_begin(struct painter *p) {
    p->fill_count = p->over_count = p->fresh_count = 0;
    p->direct = (struct paint_direct){ 0 };
    p->touched = false;
    buf_clear(&p->draws);
}

void paint_add_fill(struct paint_fill **list, size_t *count, size_t *cap, struct paint_fill f) {
    if (*count) {
        struct paint_fill *last = &(*list)[*count - 1];
        if (last->x == f.x && last->w == f.w && last->color == f.color &&
            last->y + last->h == f.y) {
            last->h += f.h; /* whole pages are one rectangle */
            return;
        }
    }
    if (*count == *cap) {
        size_t n = *cap ? *cap * 2 : 64;
        struct paint_fill *grown = realloc(*list, n * sizeof *grown);
        if (!grown)
            return;
        *list = grown;
        *cap = n;
    }
    (*list)[(*count)++] = f;
}

static uint32_t rgb(const struct colors *c, uint32_t color, uint32_t standard) {
    return color & COLOR_INDEXED  ? c->index[color & 0xFF]
           : color & COLOR_DIRECT ? color & 0xFFFFFF
                                  : standard;
}

static bool dark(uint32_t rgb) {
    return (rgb >> 16 & 0xFF) * 3 + (rgb >> 8 & 0xFF) * 6 + (rgb & 0xFF) < 1280;
}

static void look(const struct term *t, cell_t cell, struct look *out) {
    static const struct style plain;
    const struct painter *p = &t->paint;
    const struct colors *c = &p->colors;
    const struct style *s = intern_at(&t->styles, cell_style(cell));
    if (!s)
        s = &plain;
    uint32_t fg0 = p->reverse ? c->bg : c->fg, bg0 = p->reverse ? c->fg : c->bg;
    uint32_t fg = s->fg;
    /* Sixteen-colour programs say "bold black" and mean grey; on paper brighter is not bolder. */
    if ((s->attrs & ATTR_BOLD) && (fg & COLOR_INDEXED) && (fg & 0xFF) < 8 && dark(bg0))
        fg += 8;
    uint32_t f = rgb(c, fg, fg0), b = rgb(c, s->bg, bg0);
    if (s->attrs & ATTR_REVERSE) {
        uint32_t x = f;
        f = b;
        b = x;
    }
    if (s->attrs & ATTR_FAINT)
        f = colors_mix(b, f, 140);
    if (cell & CELL_SELECTED) {
        b = colors_mix(bg0, SELECT_ACCENT, 130);
        f = fg0;
    }
    if (s->attrs & ATTR_CONCEAL)
        f = b;
    out->ul = s->ul ? rgb(c, s->ul, f) : f;
    if (cell & CELL_CURSOR) {
        uint32_t block = c->cursor == COLORS_AUTO ? f : c->cursor;
        if (block == b)
            block = fg0;
        f = c->cursor == COLORS_AUTO ? b : fg0 == block ? bg0 : b;
        b = block;
        out->ul = f;
    }
    out->fg = f;
    out->bg = b;
    out->attrs = s->attrs;
}

bool paint_blank(const struct term *t, cell_t cell, uint32_t *color) {
    struct look l;
    if (cell_ch(cell) || (cell & CELL_TAIL))
        return false;
    look(t, cell, &l);
    *color = l.bg;
    return !(l.attrs & (ATTR_UNDERLINE | ATTR_STRIKE | ATTR_OVERLINE));
}

void paint_look(const struct term *t, cell_t cell, struct raster_job *job) {
    *job = (struct raster_job){ .cells = cell & CELL_WIDE ? 2 : 1 };
    look(t, cell, &job->look);
    job->count = emu_cells(t, cell, job->cp);
}

static void touch_shown(struct painter *p, uint64_t frame) {
    p->touched = true;
    for (int i = 0; i < p->cols * p->rows; i++)
        if (p->cells[i])
            cache_find(&p->cache, p->cells[i] & ~(cell_t)(CELL_BAR | CELL_UNDER), frame);
}

/* The glyph's place in the cache; drawn later, outside the lock. -1: no room, or not wanted. */
static int glyph(struct term *t, cell_t key, uint64_t frame) {
    struct painter *p = &t->paint;
    int place = cache_find(&p->cache, key, frame);
    if (place >= 0 || !frame || p->fresh_count >= FRESH_MAX)
        return place;
    int cells = key & CELL_WIDE ? 2 : 1;
    if (p->fresh_count == p->fresh_cap) {
        size_t n = p->fresh_cap ? p->fresh_cap * 2 : 64;
        void *grown = realloc(p->fresh, n * sizeof *p->fresh);
        if (!grown)
            return -1;
        p->fresh = grown;
        p->fresh_cap = n;
    }
    if (cache_full(&p->cache, cells) && !p->touched)
        touch_shown(p, frame);
    place = cache_add(&p->cache, key, cells, frame);
    if (place < 0)
        return -1;
    paint_look(t, key, &p->fresh[p->fresh_count].job);
    p->fresh[p->fresh_count++].place = place;
    return place;
}

static void direct(struct painter *p, int row, int col, int cells) {
    struct paint_direct *d = &p->direct;
    if (!d->right)
        *d = (struct paint_direct){ row, col, row + 1, col + cells };
    d->top = MIN_OF(d->top, row);
    d->left = MIN_OF(d->left, col);
    d->bottom = MAX_OF(d->bottom, row + 1);
    d->right = MAX_OF(d->right, MIN_OF(col + cells, p->cols));
}

static void cursor_line(struct term *t, cell_t cell, int x, int y) {
    struct painter *p = &t->paint;
    const struct font_metrics *m = &p->raster.m;
    int thick = MAX_OF(m->thickness, 2);
    struct look l;
    look(t, cell, &l);
    struct paint_fill f = { x, y, thick, m->height, l.fg };
    if (p->colors.cursor != COLORS_AUTO)
        f.color = p->colors.cursor;
    if (cell & CELL_UNDER) {
        f.w = m->width;
        f.h = thick;
        f.y += m->height - thick;
    }
    paint_add_fill(&p->over, &p->over_count, &p->over_cap, f);
}

/* Cells [left, right) of a shown row. frame 0: nothing is added to the cache. */
void paint_run(struct term *t, int row, int left, int right, uint64_t frame) {
    struct painter *p = &t->paint;
    const cell_t *cells = p->cells + (size_t)row * (size_t)p->cols;
    int cw = p->raster.m.width, ch = p->raster.m.height;
    int y = p->pad_y + row * ch;
    char row_y[16];
    int digits = snprintf(row_y, sizeof row_y, "%d", y);
    int row_y_len = snprintf(row_y, sizeof row_y, "%d.%d;", digits, y);
    struct paint_fill f = { 0 }; /* blanks of one colour, glyphs between them included */
    int f_end = 0;
    for (int c = left; c < right; c++) {
        cell_t cell = cells[c];
        uint32_t color;
        if (cell & (CELL_BAR | CELL_UNDER)) {
            cursor_line(t, cell, p->pad_x + c * cw, y);
            cell &= ~(cell_t)(CELL_BAR | CELL_UNDER);
        }
        if (cell & CELL_TAIL)
            continue;
        if (paint_blank(t, cell, &color)) {
            if (f_end && f.color != color) {
                f.w = f_end * cw - (f.x - p->pad_x);
                paint_add_fill(&p->fill, &p->fill_count, &p->fill_cap, f);
                f_end = 0;
            }
            if (!f_end)
                f = (struct paint_fill){ p->pad_x + c * cw, y, 0, ch, color };
            f_end = c + 1;
            continue;
        }
        int place = glyph(t, cell, frame);
        if (place < 0) {
            direct(p, row, c, cell & CELL_WIDE ? 2 : 1);
            continue;
        }
        const struct cache_place *cp = cache_place(&p->cache, place);
        char *out = buf_reserve(&p->draws, 96);
        if (!out)
            continue;
        memcpy(out, cp->prefix, sizeof cp->prefix);
        out += cp->prefix_len;
        memcpy(out, p->col_x[c], 8);
        size_t n = strnlen(p->col_x[c], 8);
        memcpy(out + n, row_y, sizeof row_y);
        p->draws.len += cp->prefix_len + n + (size_t)row_y_len;
    }
    if (f_end) {
        f.w = f_end * cw - (f.x - p->pad_x);
        paint_add_fill(&p->fill, &p->fill_count, &p->fill_cap, f);
    }
}
