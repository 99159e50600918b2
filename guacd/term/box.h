/* Lines, blocks and braille drawn by ourselves, exactly to the cell's edges, so that frames and
 * bars join whatever the font. */
#ifndef GUAC_TERM_BOX_H
#define GUAC_TERM_BOX_H

#include <stdbool.h>
#include <stdint.h>

bool box_has(uint32_t cp);
/* Coverage 0…255 of one cell, width * height bytes, over what is there (the greater one stays). */
void box_draw(uint32_t cp, uint8_t *mask, int width, int height);

#endif
