/* Turns pixels into palette indices as long as 256 colours are enough. */
#ifndef GUAC_DISPLAY_PALETTE_H
#define GUAC_DISPLAY_PALETTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PALETTE_SLOTS 1024 /* four times the colours: short probes */

struct palette {
    uint32_t colors[256];
    size_t count;
    uint32_t keys[PALETTE_SLOTS];
    uint16_t slots[PALETTE_SLOTS]; /* index + 1, 0: free */
};

/* indices (width * height bytes, no gaps) and p->colors in order of appearance. Pixels are or-ed
 * with `fill` first (0xFF000000 drops alpha). false: more than 256 colours. */
bool palette_map(struct palette *p, const uint32_t *pixels, size_t stride, int width, int height,
                 uint32_t fill, uint8_t *indices);

#endif
