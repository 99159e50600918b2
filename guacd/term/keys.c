#include "guacd/term/keys.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"

enum kind {
    CURSOR,  /* CSI x, SS3 x in application mode; with modifiers CSI 1 ; m x */
    SS3,     /* SS3 x; with modifiers CSI 1 ; m x */
    TILDE,   /* CSI n ~; with modifiers CSI n ; m ~ */
    SHIFTED, /* SS3 x or CSI n ~ of the function key twelve before, with Shift */
};

static const struct special {
    uint16_t keysym, keypad; /* the keypad's twin, 0: none */
    uint8_t kind, code;
} specials[] = {
    { 0xFF50, 0xFF95, CURSOR, 'H' }, /* Home */
    { 0xFF51, 0xFF96, CURSOR, 'D' }, /* Left */
    { 0xFF52, 0xFF97, CURSOR, 'A' }, /* Up */
    { 0xFF53, 0xFF98, CURSOR, 'C' }, /* Right */
    { 0xFF54, 0xFF99, CURSOR, 'B' }, /* Down */
    { 0xFF55, 0xFF9A, TILDE, 5 },    /* Page Up */
    { 0xFF56, 0xFF9B, TILDE, 6 },    /* Page Down */
    { 0xFF57, 0xFF9C, CURSOR, 'F' }, /* End */
    { 0xFF58, 0xFF9D, CURSOR, 'E' }, /* Begin */
    { 0xFF60, 0, TILDE, 1 },         /* Select */
    { 0xFF63, 0xFF9E, TILDE, 2 },    /* Insert */
    { 0xFF68, 0, TILDE, 1 },         /* Find */
    { 0xFF67, 0, TILDE, 29 },        /* Menu */
    { 0xFF6A, 0, TILDE, 28 },        /* Help */
    { 0xFFFF, 0xFF9F, TILDE, 3 },    /* Delete */
    { 0xFFBE, 0xFF91, SS3, 'P' },    /* F1 */
    { 0xFFBF, 0xFF92, SS3, 'Q' },    { 0xFFC0, 0xFF93, SS3, 'R' }, { 0xFFC1, 0xFF94, SS3, 'S' },
    { 0xFFC2, 0, TILDE, 15 }, /* F5 */
    { 0xFFC3, 0, TILDE, 17 },        { 0xFFC4, 0, TILDE, 18 },     { 0xFFC5, 0, TILDE, 19 },
    { 0xFFC6, 0, TILDE, 20 },        { 0xFFC7, 0, TILDE, 21 },     { 0xFFC8, 0, TILDE, 23 },
    { 0xFFC9, 0, TILDE, 24 }, /* F12 */
};

bool keys_modifier(struct key_state *s, uint32_t keysym, bool pressed) {
    static const struct {
        uint16_t keysym;
        uint8_t field, bit;
    } table[] = {
        { 0xFFE1, offsetof(struct key_state, shift), 1 },
        { 0xFFE2, offsetof(struct key_state, shift), 2 },
        { 0xFFE3, offsetof(struct key_state, ctrl), 1 },
        { 0xFFE4, offsetof(struct key_state, ctrl), 2 },
        { 0xFFE7, offsetof(struct key_state, meta), 1 },
        { 0xFFE8, offsetof(struct key_state, meta), 2 },
        { 0xFFEB, offsetof(struct key_state, meta), 4 }, /* Super: Command and Windows keys */
        { 0xFFEC, offsetof(struct key_state, meta), 8 },
        { 0xFFED, offsetof(struct key_state, meta), 16 }, /* Hyper */
        { 0xFFEE, offsetof(struct key_state, meta), 32 },
        { 0xFFE9, offsetof(struct key_state, alt), 1 },
        { 0xFFEA, offsetof(struct key_state, alt), 2 },
        { 0xFE03, offsetof(struct key_state, altgr), 1 }, /* ISO_Level3_Shift */
        { 0xFF7E, offsetof(struct key_state, altgr), 2 }, /* Mode_switch */
        { 0xFE11, offsetof(struct key_state, altgr), 4 }, /* ISO_Level5_Shift */
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].keysym == keysym) {
            uint8_t *f = (uint8_t *)s + table[i].field;
            *f = (uint8_t)(pressed ? *f | table[i].bit : *f & ~table[i].bit);
            return true;
        }
    /* Locks and the rest of the modifiers' block. */
    return (keysym >= 0xFFE1 && keysym <= 0xFFEE) || keysym == 0xFF7F || keysym == 0xFF14 ||
           (keysym >= 0xFE01 && keysym <= 0xFE0F);
}

/* xterm's modifier parameter less one. Meta counts as Alt: terminals know no more. */
static int modifiers(const struct key_state *s) {
    return (s->shift ? 1 : 0) | (s->alt || s->meta ? 2 : 0) | (s->ctrl ? 4 : 0);
}

static size_t put(char *out, const char *fmt, int a, int b) {
    char text[KEYS_MAX + 1];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int n = snprintf(text, sizeof text, fmt, a, b);
#pragma GCC diagnostic pop
    memcpy(out, text, (size_t)n);
    return (size_t)n;
}

static size_t special(const struct key_state *s, const struct key_modes *m, uint32_t keysym,
                      char *out) {
    int mod = modifiers(s);
    if (keysym >= 0xFFCA && keysym <= 0xFFD5) { /* F13 to F24 are the shifted ones */
        keysym -= 12;
        mod |= 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
        const struct special *k = &specials[i];
        if (k->keysym != keysym && (!k->keypad || k->keypad != keysym))
            continue;
        if (k->kind == TILDE)
            return mod ? put(out, "\033[%d;%d~", k->code, mod + 1)
                       : put(out, "\033[%d~", k->code, 0);
        if (mod)
            return put(out, "\033[1;%d%c", mod + 1, k->code);
        if (k->kind == CURSOR && !m->app_cursor)
            return put(out, "\033[%c", k->code, 0);
        return put(out, "\033O%c", k->code, 0);
    }
    return 0;
}

/* Keys of the keypad that type something. */
static size_t keypad(const struct key_modes *m, uint32_t keysym, char *out) {
    char c = keysym == 0xFF80                       ? ' '
             : keysym == 0xFFBD                     ? '='
             : keysym >= 0xFFAA && keysym <= 0xFFB9 ? (char)(keysym - 0xFF80)
                                                    : 0;
    if (!c)
        return 0;
    if (m->vt100 && m->app_keypad && c != ' ')
        return put(out, "\033O%c", c == '=' ? 'X' : c + 0x40, 0);
    out[0] = c;
    return 1;
}

static int control_code(uint32_t cp) {
    if ((cp >= '@' && cp <= '_') || (cp >= 'a' && cp <= 'z'))
        return (int)(cp & 0x1F);
    switch (cp) {
    case ' ':
    case '2':
    case '`':
        return 0;
    case '3':
        return 0x1B;
    case '4':
        return 0x1C;
    case '5':
        return 0x1D;
    case '6':
    case '~':
        return 0x1E;
    case '7':
    case '/':
    case '-':
        return 0x1F;
    case '8':
    case '?':
        return 0x7F;
    case '{':
        return 0x1B;
    case '|':
        return 0x1C;
    case '}':
        return 0x1D;
    default:
        return -1;
    }
}

static bool alnum(uint32_t cp) {
    return (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
}

static size_t character(const struct key_state *s, uint32_t cp, char *out) {
    bool ctrl = s->ctrl, alt = s->alt || s->meta;
    /* AltGr reaches us as itself or, from Windows, as Ctrl+Alt; the keysym is the third-level
     * character already. */
    if (s->altgr || (ctrl && alt && !alnum(cp) && cp != ' '))
        ctrl = alt = false;
    size_t n = 0;
    if (alt)
        out[n++] = '\033';
    int code = ctrl ? control_code(cp) : -1;
    if (code >= 0) {
        out[n++] = (char)code;
        return n;
    }
    return n + utf8_encode(cp, out + n);
}

size_t keys_encode(const struct key_state *s, const struct key_modes *m, uint32_t keysym,
                   char out[KEYS_MAX]) {
    size_t n = 0;
    bool alt = s->alt || s->meta;
    switch (keysym) {
    case 0xFF08: /* Backspace; with Ctrl the word */
        if (alt)
            out[n++] = '\033';
        out[n++] = s->ctrl ? 0x17 : m->backspace;
        return n;
    case 0xFE20:
    case 0xFF89:
    case 0xFF09: /* ISO_Left_Tab, KP_Tab, Tab */
        if (alt)
            out[n++] = '\033';
        if (s->shift || keysym == 0xFE20) {
            memcpy(out + n, "\033[Z", 3);
            return n + 3;
        }
        out[n++] = '\t';
        return n;
    case 0xFF8D:
        if (m->vt100 && m->app_keypad)
            return put(out, "\033OM", 0, 0);
        __attribute__((fallthrough));
    case 0xFF0D:
        if (alt)
            out[n++] = '\033';
        out[n++] = '\r';
        if (m->newline)
            out[n++] = '\n';
        return n;
    case 0xFF0A: /* Linefeed */
        out[n++] = '\n';
        return n;
    case 0xFF1B:
        if (alt)
            out[n++] = '\033';
        out[n++] = '\033';
        return n;
    default:
        break;
    }
    n = special(s, m, keysym, out);
    if (!n)
        n = keypad(m, keysym, out);
    if (n)
        return n;
    uint32_t cp = keys_unicode(keysym);
    return cp ? character(s, cp, out) : 0;
}
