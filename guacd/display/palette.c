#include "guacd/display/palette.h"

#include <string.h>

/* Index of a colour, or -1 when it would be the 257th. */
static int lookup(struct palette *p, uint32_t color) {
    uint32_t h = (color * 0x9E3779B1u) >> 22;
    while (p->slots[h] && p->keys[h] != color)
        h = (h + 1) % PALETTE_SLOTS;
    if (!p->slots[h]) {
        if (p->count == 256)
            return -1;
        p->keys[h] = color;
        p->colors[p->count] = color;
        p->slots[h] = (uint16_t)++p->count;
    }
    return p->slots[h] - 1;
}

bool palette_map(struct palette *p, const uint32_t *pixels, size_t stride, int width, int height,
                 uint32_t fill, uint8_t *indices) {
    memset(p->slots, 0, sizeof(p->slots));
    p->count = 0;
    uint32_t last = 0;
    int index = -1;
    for (int y = 0; y < height; y++, pixels += stride, indices += width)
        for (int x = 0; x < width; x++) {
            uint32_t color = pixels[x] | fill;
            if (index < 0 || color != last) {
                index = lookup(p, color);
                if (index < 0)
                    return false;
                last = color;
            }
            indices[x] = (uint8_t)index;
        }
    return true;
}
