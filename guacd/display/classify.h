/* Tells photographs from text and controls, cheaply enough to ask for every tile of every frame. */
#ifndef GUAC_DISPLAY_CLASSIFY_H
#define GUAC_DISPLAY_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pixels 0x??RRGGBB. Photographs have many neighbours that differ a little, text has neighbours
 * that are equal or far apart: true when at least 15 % of every fourth row's neighbours differ in
 * green by 1 to 12 (codecs.md section 2). */
bool classify_photo(const uint32_t *pixels, size_t stride, int width, int height);

#endif
