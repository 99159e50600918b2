/* Colour bitmaps (emoji of 128 pixels) to the size of a cell. Pure. */
#ifndef GUAC_TERM_FONT_SCALE_H
#define GUAC_TERM_FONT_SCALE_H

#include <stdint.h>

/* Premultiplied BGRA bytes into 0xAARRGGBB of out_w * out_h, proportions kept, centred, each pixel
 * the mean of what it covers. */
void font_scale_bgra(const unsigned char *src, int pitch, int w, int h, uint32_t *out, int out_w,
                     int out_h);

#endif
