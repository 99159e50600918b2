/* X keysyms to what a terminal sends for them, as xterm does (terminfo xterm-256color). Pure. */
#ifndef GUAC_TERM_KEYS_H
#define GUAC_TERM_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_MAX 16 /* bytes of one key */

struct key_state { /* held down; a bit each for left and right */
    uint8_t shift, ctrl, alt, meta, altgr;
};

struct key_modes {
    bool app_cursor; /* DECCKM */
    bool app_keypad; /* DECKPAM; only with vt100 */
    bool newline;    /* LNM: Return sends CR LF */
    bool vt100;      /* func-keys-and-keypad */
    char backspace;
};

/* Follows modifiers; true when the keysym is one (and so sends nothing). */
bool keys_modifier(struct key_state *s, uint32_t keysym, bool pressed);
/* Bytes of a pressed key: length, 0 when it has none (dead keys, unknown ones). */
size_t keys_encode(const struct key_state *s, const struct key_modes *m, uint32_t keysym,
                   char out[KEYS_MAX]);
/* Code point that a keysym types, 0: none. */
uint32_t keys_unicode(uint32_t keysym);

#endif
