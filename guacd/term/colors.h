/* The 256 colours and the default ones; schemes by Apache Guacamole's names and syntax. */
#ifndef GUAC_TERM_COLORS_H
#define GUAC_TERM_COLORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"

#define COLORS_AUTO UINT32_MAX /* cursor: as the text */

struct colors {
    uint32_t index[256]; /* 0x00RRGGBB */
    uint32_t fg, bg, cursor;
};

/* "black-white", "white-black", "gray-black" (also for ""), "green-black", or pairs such as
 * "foreground: rgb:d0/d0/d0; background: color0; color4: steelblue". */
bool colors_scheme(struct colors *c, const char *spec, struct err *e);
/* "rgb:h/h/h" to "rgb:hhhh/hhhh/hhhh", "#rgb" to "#rrrrggggbbbb", or a name of X11's. */
bool colors_parse(const char *spec, size_t len, uint32_t *rgb);
/* a * (256 - share) + b * share, share 0…256. */
uint32_t colors_mix(uint32_t a, uint32_t b, unsigned share);

#endif
