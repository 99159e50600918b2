#include "guacd/backends/rdp/keymap.h"

#include <stddef.h>
#include <string.h>

#include "guacd/backends/rdp/layouts.h"
#include "guacd/base/util.h"

/* ---- layouts ------------------------------------------------------------------------------------
 */

/* Scan codes in the order of a layout's rows. */
static const uint8_t codes[] = {
    0x29, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, /* digits */
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B,       /* Q */
    0x1E, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x2B,       /* A */
    0x56, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35,             /* Z */
    0x73, 0x7D,
};

const struct layout *layout_find(const char *name) {
    for (size_t i = 0; i < layout_count; i++)
        if (strcmp(layouts[i].name, name) == 0)
            return &layouts[i];
    return NULL;
}

uint32_t layout_id(const struct layout *l) {
    return l ? l->id : 0x00000409;
}

const char *layout_name(unsigned i) {
    return i < layout_count ? layouts[i].name : NULL;
}

/* One character of our own tables, which are UTF-8 of at most three bytes. */
static uint32_t next(const char **p) {
    const unsigned char *u = (const unsigned char *)*p;
    uint32_t c = u[0];
    if (c < 0x80) {
        *p += 1;
    } else if (c < 0xE0) {
        c = (c & 0x1Fu) << 6 | (u[1] & 0x3Fu);
        *p += 2;
    } else {
        c = (c & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
        *p += 3;
    }
    return c;
}

bool keymap_text(const struct layout *l, uint32_t codepoint, struct key *out) {
    if (!l || codepoint == ' ')
        return false;
    for (unsigned level = 0; level < LAYOUT_LEVELS; level++) {
        const char *p = l->levels[level];
        for (size_t i = 0; p && *p && i < ARRAY_LEN(codes); i++)
            if (next(&p) == codepoint) {
                *out = (struct key){ .code = codes[i], .level = (uint8_t)level };
                return true;
            }
    }
    return false;
}

bool layout_whole(const struct layout *l) {
    for (unsigned level = 0; level < LAYOUT_LEVELS; level++) {
        const char *p = l->levels[level];
        size_t count = 0;
        for (; p && *p; count++)
            next(&p);
        if (p && (count < LAYOUT_KEYS || count > ARRAY_LEN(codes)))
            return false;
    }
    return l->levels[0] && l->levels[1];
}

/* ---- keys that are where they are on every keyboard ---------------------------------------------
 */

#define EXT 0x100 /* extended: the newer ones of two keys of the same code */

static const struct {
    uint32_t keysym;
    uint16_t code;
} specials[] = {
    { ' ', 0x39 },          { 0xA0, 0x39 },         { 0xFF08, 0x0E }, /* BackSpace */
    { 0xFF09, 0x0F },                                                 /* Tab */
    { 0xFE20, 0x0F },                                                 /* ISO_Left_Tab */
    { 0xFF0A, 0x1C },                                                 /* Linefeed */
    { 0xFF0D, 0x1C },                                                 /* Return */
    { 0xFF13, 0x46 | EXT }, /* Pause: as Ctrl+Break, the nearest that is one code */
    { 0xFF14, 0x46 },       /* Scroll_Lock */
    { 0xFF15, 0x54 },       /* Sys_Req */
    { 0xFF1B, 0x01 },       /* Escape */
    { 0xFF22, 0x7B },       /* Muhenkan */
    { 0xFF23, 0x79 },       /* Henkan */
    { 0xFF27, 0x70 },       /* Hiragana_Katakana */
    { 0xFF2A, 0x29 },       /* Zenkaku_Hankaku */
    { 0xFF50, 0x47 | EXT }, /* Home */
    { 0xFF51, 0x4B | EXT }, /* Left */
    { 0xFF52, 0x48 | EXT }, /* Up */
    { 0xFF53, 0x4D | EXT }, /* Right */
    { 0xFF54, 0x50 | EXT }, /* Down */
    { 0xFF55, 0x49 | EXT }, /* Page_Up */
    { 0xFF56, 0x51 | EXT }, /* Page_Down */
    { 0xFF57, 0x4F | EXT }, /* End */
    { 0xFF61, 0x37 | EXT }, /* Print */
    { 0xFF63, 0x52 | EXT }, /* Insert */
    { 0xFF67, 0x5D | EXT }, /* Menu */
    { 0xFF6B, 0x46 | EXT }, /* Break */
    { 0xFF7F, 0x45 },       /* Num_Lock */
    { 0xFF8D, 0x1C | EXT }, /* KP_Enter */
    { 0xFF95, 0x47 | EXT }, /* KP_Home and its like: with Num Lock off, so the keys beside */
    { 0xFF96, 0x4B | EXT }, { 0xFF97, 0x48 | EXT }, { 0xFF98, 0x4D | EXT },
    { 0xFF99, 0x50 | EXT }, { 0xFF9A, 0x49 | EXT }, { 0xFF9B, 0x51 | EXT },
    { 0xFF9C, 0x4F | EXT }, { 0xFF9D, 0x4C },       { 0xFF9E, 0x52 | EXT },
    { 0xFF9F, 0x53 | EXT }, { 0xFFAA, 0x37 },                         /* KP_Multiply */
    { 0xFFAB, 0x4E },                                                 /* KP_Add */
    { 0xFFAC, 0x53 },                                                 /* KP_Separator */
    { 0xFFAD, 0x4A },                                                 /* KP_Subtract */
    { 0xFFAE, 0x53 },                                                 /* KP_Decimal */
    { 0xFFAF, 0x35 | EXT },                                           /* KP_Divide */
    { 0xFFB0, 0x52 },       { 0xFFB1, 0x4F },       { 0xFFB2, 0x50 }, /* KP_0 … */
    { 0xFFB3, 0x51 },       { 0xFFB4, 0x4B },       { 0xFFB5, 0x4C },
    { 0xFFB6, 0x4D },       { 0xFFB7, 0x47 },       { 0xFFB8, 0x48 },
    { 0xFFB9, 0x49 },       { 0xFFBE, 0x3B },       { 0xFFBF, 0x3C }, /* F1 … */
    { 0xFFC0, 0x3D },       { 0xFFC1, 0x3E },       { 0xFFC2, 0x3F },
    { 0xFFC3, 0x40 },       { 0xFFC4, 0x41 },       { 0xFFC5, 0x42 },
    { 0xFFC6, 0x43 },       { 0xFFC7, 0x44 },       { 0xFFC8, 0x57 },
    { 0xFFC9, 0x58 },       { 0xFFCA, 0x64 },       { 0xFFCB, 0x65 }, /* F13 … */
    { 0xFFCC, 0x66 },       { 0xFFCD, 0x67 },       { 0xFFCE, 0x68 },
    { 0xFFCF, 0x69 },       { 0xFFD0, 0x6A },       { 0xFFD1, 0x6B },
    { 0xFFD2, 0x6C },       { 0xFFD3, 0x6D },       { 0xFFD4, 0x6E },
    { 0xFFD5, 0x76 },       { 0xFFE1, 0x2A }, /* Shift_L */
    { 0xFFE2, 0x36 },                         /* Shift_R */
    { 0xFFE3, 0x1D },                         /* Control_L */
    { 0xFFE4, 0x1D | EXT },                   /* Control_R */
    { 0xFFE7, 0x5B | EXT },                   /* Meta_L */
    { 0xFFE8, 0x5C | EXT },                   /* Meta_R */
    { 0xFFE9, 0x38 },                         /* Alt_L */
    { 0xFFEA, 0x38 | EXT },                   /* Alt_R */
    { 0xFE03, 0x38 | EXT },                   /* ISO_Level3_Shift */
    { 0xFFEB, 0x5B | EXT },                   /* Super_L */
    { 0xFFEC, 0x5C | EXT },                   /* Super_R */
    { 0xFFED, 0x5B | EXT },                   /* Hyper_L */
    { 0xFFEE, 0x5C | EXT },                   /* Hyper_R */
    { 0xFFFF, 0x53 | EXT },                   /* Delete */
};

bool keymap_special(uint32_t keysym, struct key *out) {
    for (size_t i = 0; i < ARRAY_LEN(specials); i++)
        if (specials[i].keysym == keysym) {
            *out = (struct key){ .code = (uint8_t)specials[i].code,
                                 .extended = (specials[i].code & EXT) != 0,
                                 .level = KEY_ANY };
            return true;
        }
    return false;
}

uint32_t keymap_codepoint(uint32_t keysym) {
    if ((keysym >= 0x20 && keysym <= 0x7E) || (keysym >= 0xA0 && keysym <= 0xFF))
        return keysym;
    if (keysym >= 0x01000100 && keysym <= 0x0110FFFF)
        return keysym & 0x00FFFFFF;
    if (keysym == 0x20AC)
        return keysym;
    return 0;
}
