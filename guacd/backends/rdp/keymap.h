/* From Guacamole's keysyms (X11's) to keys of a keyboard with a layout, as the server has it. Pure.
 * The layouts are Windows' own; a character on a dead key is left out, since pressing that key does
 * not write it. */
#ifndef GUAC_RDP_KEYMAP_H
#define GUAC_RDP_KEYMAP_H

#include <stdbool.h>
#include <stdint.h>

enum key_level {
    KEY_PLAIN = 0,
    KEY_SHIFT = 1,
    KEY_ALTGR = 2, /* bits */
    KEY_ANY = 0x80 /* whatever is held */
};

struct key {
    uint8_t code; /* scan code set 1 */
    bool extended;
    uint8_t level; /* which modifiers it takes to write the character */
};

struct layout;

/* As server-layout has it; NULL for failsafe, which has no keys that write. */
const struct layout *layout_find(const char *name);
/* Windows' identifier; US for NULL. */
uint32_t layout_id(const struct layout *l);
/* Keys that write nothing, or the same everywhere: modifiers, arrows, keypad, Enter. */
bool keymap_special(uint32_t keysym, struct key *out);
/* The key that writes it. */
bool keymap_text(const struct layout *l, uint32_t codepoint, struct key *out);
/* The character of a keysym, 0: none. */
uint32_t keymap_codepoint(uint32_t keysym);
/* For tests: i-th layout's name, NULL behind the last; whether its rows are whole. */
const char *layout_name(unsigned i);
bool layout_whole(const struct layout *l);

#endif
