/* PNG (ISO 15948) encoder of our own on libdeflate: screens of text and controls are few colours,
 * and packed palette indices cost a third to a fifth of what 24-bit pixels cost. No filters: they
 * pay on photographs only, and those should not be PNG. */
#ifndef GUAC_DISPLAY_PNG_H
#define GUAC_DISPLAY_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

#define PNG_SIDE_MAX 8192 /* pixels */
#define PNG_COLORS_MAX 256

/* Keeps the compressors and the scratch memory (about 0.2 MB from the first picture on, 0.9 MB from
 * the first one of more than 256 colours). One a thread. */
struct png_encoder;

struct png_encoder *png_encoder_new(void); /* NULL without memory; allocates nothing else yet */
void png_encoder_free(struct png_encoder *e);
/* Gives back what is allocated again when needed: for a session that became idle. */
void png_encoder_trim(struct png_encoder *e);

/* Each appends one whole PNG file to out, and returns 0; or -1 (sides outside 1..PNG_SIDE_MAX, no
 * memory, or out's maximum), then out is as before. `stride` is in elements of the array.
 * Colours are 0xAARRGGBB, alpha straight (not premultiplied). */

/* Pixels 0x??RRGGBB, the highest byte is ignored. Palette up to 256 colours, else 24 bits. */
int png_encode_rgb(struct png_encoder *e, const uint32_t *pixels, size_t stride, int width,
                   int height, struct buf *out);
/* As above with alpha: palette with tRNS up to 256 colours, else 32 bits. */
int png_encode_rgba(struct png_encoder *e, const uint32_t *pixels, size_t stride, int width,
                    int height, struct buf *out);
/* Indices into `colors` entries of palette (1..256); an index beyond is a programming error and
 * refused. Packed to 1, 2, 4 or 8 bits by `colors`. tRNS is written when an alpha is not 255. */
int png_encode_indexed(struct png_encoder *e, const uint8_t *indices, size_t stride, int width,
                       int height, const uint32_t *palette, size_t colors, struct buf *out);
/* 8-bit grey. */
int png_encode_grey(struct png_encoder *e, const uint8_t *grey, size_t stride, int width,
                    int height, struct buf *out);

#endif
