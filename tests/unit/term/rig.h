/* A terminal without a target: what it says is kept, what it shows can be rendered by the book. */
#ifndef GUAC_TESTS_TERM_RIG_H
#define GUAC_TESTS_TERM_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

/* Check notes every assertion in a file: too slow for each cell. */
#define MUST(cond, ...) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "%s:%d: %s:", __FILE__, __LINE__, #cond); \
            fprintf(stderr, " " __VA_ARGS__); \
            fputc('\n', stderr); \
            abort(); \
        } \
    } while (0)

struct rig {
    struct term *t;
    struct buf out; /* for the target */
    char title[256];
    struct buf clip;
    int pastes, cols, rows, echoes;
    uint64_t echo_id, frame;
};

static inline void rig_output(void *arg, const void *data, size_t len) {
    buf_add(&((struct rig *)arg)->out, data, len);
}
static inline void rig_title(void *arg, const char *text) {
    snprintf(((struct rig *)arg)->title, 256, "%s", text);
}
static inline void rig_clipboard(void *arg, const char *text, size_t len) {
    struct rig *r = arg;
    buf_clear(&r->clip);
    buf_add(&r->clip, text, len);
}
static inline void rig_paste(void *arg) {
    ((struct rig *)arg)->pastes++;
}
static inline void rig_size(void *arg, int cols, int rows, int width, int height) {
    struct rig *r = arg;
    (void)width, (void)height;
    r->cols = cols;
    r->rows = rows;
}
static inline void rig_echo(void *arg, uint64_t id) {
    struct rig *r = arg;
    r->echoes++;
    r->echo_id = id;
}

static inline void rig_init(struct rig *r, int width, int height, int font, int scrollback) {
    static const struct term_ops ops = { rig_output, rig_title, rig_clipboard,
                                         rig_paste,  rig_size,  rig_echo };
    struct term_config cfg = { .width = width,
                               .height = height,
                               .dpi = 96,
                               .font_name = "monospace",
                               .font_size = font,
                               .color_scheme = "",
                               .scrollback = scrollback,
                               .backspace = 127,
                               .clipboard_write = true };
    struct err e = { 0 };
    memset(r, 0, sizeof *r);
    buf_init(&r->out, 16u << 20);
    buf_init(&r->clip, 16u << 20);
    r->t = term_new(&cfg, &ops, r, &e);
    if (!r->t) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
}

/* Exactly so many cells. */
static inline void rig_cells(struct rig *r, int cols, int rows, int scrollback) {
    rig_init(r, 100, 100, 8, scrollback);
    int cw, ch;
    paint_cell(&r->t->paint, &cw, &ch);
    term_resize(r->t, cols * cw + 4, rows * ch + 4, 96);
}

static inline void rig_fini(struct rig *r) {
    term_free(r->t);
    buf_fini(&r->out);
    buf_fini(&r->clip);
}

static inline void rig_feed(struct rig *r, const char *text) {
    term_feed(r->t, text, strlen(text));
}

static inline const char *rig_said(struct rig *r) {
    static char text[4096];
    snprintf(text, sizeof text, "%.*s", (int)r->out.len, r->out.data ? r->out.data : "");
    buf_clear(&r->out);
    return text;
}

static inline const char *rig_row(struct rig *r, int row) {
    static char text[4096];
    struct buf b;
    buf_init(&b, sizeof text);
    const struct grid *g = term_grid(r->t);
    row_text(r->t, g->row[row], 0, g->cols, &b);
    snprintf(text, sizeof text, "%s", buf_str(&b));
    buf_fini(&b);
    return text;
}

static inline bool rig_frame(struct rig *r, struct buf *out) {
    static const struct picture_caps caps;
    struct picture *p = term_picture(r->t);
    if (!p->impl->frame(p, r->frame + 1, &caps, out))
        return false;
    r->frame++;
    return true;
}

static inline void rig_paint(struct rig *r, uint64_t since, struct buf *out) {
    static const struct picture_caps caps;
    struct picture *p = term_picture(r->t);
    p->impl->paint(p, since, &caps, out);
}

/* The picture as it should be, cell by cell, without cache, moves or diffs. Valid after frame()
 * and before anything else happens to the terminal. */
static inline uint32_t *rig_render(struct rig *r, int *width, int *height) {
    struct term *t = r->t;
    struct painter *p = &t->paint;
    int cw = p->raster.m.width, ch = p->raster.m.height;
    *width = t->width;
    *height = t->height;
    uint32_t *px = malloc((size_t)*width * (size_t)*height * sizeof *px);
    uint32_t bg = p->reverse ? p->colors.fg : p->colors.bg;
    for (int i = 0; i < *width * *height; i++)
        px[i] = bg;
    cell_t *line = malloc((size_t)p->cols * sizeof *line);
    uint32_t *two = malloc((size_t)cw * 2 * (size_t)ch * sizeof *two);
    for (int row = 0; row < p->rows; row++) {
        view_cells(t, row, line);
        for (int c = 0; c < p->cols; c++) {
            struct raster_job job;
            cell_t cell = line[c] & ~(cell_t)(CELL_BAR | CELL_UNDER);
            if (cell & CELL_TAIL)
                continue;
            paint_look(t, cell, &job);
            raster_cell(&p->raster, p->font, &job, two, (size_t)cw * 2);
            for (int y = 0; y < ch; y++)
                for (int x = 0; x < cw * job.cells; x++)
                    px[(p->pad_y + row * ch + y) * *width + p->pad_x + c * cw + x] =
                        two[y * cw * 2 + x];
        }
        for (int c = 0; c < p->cols; c++) { /* cursor lines */
            if (!(line[c] & (CELL_BAR | CELL_UNDER)))
                continue;
            struct raster_job job;
            paint_look(t, line[c] & ~(cell_t)(CELL_BAR | CELL_UNDER), &job);
            uint32_t color = p->colors.cursor == COLORS_AUTO ? job.look.fg : p->colors.cursor;
            int thick = MAX_OF(p->raster.m.thickness, 2);
            bool bar = line[c] & CELL_BAR;
            for (int y = bar ? 0 : ch - thick; y < ch; y++)
                for (int x = 0; x < (bar ? thick : cw); x++)
                    px[(p->pad_y + row * ch + y) * *width + p->pad_x + c * cw + x] = color;
        }
    }
    if (p->thumb_h) {
        int x0 = p->pad_x + p->cols * cw, w = *width - x0, y, h;
        view_thumb(t, *height, &y, &h);
        uint32_t fg = p->reverse ? p->colors.bg : p->colors.fg;
        for (int yy = y; yy < y + h; yy++)
            for (int x = x0 + (w > 3); x < *width; x++)
                px[yy * *width + x] = colors_mix(bg, fg, 110);
    }
    free(line);
    free(two);
    return px;
}

#endif
