#include "guacd/term/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/term/term_priv.h"

#define FONT_SIZE_DEFAULT 12
#define SIDE_MAX 8192
#define CELLS_MAX (1 << 20) /* a font of one pixel must not make a grid of 64 million cells */

void term_lock(struct term *t) {
    pthread_mutex_lock(&t->door);
    pthread_mutex_lock(&t->lock);
    pthread_mutex_unlock(&t->door);
}

void term_unlock(struct term *t) {
    pthread_mutex_unlock(&t->lock);
}

void term_send(struct term *t, const void *data, size_t len) {
    if (len)
        t->ops.output(t->arg, data, len);
}

void term_sendf(struct term *t, const char *fmt, ...) {
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n > 0)
        term_send(t, text, MIN_OF((size_t)n, sizeof text - 1));
}

void term_damage(struct term *t) {
    t->damaged = true;
}

bool term_damaged(struct term *t) {
    bool d = t->damaged && !t->sync_until;
    if (d)
        t->damaged = false;
    return d;
}

void term_colors_changed(struct term *t) {
    t->paint.restyle = true;
    term_damage(t);
}

void term_warm(void) {
    font_warm();
}

/* ---- size -------------------------------------------------------------------------------------
 */

static void layout(const struct font_metrics *m, int width, int height, int dpi, int *cols,
                   int *rows) {
    int margin = MAX_OF(2 * dpi / 96, 1); /* text that touches the edge is hard to read */
    *cols = MIN_OF(MAX_OF((width - 2 * margin) / m->width, 2), GRID_SIDE_MAX);
    *rows = MIN_OF(MAX_OF((height - 2 * margin) / m->height, 1), GRID_SIDE_MAX);
    if (*cols * *rows > CELLS_MAX)
        *rows = MAX_OF(CELLS_MAX / *cols, 1);
}

void term_size(const struct term *t, int *cols, int *rows, int *width, int *height) {
    const struct grid *g = &t->grid[0];
    int cw, ch;
    paint_cell(&t->paint, &cw, &ch);
    int v[4] = { g->cols, g->rows, g->cols * cw, g->rows * ch };
    int *out[4] = { cols, rows, width, height };
    for (int i = 0; i < 4; i++)
        if (out[i])
            *out[i] = v[i];
}

static int clamp_dpi(int dpi) {
    return dpi < 24 ? (dpi > 0 ? 24 : 96) : MIN_OF(dpi, 1200);
}

/* Lay the grid out for t->width, height, dpi and the newest font. Under the lock. */
static void relayout(struct term *t) {
    int cols, rows;
    layout(&t->paint.wanted, t->width, t->height, t->dpi, &cols, &rows);
    if (cols != t->grid[0].cols || rows != t->grid[0].rows) {
        selection_clear(&t->sel);
        t->back = false;
        if (emu_resize(t, cols, rows))
            return;
    }
    int cw, ch;
    paint_cell(&t->paint, &cw, &ch);
    t->ops.size(t->arg, cols, rows, cols * cw, rows * ch);
}

void term_resize(struct term *t, int width, int height, int dpi) {
    term_lock(t);
    t->width = MIN_OF(MAX_OF(width, 1), SIDE_MAX);
    t->height = MIN_OF(MAX_OF(height, 1), SIDE_MAX);
    dpi = clamp_dpi(dpi);
    if (dpi != t->dpi) {
        struct font_set *f = font_set_new(t->font_name, t->cfg.font_size, dpi, NULL);
        if (f) {
            font_set_free(t->paint.font_next);
            t->paint.font_next = f;
            font_set_metrics(f, &t->paint.wanted);
            t->dpi = dpi;
        }
    }
    relayout(t);
    term_damage(t);
    term_unlock(t);
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct term *term_new(const struct term_config *cfg, const struct term_ops *ops, void *arg,
                      struct err *e) {
    struct term *t = calloc(1, sizeof *t);
    if (!t) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a terminal");
        return NULL;
    }
    pthread_mutex_init(&t->door, NULL);
    pthread_mutex_init(&t->lock, NULL);
    t->ops = *ops;
    t->arg = arg;
    t->cfg = *cfg;
    t->cfg.font_name = t->cfg.color_scheme = NULL;
    if (t->cfg.font_size <= 0)
        t->cfg.font_size = FONT_SIZE_DEFAULT;
    snprintf(t->font_name, sizeof t->font_name, "%s", cfg->font_name ? cfg->font_name : "");
    t->width = MIN_OF(MAX_OF(cfg->width, 1), SIDE_MAX);
    t->height = MIN_OF(MAX_OF(cfg->height, 1), SIDE_MAX);
    t->dpi = clamp_dpi(cfg->dpi);
    t->modes = (struct modes){ .autowrap = true, .alt_scroll = true };
    t->mouse.focused = true;
    struct font_set *font = NULL;
    if (colors_scheme(&t->scheme, cfg->color_scheme ? cfg->color_scheme : "", e))
        font = font_set_new(t->font_name, t->cfg.font_size, t->dpi, e);
    if (!font) {
        term_free(t);
        return NULL;
    }
    t->colors = t->scheme;
    int cols, rows;
    struct font_metrics m;
    font_set_metrics(font, &m);
    layout(&m, t->width, t->height, t->dpi, &cols, &rows);
    if (paint_init(t, font) || grid_init(&t->grid[0], cols, rows, cfg->scrollback) ||
        grid_init(&t->grid[1], cols, rows, 0) || emu_init(t)) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a terminal");
        term_free(t);
        return NULL;
    }
    /* Rows of the two screens are never taken for each other. */
    t->grid[1].next_id += (uint64_t)1 << 62;
    for (int r = 0; r < rows; r++)
        t->grid[1].row[r]->id += (uint64_t)1 << 62;
    t->damaged = true;
    return t;
}

void term_free(struct term *t) {
    if (!t)
        return;
    paint_fini(&t->paint);
    if (t->vt)
        vterm_free(t->vt);
    grid_fini(&t->grid[0]);
    grid_fini(&t->grid[1]);
    intern_fini(&t->styles);
    intern_fini(&t->clusters);
    scan_fini(&t->scan);
    pthread_mutex_destroy(&t->door);
    pthread_mutex_destroy(&t->lock);
    free(t->told);
    free(t);
}

struct picture *term_picture(struct term *t) {
    return &t->paint.picture;
}

/* ---- what was printed -------------------------------------------------------------------------
 */

void term_feed(struct term *t, const char *data, size_t len) {
    term_lock(t);
    const struct grid *g = &t->grid[0];
    emu_feed(t, data, len);
    if (t->back && t->back_line < grid_first(g)) /* what was in view is gone */
        t->back_line = grid_first(g);
    term_damage(t);
    term_unlock(t);
}

void term_note(struct term *t, const char *text) {
    term_lock(t);
    int row, col;
    term_reset(t, false);
    if (t->screen)
        term_mode(t, 1049, false);
    emu_cursor(t, &row, &col);
    if (col)
        emu_feed(t, "\r\n", 2);
    emu_feed(t, "\033[0;7m ", 7);
    emu_feed(t, text, strlen(text));
    emu_feed(t, " \033[0m", 5);
    t->modes.cursor_hidden = true;
    t->back = false;
    t->sync_until = 0;
    term_damage(t);
    term_unlock(t);
}

bool term_shown(struct term *t, struct buf *out) {
    return shown_take(&t->shown, out);
}

/* ---- time -------------------------------------------------------------------------------------
 */

int term_wait_ms(struct term *t) {
    if (!t->sync_until)
        return -1;
    uint64_t now = clock_ms();
    return t->sync_until <= now ? 0 : (int)(t->sync_until - now);
}

void term_tick(struct term *t) {
    if (!t->sync_until || clock_ms() < t->sync_until)
        return;
    term_lock(t);
    t->sync_until = 0;
    term_damage(t);
    term_unlock(t);
}

/* ---- live parameters --------------------------------------------------------------------------
 */

bool term_option(struct term *t, const char *name, const char *value, struct err *e) {
    if (strcmp(name, "color-scheme") == 0) {
        struct colors c;
        if (!colors_scheme(&c, value, e))
            return false;
        term_lock(t);
        t->scheme = t->colors = c;
        term_colors_changed(t);
        term_unlock(t);
        return true;
    }
    bool is_name = strcmp(name, "font-name") == 0;
    if (!is_name && strcmp(name, "font-size") != 0)
        return !err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s cannot change while the session runs",
                        name);
    int size = is_name ? t->cfg.font_size : atoi(value);
    if (size < 1 || size > 200)
        return !err_set(e, STATUS_CLIENT_BAD_REQUEST, "font-size: 1 to 200 points");
    struct font_set *f = font_set_new(is_name ? value : t->font_name, size, t->dpi, e);
    if (!f)
        return false;
    term_lock(t);
    if (is_name)
        snprintf(t->font_name, sizeof t->font_name, "%s", value);
    t->cfg.font_size = size;
    font_set_free(t->paint.font_next);
    t->paint.font_next = f;
    font_set_metrics(f, &t->paint.wanted);
    relayout(t);
    term_damage(t);
    term_unlock(t);
    return true;
}
