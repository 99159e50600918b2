/* The grid as a picture (display/picture.h). What the users' canvases show is kept as cells:
 * frame() compares the grid with it and says the difference, paint() says it anew to whoever is
 * behind.
 *
 * Glyphs lie blended in an off-screen layer and are copied; blanks are filled; rows that moved are
 * moved by one copy. Glyphs of a picture with more colours than the layer has room for (true-colour
 * art) go straight to the screen as one image. */
#ifndef GUAC_TERM_PAINT_H
#define GUAC_TERM_PAINT_H

#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/display/picture.h"
#include "guacd/term/cache.h"
#include "guacd/term/colors.h"
#include "guacd/term/font.h"
#include "guacd/term/raster.h"

struct png_encoder;

struct paint_fill {
    int x, y, w, h;
    uint32_t color;
};

/* One row as the canvases show it. */
struct paint_row {
    uint64_t id; /* of the grid's row; 0: nothing known */
    uint32_t version;
    uint64_t overlay; /* selection and cursor in it */
    uint64_t changed; /* frame */
};

struct paint_direct { /* box of cells drawn as an image, in cells; empty when right is 0 */
    int top, left, bottom, right;
};

struct painter {
    struct picture picture;
    struct font_set *font;      /* the wire thread's */
    struct font_set *font_next; /* takes its place with the next frame */
    struct font_metrics wanted; /* of the newest font: what the grid is laid out for */
    bool restyle;               /* colours changed */

    /* As of the last sealed frame; changed under the lock by the wire thread only. */
    uint64_t frame;
    int width, height; /* layer 0 */
    int cols, rows, pad_x, pad_y;
    struct colors colors;
    bool reverse;
    cell_t *cells;
    struct paint_row *row;
    uint64_t sized;       /* frame in which everything became new */
    uint64_t layer_sized; /* … the cache layer grew */
    int layer_height;
    int thumb_y, thumb_h; /* of the scroll bar; h 0: none */
    uint64_t thumb_changed;
    struct cache cache;
    struct raster raster;
    struct png_encoder *png;

    /* Scratch of one call. */
    cell_t *line;
    char (*col_x)[8]; /* "L.x," of each column */
    struct paint_fill *fill;
    size_t fill_count, fill_cap;
    struct paint_fill *over; /* after the glyphs: cursors */
    size_t over_count, over_cap;
    struct buf draws; /* copies of glyphs */
    struct {
        struct raster_job job;
        int place;
    } * fresh; /* glyphs to be drawn into the cache */
    size_t fresh_count, fresh_cap;
    struct paint_direct direct;
    struct raster_job *jobs; /* of the cells in that box, row by row */
    size_t job_cap;
    struct buf image;
    bool touched; /* the rows of what is shown were marked as needed */
};

struct term;

int paint_init(struct term *t, struct font_set *font);
void paint_fini(struct painter *p);
/* Size of a cell the grid is laid out for. */
void paint_cell(const struct painter *p, int *width, int *height);
/* fn for every cell that is shown or cached: their styles and clusters are in use. */
void paint_each(const struct painter *p, void (*fn)(void *arg, cell_t cell), void *arg);

/* view.c: the cells to be shown, scrolled back or not, with selection and cursor. */
struct view_row {
    uint64_t id, overlay;
    uint32_t version;
};
struct view_row view_row(const struct term *t, int row);
void view_cells(const struct term *t, int row, cell_t *out);
void view_thumb(const struct term *t, int height, int *y, int *h);

/* paint_row.c: cells to instructions, collected in the painter's scratch. */
void paint_begin(struct painter *p);
void paint_run(struct term *t, int row, int left, int right, uint64_t frame);
void paint_look(const struct term *t, cell_t cell, struct raster_job *job);
/* Blank cells are filled, not copied; *color is with what. */
bool paint_blank(const struct term *t, cell_t cell, uint32_t *color);
void paint_add_fill(struct paint_fill **list, size_t *count, size_t *cap, struct paint_fill f);

/* paint_out.c: what was collected, to instructions */
void paint_out_size(struct painter *p, struct buf *out);
void paint_out_cache(struct painter *p, uint64_t since, struct buf *out);
void paint_out_cells(struct painter *p, struct buf *out);
void paint_out_thumb(struct painter *p, struct buf *out);
/* Under the lock: how the cells of the box look. */
void paint_direct_jobs(struct term *t);

#endif
