/* What paint_row.c collected, and the cache, as instructions. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/display/draw.h"
#include "guacd/display/png.h"
#include "guacd/term/term_priv.h"

static void image(struct painter *p, int layer, int x, int y, const uint32_t *pixels, size_t stride,
                  int w, int h, struct buf *out) {
    buf_clear(&p->image);
    if (png_encode_rgb(p->png, pixels, stride, w, h, &p->image))
        out->failed = true; /* a picture with a hole is worse than none */
    else
        draw_image(out, DRAW_OVER, layer, "image/png", x, y, p->image.data, p->image.len);
}

/* Size and background of the whole; after it every default blank is drawn. */
void paint_out_size(struct painter *p, struct buf *out) {
    draw_size(out, 0, p->width, p->height);
    draw_fill(out, 0, 0, 0, p->width, p->height, p->reverse ? p->colors.fg : p->colors.bg);
}

/* Rows of the cache, from the first to the last place newer than `since`. */
static void cache_rows(struct painter *p, int first, int last, uint64_t since, struct buf *out) {
    struct cache *c = &p->cache;
    int cw = c->width, ch = c->height, left = 0, right = 0;
    if (first == last) {
        const struct cache_row *r = c->row[first];
        for (left = 0; left < r->fill && r->place[left].added <= since; left++)
            ;
        size_t stride = (size_t)c->across * (size_t)cw;
        image(p, CACHE_LAYER, left * cw, first * ch, r->pixels + left * cw, stride,
              (r->fill - left) * cw, ch, out);
        return;
    }
    for (int r = first; r <= last; r++)
        right = MAX_OF(right, c->row[r]->fill);
    size_t width = (size_t)(right - left) * (size_t)cw,
           height = (size_t)(last - first + 1) * (size_t)ch;
    uint32_t *all = malloc(width * height * sizeof *all);
    if (!all) {
        out->failed = true;
        return;
    }
    for (int r = first; r <= last; r++)
        for (int y = 0; y < ch; y++)
            memcpy(all + ((size_t)(r - first) * (size_t)ch + (size_t)y) * width,
                   c->row[r]->pixels + (size_t)y * (size_t)(c->across * cw), width * sizeof *all);
    image(p, CACHE_LAYER, 0, first * ch, all, width, (int)width, (int)height, out);
    free(all);
}

void paint_out_cache(struct painter *p, uint64_t since, struct buf *out) {
    struct cache *c = &p->cache;
    if (!c->rows)
        return;
    if (since < p->layer_sized)
        draw_size(out, CACHE_LAYER, c->across * c->width, p->layer_height);
    for (int r = 0; r < c->rows; r++) {
        if (c->row[r]->added <= since || !c->row[r]->fill)
            continue;
        int last = r;
        while (last + 1 < c->rows && c->row[last + 1]->added > since && c->row[last + 1]->fill)
            last++;
        cache_rows(p, r, last, since, out);
        r = last;
    }
}

void paint_direct_jobs(struct term *t) {
    struct painter *p = &t->paint;
    struct paint_direct *d = &p->direct;
    if (!d->right)
        return;
    /* A wide character at the edge comes whole. */
    for (int r = d->top; r < d->bottom; r++)
        if (d->left > 0 && (p->cells[r * p->cols + d->left] & CELL_TAIL))
            d->left--;
    size_t n = (size_t)(d->bottom - d->top) * (size_t)(d->right - d->left), i = 0;
    if (n > p->job_cap) {
        struct raster_job *grown = realloc(p->jobs, n * sizeof *grown);
        if (!grown) {
            d->right = 0;
            p->draws.failed = true;
            return;
        }
        p->jobs = grown;
        p->job_cap = n;
    }
    for (int r = d->top; r < d->bottom; r++)
        for (int c = d->left; c < d->right; c++, i++) {
            cell_t cell = p->cells[r * p->cols + c];
            paint_look(t, cell, &p->jobs[i]);
            if (c + p->jobs[i].cells > p->cols)
                p->jobs[i].cells = 1;
            if (cell & CELL_TAIL)
                p->jobs[i].cells = c > d->left ? 0 : 1; /* 0: drawn with its left half */
        }
}

static void out_direct(struct painter *p, struct buf *out) {
    struct paint_direct *d = &p->direct;
    if (!d->right)
        return;
    int cw = p->raster.m.width, ch = p->raster.m.height;
    int across = d->right - d->left;
    /* One column more in memory: a wide character at the right edge is cut, not spilled. */
    size_t stride = (size_t)(across + 1) * (size_t)cw;
    uint32_t *pixels = malloc(stride * (size_t)(d->bottom - d->top) * (size_t)ch * sizeof *pixels);
    if (!pixels) {
        out->failed = true;
        return;
    }
    const struct raster_job *j = p->jobs;
    for (int r = 0; r < d->bottom - d->top; r++)
        for (int c = 0; c < across; c++, j++)
            if (j->cells)
                raster_cell(&p->raster, p->font, j,
                            pixels + (size_t)r * (size_t)ch * stride + (size_t)(c * cw), stride);
    image(p, 0, p->pad_x + d->left * cw, p->pad_y + d->top * ch, pixels, stride, across * cw,
          (d->bottom - d->top) * ch, out);
    free(pixels);
}

void paint_out_cells(struct painter *p, struct buf *out) {
    for (size_t i = 0; i < p->fill_count; i++) {
        const struct paint_fill *f = &p->fill[i];
        draw_fill(out, 0, f->x, f->y, f->w, f->h, f->color);
    }
    if (p->draws.failed)
        out->failed = true;
    else
        buf_add(out, p->draws.data, p->draws.len);
    out_direct(p, out);
    for (size_t i = 0; i < p->over_count; i++) {
        const struct paint_fill *f = &p->over[i];
        draw_fill(out, 0, f->x, f->y, f->w, f->h, f->color);
    }
}

void paint_out_thumb(struct painter *p, struct buf *out) {
    int x = p->pad_x + p->cols * p->raster.m.width, w = p->width - x;
    uint32_t bg = p->reverse ? p->colors.fg : p->colors.bg;
    uint32_t fg = p->reverse ? p->colors.bg : p->colors.fg;
    if (w <= 0)
        return;
    draw_fill(out, 0, x, 0, w, p->height, bg);
    if (p->thumb_h)
        draw_fill(out, 0, x + (w > 3), p->thumb_y, w - (w > 3), p->thumb_h,
                  colors_mix(bg, fg, 110));
}
