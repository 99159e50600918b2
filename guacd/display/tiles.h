/* From changed tiles to few instructions: joins tiles to rectangles (codecs.md section 6), fills
 * the ones of a single colour, sends the others as PNG. Each picture costs a browser 0.7 ms however
 * small, so beyond TILES_PICTURES the rectangles become larger. Pure but for its encoder. */
#ifndef GUAC_DISPLAY_TILES_H
#define GUAC_DISPLAY_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/display/picture.h"
#include "guacd/display/png.h"

#define TILES_PICTURES 8

/* What to send of one tile, in pixels of the surface; x0 == x1: nothing. */
struct tile_box {
    uint16_t x0, y0, x1, y1;
};

struct tiles {
    const uint32_t *pixels; /* stride == width */
    int width, height;
    int columns, rows;
    const struct tile_box *boxes; /* columns * rows */
};

/* Append what brings these boxes exactly onto `layer`; as WebP where `caps` have it and it saves
 * much: photographs, and everything at the highest thrift. -1: no memory, or out is full (then
 * it is failed). */
int tiles_encode(const struct tiles *t, int layer, const struct picture_caps *caps,
                 struct png_encoder *png, struct buf *out);

#endif
