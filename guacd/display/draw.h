/* The drawing instructions a picture is made of, as appends to a buffer. Layers are Guacamole's:
 * 0 the display, above 0 visible layers, below 0 off-screen buffers. */
#ifndef GUAC_DISPLAY_DRAW_H
#define GUAC_DISPLAY_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

/* Channel masks (wire.md section 1). SRC clears the whole destination outside the rectangle. */
enum draw_mask { DRAW_ROUT = 0x2, DRAW_ATOP = 0x6, DRAW_OVER = 0xE, DRAW_SRC = 0xC };

/* Streams of pictures are odd: broadcast, not acknowledged. One number is enough, since each one
 * ends before the next begins; the session keeps the others for itself. */
#define DRAW_STREAM 1

void draw_size(struct buf *out, int layer, int width, int height);
/* Fill a rectangle with one opaque colour 0x??RRGGBB. */
void draw_fill(struct buf *out, int layer, int x, int y, int width, int height, uint32_t color);
void draw_copy(struct buf *out, int src, int sx, int sy, int width, int height, enum draw_mask mask,
               int dst, int dx, int dy);
void draw_move(struct buf *out, int layer, int parent, int x, int y, int z);
void draw_dispose(struct buf *out, int layer);
/* img, blob…, end */
void draw_image(struct buf *out, enum draw_mask mask, int layer, const char *mimetype, int x, int y,
                const void *data, size_t len);
void draw_cursor(struct buf *out, int hot_x, int hot_y, int src, int sx, int sy, int width,
                 int height);

#endif
