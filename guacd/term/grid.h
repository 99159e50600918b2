/* The screen as rows of cells, and the lines that left it at the top. Rows move by pointer and have
 * an identity and a version, so whoever shows them can tell "moved" from "changed" without a log.
 */
#ifndef GUAC_TERM_GRID_H
#define GUAC_TERM_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/term/cell.h"

#define GRID_SIDE_MAX 4096         /* rows and columns */
#define GRID_BYTES_MAX (96u << 20) /* of scrollback, whatever the parameter says */

struct row {
    uint64_t id;      /* new when a row begins a new life as a blank one */
    uint32_t version; /* counts its changes */
    uint16_t used;    /* cells from here on are 0 */
    bool wrapped;     /* goes on from the row above (autowrap) */
    cell_t cells[];
};

struct grid {
    int cols, rows;
    struct row **row;  /* rows of them, top first */
    struct row **back; /* ring of lines that scrolled off */
    int back_cap, back_len, back_head;
    int back_wanted; /* lines the user asked for; back_cap is what memory allows of it */
    uint64_t gone;   /* lines dropped at the far end so far: line numbers stay true */
    uint64_t next_id;
};

struct grid_rect {
    int top, bottom, left, right; /* bottom and right are excluded */
};

/* A place that resizing carries along (cursor, saved cursor). */
struct grid_pos {
    int row, col;
};

int grid_init(struct grid *g, int cols, int rows, int scrollback);
void grid_fini(struct grid *g); /* zeroed is valid */

/* Everything below clips to the grid. `blank` is what empty cells look like (background colour). */
void grid_put(struct grid *g, int row, int col, cell_t cell, int width);
/* Printable ASCII, all in one style; blanks become `blank`. The whole run fits into the row. */
void grid_put_ascii(struct grid *g, int row, int col, const char *text, int count, cell_t style,
                    cell_t blank);
void grid_erase(struct grid *g, struct grid_rect r, cell_t blank, bool keep_protected);
/* Content moves up by `down` (negative: down) and left by `right`; only lines that leave the whole
 * width at row 0 go to the scrollback. */
void grid_scroll(struct grid *g, struct grid_rect r, int down, int right, cell_t blank);
void grid_clear_back(struct grid *g);
/* reflow: long lines are cut anew at the new width, and lines come back from the scrollback when
 * the screen grows. Otherwise the screen is cut or filled at the right and at the bottom. pos[i]
 * are carried along. -1 without memory: nothing changed. */
int grid_resize(struct grid *g, int cols, int rows, bool reflow, struct grid_pos *pos,
                size_t count);

/* Lines by number: 0 is the first line ever, `grid_first` the oldest kept, `grid_top` the screen's
 * first row. NULL for a line that is gone or not yet there. */
static inline uint64_t grid_first(const struct grid *g) {
    return g->gone;
}
static inline uint64_t grid_top(const struct grid *g) {
    return g->gone + (uint64_t)g->back_len;
}
const struct row *grid_line(const struct grid *g, uint64_t line);
/* fn for every cell kept anywhere. */
void grid_each(const struct grid *g, void (*fn)(void *arg, cell_t cell), void *arg);

#endif
