#include "guacd/term/paint.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/display/draw.h"
#include "guacd/display/png.h"
#include "guacd/term/term_priv.h"

#define DRAWS_MAX (64u << 20)
#define IMAGE_MAX (64u << 20)
#define NEVER UINT64_MAX /* id of a row whose shown cells are known to be blank */

static struct term *term_of(const struct picture *pic) {
    const char *p = (const char *)pic;
    p -= offsetof(struct term, paint) + offsetof(struct painter, picture);
    union {
        const char *from;
        struct term *to;
    } u = { p };
    return u.to;
}

void paint_cell(const struct painter *p, int *width, int *height) {
    *width = p->wanted.width;
    *height = p->wanted.height;
}

void paint_each(const struct painter *p, void (*fn)(void *arg, cell_t cell), void *arg) {
    for (int i = 0; i < p->cols * p->rows; i++)
        fn(arg, p->cells[i]);
    for (int r = 0; r < p->cache.rows; r++)
        for (int k = 0; k < p->cache.row[r]->fill; k++)
            fn(arg, p->cache.row[r]->place[k].key);
}

/* ---- a new size, font or palette ------------------------------------------------------------- */

static bool regrid(struct painter *p, int cols, int rows) {
    size_t n = (size_t)cols * (size_t)rows;
    cell_t *cells = malloc(n * sizeof *cells), *line = malloc((size_t)cols * sizeof *line);
    struct paint_row *row = calloc((size_t)rows, sizeof *row);
    char(*col_x)[8] = malloc((size_t)cols * sizeof *col_x);
    if (!cells || !line || !row || !col_x) {
        free(cells);
        free(line);
        free(row);
        free(col_x);
        return false;
    }
    free(p->cells);
    free(p->line);
    free(p->row);
    free(p->col_x);
    p->cells = cells;
    p->line = line;
    p->row = row;
    p->col_x = col_x;
    p->cols = cols;
    p->rows = rows;
    return true;
}

/* True when everything is to be drawn anew. */
static bool adopt(struct term *t, uint64_t n) {
    struct painter *p = &t->paint;
    const struct grid *g = term_grid(t);
    bool fresh_font = p->font_next != NULL;
    if (!fresh_font && !p->restyle && p->sized && p->width == t->width && p->height == t->height &&
        p->cols == g->cols && p->rows == g->rows)
        return false;
    if (fresh_font) {
        struct raster raster;
        if (!raster_init(&raster, &p->wanted)) {
            font_set_free(p->font);
            raster_fini(&p->raster);
            p->font = p->font_next;
            p->raster = raster;
            p->font_next = NULL;
        }
    }
    if ((p->cols != g->cols || p->rows != g->rows) && !regrid(p, g->cols, g->rows))
        return false;
    if (fresh_font || p->restyle || !p->cache.slot_count) {
        cache_reset(&p->cache, p->raster.m.width, p->raster.m.height, n);
        p->layer_height = 0;
    }
    p->restyle = false;
    p->colors = t->colors;
    p->reverse = t->modes.reverse;
    p->width = t->width;
    p->height = t->height;
    p->pad_x = MAX_OF((p->width - p->cols * p->raster.m.width) / 2, 0);
    p->pad_y = MAX_OF((p->height - p->rows * p->raster.m.height) / 2, 0);
    for (int c = 0; c < p->cols; c++) {
        int x = p->pad_x + c * p->raster.m.width;
        int digits = snprintf(NULL, 0, "%d", x);
        char text[32];
        snprintf(text, sizeof text, "%d.%d,", digits, x);
        memset(p->col_x[c], 0, 8);
        memcpy(p->col_x[c], text, MIN_OF(strlen(text), (size_t)8));
    }
    memset(p->cells, 0, (size_t)p->cols * (size_t)p->rows * sizeof *p->cells);
    for (int r = 0; r < p->rows; r++)
        p->row[r] = (struct paint_row){ .id = NEVER, .changed = n };
    p->sized = n;
    p->thumb_h = 0;
    return true;
}

/* ---- moves ------------------------------------------------------------------------------------
 */

/* Rows [dst, dst + count) show what rows from dst + shift on showed. */
static void move_rows(struct painter *p, int dst, int count, int shift, uint64_t n,
                      struct buf *out) {
    int ch = p->raster.m.height;
    draw_copy(out, 0, p->pad_x, p->pad_y + (dst + shift) * ch, p->cols * p->raster.m.width,
              count * ch, DRAW_OVER, 0, p->pad_x, p->pad_y + dst * ch);
    memmove(p->cells + (size_t)dst * (size_t)p->cols,
            p->cells + (size_t)(dst + shift) * (size_t)p->cols,
            (size_t)count * (size_t)p->cols * sizeof(cell_t));
    memmove(p->row + dst, p->row + dst + shift, (size_t)count * sizeof *p->row);
    for (int r = dst; r < dst + count; r++)
        p->row[r].changed = n;
}

/* Shown row that has this id: near the last shift first. */
static int shown_at(const struct painter *p, uint64_t id, int hint, uint64_t newest) {
    if (hint >= 0 && hint < p->rows && p->row[hint].id == id)
        return hint;
    if (id > newest)
        return -1;
    for (int r = 0; r < p->rows; r++)
        if (p->row[r].id == id)
            return r;
    return -1;
}

static void moves(struct term *t, uint64_t n, struct buf *out) {
    struct painter *p = &t->paint;
    uint64_t newest = 0;
    for (int r = 0; r < p->rows; r++)
        if (p->row[r].id != NEVER && p->row[r].id > newest)
            newest = p->row[r].id;
    /* Upwards from the top, then downwards from the bottom. What one move overwrites is no source
     * for the next: those rows simply are not found any more, and are drawn. */
    for (int way = 0; way < 2; way++) {
        int shift = 0;
        for (int i = 0; i < p->rows; i++) {
            int dst = way ? p->rows - 1 - i : i;
            uint64_t id = view_row(t, dst).id;
            if (!id || p->row[dst].id == id)
                continue;
            int src = shown_at(p, id, dst + shift, newest);
            if (src < 0 || (way ? src > dst : src < dst))
                continue;
            shift = src - dst;
            int step = way ? -1 : 1, count = 1;
            while (dst + step * count >= 0 && dst + step * count < p->rows &&
                   src + step * count >= 0 && src + step * count < p->rows &&
                   p->row[src + step * count].id == view_row(t, dst + step * count).id &&
                   p->row[src + step * count].id)
                count++;
            move_rows(p, way ? dst - count + 1 : dst, count, shift, n, out);
            i += count - 1;
        }
    }
}

/* ---- changes ----------------------------------------------------------------------------------
 */

static void row_diff(struct term *t, int r, uint64_t n) {
    struct painter *p = &t->paint;
    struct paint_row *shown = &p->row[r];
    struct view_row v = view_row(t, r);
    if (shown->id == v.id && shown->version == v.version && shown->overlay == v.overlay)
        return;
    shown->id = v.id;
    shown->version = v.version;
    shown->overlay = v.overlay;
    cell_t *have = p->cells + (size_t)r * (size_t)p->cols;
    view_cells(t, r, p->line);
    for (int c = 0; c < p->cols; c++) {
        if (have[c] == p->line[c])
            continue;
        int left = c, right = c + 1;
        for (int gap = 0; c < p->cols && gap < 2; c++) /* one equal cell between is drawn too */
            if (have[c] != p->line[c]) {
                right = c + 1;
                gap = 0;
            } else {
                gap++;
            }
        while (left > 0 && (p->line[left] & CELL_TAIL))
            left--;
        while (right < p->cols && (p->line[right] & CELL_TAIL))
            right++;
        memcpy(have + left, p->line + left, (size_t)(right - left) * sizeof *have);
        paint_run(t, r, left, right, n);
        shown->changed = n;
        c = right - 1;
    }
}

/* Entered with the lock, which is given back before glyphs are drawn and pictures packed. */
static bool frame_cells(struct term *t, uint64_t n, struct buf *out) {
    struct painter *p = &t->paint;
    size_t before = out->len;
    paint_begin(p);
    _buf_cleanup_ struct buf moved = { 0 };
    buf_init(&moved, 1u << 20);
    bool all = adopt(t, n);
    if (!p->cells || !p->raster.mask) { /* no memory for the first screen: the next try may have */
        term_unlock(t);
        return false;
    }
    if (!all)
        moves(t, n, &moved);
    for (int r = 0; r < p->rows; r++)
        row_diff(t, r, n);
    int y, h;
    view_thumb(t, p->height, &y, &h);
    bool thumb = y != p->thumb_y || h != p->thumb_h;
    if (thumb) {
        p->thumb_y = y;
        p->thumb_h = h;
        p->thumb_changed = n;
    }
    paint_direct_jobs(t);
    /* Nobody but this thread changes what the rest needs. */
    bool any = all || moved.len || p->fill_count || p->draws.len || p->over_count ||
               p->direct.right || thumb;
    if (any)
        p->frame = n;
    term_unlock(t);
    for (size_t i = 0; i < p->fresh_count; i++) {
        size_t stride;
        uint32_t *pixels = cache_pixels(&p->cache, p->fresh[i].place, &stride);
        raster_cell(&p->raster, p->font, &p->fresh[i].job, pixels, stride);
    }
    if (cache_layer_height(&p->cache) > p->layer_height && p->cache.rows) {
        p->layer_height = cache_layer_height(&p->cache);
        p->layer_sized = n;
    }
    if (any) {
        if (all)
            paint_out_size(p, out);
        paint_out_cache(p, n - 1, out);
        buf_add(out, moved.data, moved.len);
        paint_out_cells(p, out);
        if (thumb)
            paint_out_thumb(p, out);
    }
    return any && out->len > before;
}

static bool picture_frame(struct picture *pic, uint64_t n, const struct picture_caps *caps,
                          struct buf *out) {
    struct term *t = term_of(pic);
    (void)caps; /* text is PNG for everyone */
    term_lock(t);
    if (t->sync_until && t->paint.sized && clock_ms() < t->sync_until) {
        term_unlock(t);
        return false;
    }
    return frame_cells(t, n, out);
}

/* Cells that are not as the background left them. */
static void rows_anew(struct term *t, int r) {
    const struct painter *p = &t->paint;
    const cell_t *cells = p->cells + (size_t)r * (size_t)p->cols;
    for (int c = 0; c < p->cols; c++) {
        int left = c;
        while (c < p->cols && cells[c])
            c++;
        if (c > left)
            paint_run(t, r, left, c, 0);
    }
}

static void picture_paint(struct picture *pic, uint64_t since, const struct picture_caps *caps,
                          struct buf *out) {
    struct term *t = term_of(pic);
    struct painter *p = &t->paint;
    (void)caps;
    if (!p->frame || since >= p->frame)
        return;
    term_lock(t);
    paint_begin(p);
    bool all = since < p->sized;
    for (int r = 0; r < p->rows; r++) {
        if (all)
            rows_anew(t, r);
        else if (p->row[r].changed > since)
            paint_run(t, r, 0, p->cols, 0);
    }
    paint_direct_jobs(t);
    term_unlock(t);
    if (all)
        paint_out_size(p, out);
    paint_out_cache(p, since, out);
    paint_out_cells(p, out);
    if (p->thumb_changed > since && (!all || p->thumb_h))
        paint_out_thumb(p, out);
}

static void picture_size(const struct picture *pic, int *width, int *height) {
    const struct painter *p = &term_of(pic)->paint;
    *width = p->width;
    *height = p->height;
}

int paint_init(struct term *t, struct font_set *font) {
    static const struct picture_impl impl = { picture_frame, picture_paint, picture_size };
    struct painter *p = &t->paint;
    p->picture.impl = &impl;
    p->font_next = font;
    p->width = t->width;
    p->height = t->height;
    font_set_metrics(font, &p->wanted);
    p->png = png_encoder_new();
    buf_init(&p->draws, DRAWS_MAX);
    buf_init(&p->image, IMAGE_MAX);
    return p->png ? 0 : -1;
}

void paint_fini(struct painter *p) {
    font_set_free(p->font);
    font_set_free(p->font_next);
    free(p->cells);
    free(p->row);
    free(p->line);
    free(p->col_x);
    free(p->fill);
    free(p->over);
    free(p->fresh);
    free(p->jobs);
    cache_fini(&p->cache);
    raster_fini(&p->raster);
    png_encoder_free(p->png);
    buf_fini(&p->draws);
    buf_fini(&p->image);
    *p = (struct painter){ 0 };
}
