/* JPEG encoder on libjpeg-turbo, for regions that are photographs and move. */
#ifndef GUAC_DISPLAY_JPEG_H
#define GUAC_DISPLAY_JPEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

#define JPEG_SIDE_MAX 8192
/* 4:4:4 at this quality is better than 4:2:0 at 85 in the same bytes (codecs.md section 1). */
#define JPEG_QUALITY 75

/* Keeps libjpeg's tables and scratch memory. One a thread. */
struct jpeg_encoder;

struct jpeg_encoder *jpeg_encoder_new(void); /* NULL without memory */
void jpeg_encoder_free(struct jpeg_encoder *e);
/* Appends one whole JPEG file of pixels 0x??RRGGBB (stride in pixels) to out and returns 0; or -1
 * (sides outside 1..JPEG_SIDE_MAX, no memory, or out's maximum), then out is as before.
 * quality 1..100; full: colours at full resolution (4:4:4), else at a quarter (4:2:0). */
int jpeg_encode(struct jpeg_encoder *e, const uint32_t *pixels, size_t stride, int width,
                int height, int quality, bool full, struct buf *out);

#endif
