/* The layouts' table. A level is four rows of keys, left to right, top to bottom: 13, 12, 12 and 11
 * of them, then perhaps the two keys that only Brazil and Japan have. A blank: nothing, or a dead
 * key. Private to keymap.c. */
#ifndef GUAC_RDP_LAYOUTS_H
#define GUAC_RDP_LAYOUTS_H

#include <stddef.h>
#include <stdint.h>

#define LAYOUT_LEVELS 4 /* plain, Shift, AltGr, AltGr and Shift: the bits of enum key_level */
#define LAYOUT_KEYS 48

struct layout {
    const char *name; /* of server-layout */
    uint32_t id;      /* KLID */
    const char *levels[LAYOUT_LEVELS];
};

extern const struct layout layouts[];
extern const size_t layout_count;

#endif
