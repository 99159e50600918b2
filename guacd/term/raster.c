#include "guacd/term/raster.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/term/box.h"
#include "guacd/term/colors.h"

int raster_init(struct raster *r, const struct font_metrics *m) {
    size_t n = (size_t)m->width * 2 * (size_t)m->height;
    r->m = *m;
    r->mask = malloc(n);
    r->color = malloc(n * sizeof *r->color);
    if (r->mask && r->color)
        return 0;
    raster_fini(r);
    return -1;
}

void raster_fini(struct raster *r) {
    free(r->mask);
    free(r->color);
    *r = (struct raster){ 0 };
}

/* What is laid over a character without a shape of its own. */
static bool invisible(uint32_t cp) {
    return (cp >= 0x200B && cp <= 0x200F) || (cp >= 0xFE00 && cp <= 0xFE0F) ||
           (cp >= 0x1F3FB && cp <= 0x1F3FF) || (cp >= 0xE0000 && cp <= 0xE0FFF) || cp == 0x2060;
}

/* Characters that are pictures unless text is asked for (U+FE0E); the other way round below
 * U+1F000, where most symbols are text unless U+FE0F follows. */
static bool is_emoji(const struct raster_job *j) {
    for (uint32_t i = 1; i < j->count; i++)
        if (j->cp[i] == 0xFE0E || j->cp[i] == 0xFE0F)
            return j->cp[i] == 0xFE0F;
    return j->cells == 2 && (j->cp[0] >= 0x1F000 || (j->cp[0] >= 0x231A && j->cp[0] <= 0x2B55));
}

static void span(uint32_t *pixels, size_t stride, int x0, int x1, int y, uint32_t c) {
    for (int x = x0; x < x1; x++)
        pixels[(size_t)y * stride + (size_t)x] = c;
}

static void curl(const struct raster *r, uint32_t *pixels, size_t stride, int width, uint32_t c) {
    int period = MAX_OF(r->m.width / 2 * 2, 4), high = MAX_OF(r->m.height / 12, 2);
    int base = MIN_OF(r->m.underline, r->m.height - high - 1);
    for (int x = 0; x < width; x++) {
        int k = x % period, rise = k < period / 2 ? k : period - k; /* 0…period/2 */
        int y = base + rise * high / (period / 2);
        for (int i = 0; i < r->m.thickness && y + i < r->m.height; i++)
            pixels[(size_t)(y + i) * stride + (size_t)x] = c;
    }
}

static void underline(const struct raster *r, unsigned kind, uint32_t *pixels, size_t stride,
                      int width, uint32_t c) {
    int t = r->m.thickness, y = r->m.underline;
    if (kind == UL_CURLY) {
        curl(r, pixels, stride, width, c);
        return;
    }
    if (kind == UL_DOUBLE)
        y = MIN_OF(y, r->m.height - 3 * t);
    int on = kind == UL_DOTTED ? t : kind == UL_DASHED ? MAX_OF(r->m.width / 2, 2) : width;
    int step = kind == UL_DOTTED ? 2 * t : kind == UL_DASHED ? r->m.width : width;
    for (int k = 0; k < t; k++)
        for (int x = 0; x < width; x += step) {
            span(pixels, stride, x, MIN_OF(x + on, width), y + k, c);
            if (kind == UL_DOUBLE)
                span(pixels, stride, x, MIN_OF(x + on, width), y + 2 * t + k, c);
        }
}

/* 16 steps between the two colours: no eye sees more at these sizes, and a pair of colours stays
 * within four bits a pixel. */
static void blend(const struct raster *r, const struct look *l, bool colored, int width,
                  uint32_t *pixels, size_t stride) {
    uint32_t ramp[16];
    for (unsigned i = 0; i < 16; i++)
        ramp[i] = colors_mix(l->bg, l->fg, (i * 256 + 7) / 15);
    for (int y = 0; y < r->m.height; y++) {
        const uint8_t *mask = r->mask + (size_t)y * (size_t)width;
        uint32_t *out = pixels + (size_t)y * stride;
        for (int x = 0; x < width; x++)
            out[x] = ramp[(mask[x] * 15u + 127) / 255];
        if (!colored)
            continue;
        const uint32_t *color = r->color + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++) {
            uint32_t a = color[x] >> 24, px = 0;
            if (!a)
                continue;
            for (int s = 0; s <= 16; s += 8) {
                uint32_t v =
                    (color[x] >> s & 0xFF) + ((out[x] >> s & 0xFF) * (255 - a) + 127) / 255;
                px |= MIN_OF(v, 255u) << s;
            }
            out[x] = px;
        }
    }
}

void raster_cell(struct raster *r, struct font_set *font, const struct raster_job *j,
                 uint32_t *pixels, size_t stride) {
    int width = r->m.width * j->cells, height = r->m.height;
    size_t area = (size_t)width * (size_t)height;
    memset(r->mask, 0, area);
    memset(r->color, 0, area * sizeof *r->color);
    struct font_canvas c = { .width = width, .height = height, .mask = r->mask, .color = r->color };
    bool bold = j->look.attrs & ATTR_BOLD, italic = j->look.attrs & ATTR_ITALIC;
    for (uint32_t i = 0; i < j->count; i++) {
        uint32_t cp = j->cp[i];
        if (cp <= ' ' || cp == 0xA0 || (i && invisible(cp)))
            continue;
        if (i == 0 && box_has(cp))
            box_draw(cp, r->mask, r->m.width, height);
        else
            font_draw(font, cp, bold, italic, i == 0 && is_emoji(j), i > 0, &c);
    }
    blend(r, &j->look, c.colored, width, pixels, stride);
    unsigned ul = (j->look.attrs & ATTR_UNDERLINE) >> ATTR_UNDERLINE_SHIFT;
    if (ul)
        underline(r, ul, pixels, stride, width, j->look.ul);
    for (int k = 0; k < r->m.thickness; k++) {
        if (j->look.attrs & ATTR_STRIKE)
            span(pixels, stride, 0, width, MIN_OF(r->m.strike + k, height - 1), j->look.fg);
        if (j->look.attrs & ATTR_OVERLINE)
            span(pixels, stride, 0, width, MIN_OF(k, height - 1), j->look.fg);
    }
}
