/* Fonts by fontconfig, glyphs by FreeType. One set is used by one thread at a time. */
#ifndef GUAC_TERM_FONT_H
#define GUAC_TERM_FONT_H

#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/err.h"

struct font_set;

struct font_metrics {
    int width, height; /* of a cell, pixels */
    int baseline;      /* rows from the cell's top */
    int underline;     /* its first row */
    int strike;
    int thickness; /* of lines */
};

/* What one cell (or two) is drawn into: coverage for glyphs in the text's colour, premultiplied
 * pixels for those that bring their own. */
struct font_canvas {
    int width, height;
    uint8_t *mask;   /* width * height */
    uint32_t *color; /* 0xAARRGGBB, premultiplied; or NULL: none wanted */
    bool colored;    /* something was drawn into color */
};

void font_warm(void);
struct font_set *font_set_new(const char *name, double points, int dpi, struct err *e);
void font_set_free(struct font_set *f); /* NULL is fine */
void font_set_metrics(const struct font_set *f, struct font_metrics *m);
/* Draw a character at the cell's baseline. emoji: colours are preferred. mark: it is laid over a
 * character before it. A character no font has becomes a hollow box. */
void font_draw(struct font_set *f, uint32_t cp, bool bold, bool italic, bool emoji, bool mark,
               struct font_canvas *c);

#endif
