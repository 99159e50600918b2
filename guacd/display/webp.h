/* WebP encoder on libwebp. Smaller than PNG and JPEG and several times as dear (codecs.md section
 * 1): for users who take it, where bytes count more than CPU. */
#ifndef GUAC_DISPLAY_WEBP_H
#define GUAC_DISPLAY_WEBP_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

#define WEBP_SIDE_MAX 8192
#define WEBP_EXACT_PHOTO 0 /* levels of libwebp's lossless presets: half of PNG's bytes */
#define WEBP_EXACT_TEXT 1  /* half of PNG's bytes as well; ten times the CPU on photographs */

/* Each appends one whole WebP file of pixels 0x??RRGGBB (stride in pixels) to out and returns 0; or
 * -1 (sides outside 1..WEBP_SIDE_MAX, no memory, or out's maximum), then out is as before. */
int webp_encode(const uint32_t *pixels, size_t stride, int width, int height, int quality,
                struct buf *out);
int webp_encode_exact(const uint32_t *pixels, size_t stride, int width, int height, int level,
                      struct buf *out);

#endif
