/* What the person marked, in line numbers that stay true while lines scroll off. */
#ifndef GUAC_TERM_SELECT_H
#define GUAC_TERM_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/term/grid.h"

enum select_by { SELECT_CHARS, SELECT_WORDS, SELECT_LINES };

struct select_point {
    uint64_t line;
    int col;
};

struct selection {
    bool active, dragging;
    int screen;
    enum select_by by;
    struct select_point anchor, head; /* where it began, where it is */
    struct select_point from, to;     /* in order, widened to words or lines; both included */
    uint64_t click_ms;                /* for double and triple clicks */
    int clicks, click_col;
    uint64_t click_line;
};

struct term;

void selection_clear(struct selection *s);
/* Columns of a line that are selected, [from, to); false: none. */
bool selection_span(const struct selection *s, int screen, uint64_t line, int cols, int *from,
                    int *to);
void selection_begin(struct term *t, struct select_point at, uint64_t now_ms);
void selection_drag(struct term *t, struct select_point at);
/* Text of what is selected: lines joined where they wrapped, trailing blanks dropped. */
bool selection_text(const struct term *t, struct buf *out);
/* A row's text; cells from left up to right. */
void row_text(const struct term *t, const struct row *r, int left, int right, struct buf *out);

#endif
