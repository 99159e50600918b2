/* Keysyms to bytes, by a table that was written from xterm's documentation and terminfo. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "guacd/term/keys.h"

enum {
    SHIFT = 1,
    CTRL = 2,
    ALT = 4,
    META = 8,
    ALTGR = 16,
    APP = 32,
    PAD = 64,
    VT100 = 128,
    LNM = 256,
    BS8 = 512
};

static const char *encode(uint32_t keysym, int flags) {
    static char text[KEYS_MAX + 1];
    struct key_state s = { .shift = flags & SHIFT ? 1 : 0,
                           .ctrl = flags & CTRL ? 1 : 0,
                           .alt = flags & ALT ? 1 : 0,
                           .meta = flags & META ? 1 : 0,
                           .altgr = flags & ALTGR ? 1 : 0 };
    struct key_modes m = { .app_cursor = flags & APP,
                           .app_keypad = flags & PAD,
                           .newline = flags & LNM,
                           .vt100 = flags & VT100,
                           .backspace = flags & BS8 ? 8 : 127 };
    size_t n = keys_encode(&s, &m, keysym, text);
    ck_assert_uint_le(n, KEYS_MAX);
    text[n] = '\0';
    return text;
}

static const struct {
    uint32_t keysym;
    int flags;
    const char *bytes;
} table[] = {
    { 'a', 0, "a" },
    { 'A', SHIFT, "A" },
    { ' ', 0, " " },
    { '~', 0, "~" },
    { 'c', CTRL, "\003" },
    { 'C', CTRL | SHIFT, "\003" },
    { '[', CTRL, "\033" },
    { '\\', CTRL, "\034" },
    { ']', CTRL, "\035" },
    { '6', CTRL, "\036" },
    { '/', CTRL, "\037" },
    { '?', CTRL, "\177" },
    { 'x', ALT, "\033x" },
    { 'x', META, "\033x" },
    { 'c', CTRL | ALT, "\033\003" },
    { '9', CTRL, "9" },
    { '@', CTRL | ALT, "@" },
    { '{', ALTGR, "{" },
    { 'q', ALTGR | CTRL, "q" }, /* AltGr */
    { 0xE9, 0, "\xC3\xA9" },
    { 0xE9, ALT, "\033\xC3\xA9" },
    { 0x010020AC, 0, "\xE2\x82\xAC" },
    { 0x20AC, 0, "\xE2\x82\xAC" },
    { 0x0101F600, 0, "\xF0\x9F\x98\x80" },
    { 0x0100D800, 0, "" },
    { 0x01110000, 0, "" },
    { 0x1000080, 0, "" },
    { 0x06C1, 0, "\xD0\xB0" },
    { 0x07E1, 0, "\xCE\xB1" },
    { 0x0DA1, 0, "\xE0\xB8\x81" },
    { 0x0CE0, 0, "\xD7\x90" },
    { 0x01B1, 0, "\xC4\x85" },
    { 0xFE50, 0, "" },
    { 0xFE57, 0, "" }, /* dead keys: the browser composes */
    { 0xFF08, 0, "\177" },
    { 0xFF08, BS8, "\b" },
    { 0xFF08, ALT, "\033\177" },
    { 0xFF08, CTRL, "\027" },
    { 0xFF09, 0, "\t" },
    { 0xFF09, SHIFT, "\033[Z" },
    { 0xFE20, SHIFT, "\033[Z" },
    { 0xFF0D, 0, "\r" },
    { 0xFF0D, LNM, "\r\n" },
    { 0xFF0D, ALT, "\033\r" },
    { 0xFF8D, 0, "\r" },
    { 0xFF1B, 0, "\033" },
    { 0xFF0A, 0, "\n" },
    { 0xFF52, 0, "\033[A" },
    { 0xFF52, APP, "\033OA" },
    { 0xFF52, SHIFT, "\033[1;2A" },
    { 0xFF53, CTRL, "\033[1;5C" },
    { 0xFF51, ALT | APP, "\033[1;3D" },
    { 0xFF54, 0, "\033[B" },
    { 0xFF50, 0, "\033[H" },
    { 0xFF50, APP, "\033OH" },
    { 0xFF57, 0, "\033[F" },
    { 0xFF55, 0, "\033[5~" },
    { 0xFF56, CTRL, "\033[6;5~" },
    { 0xFF63, 0, "\033[2~" },
    { 0xFFFF, 0, "\033[3~" },
    { 0xFFFF, SHIFT | CTRL, "\033[3;6~" },
    { 0xFF95, 0, "\033[H" },
    { 0xFF9F, 0, "\033[3~" },
    { 0xFF9D, 0, "\033[E" },
    { 0xFFBE, 0, "\033OP" },
    { 0xFFC1, 0, "\033OS" },
    { 0xFFBE, SHIFT, "\033[1;2P" },
    { 0xFFC2, 0, "\033[15~" },
    { 0xFFC3, 0, "\033[17~" },
    { 0xFFC7, 0, "\033[21~" },
    { 0xFFC8, 0, "\033[23~" },
    { 0xFFC9, 0, "\033[24~" },
    { 0xFFC9, CTRL, "\033[24;5~" },
    { 0xFFCA, 0, "\033[1;2P" },
    { 0xFFD5, 0, "\033[24;2~" }, /* F13, F24 */
    { 0xFFB0, 0, "0" },
    { 0xFFB9, 0, "9" },
    { 0xFFAB, 0, "+" },
    { 0xFFAE, 0, "." },
    { 0xFFB5, PAD, "5" },
    { 0xFFB5, PAD | VT100, "\033Ou" },
    { 0xFFAB, PAD | VT100, "\033Ok" },
    { 0xFF8D, PAD | VT100, "\033OM" },
    { 0xFFBD, 0, "=" },
    { 0xFFBD, PAD | VT100, "\033OX" },
    { 0xFF91, 0, "\033OP" },
    { 0, 0, "" },
    { 0xFF14, 0, "" },
    { 0xFFFFFFFF, 0, "" },
    { 0xFD01, 0, "" },
};

START_TEST(encoding) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *got = encode(table[i].keysym, table[i].flags);
        ck_assert_msg(strcmp(got, table[i].bytes) == 0, "keysym %x with %x: %d bytes, %02x…",
                      table[i].keysym, table[i].flags, (int)strlen(got), got[0]);
    }
}
END_TEST

START_TEST(nul_keys) {
    char out[KEYS_MAX];
    struct key_state s = { .ctrl = 1 };
    struct key_modes m = { .backspace = 127 };
    const uint32_t keys[] = { ' ', '@', '2' };
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(keys_encode(&s, &m, keys[i], out), 1);
        ck_assert_int_eq(out[0], 0);
    }
}
END_TEST

START_TEST(modifiers) {
    struct key_state s = { 0 };
    ck_assert(keys_modifier(&s, 0xFFE1, true));
    ck_assert(keys_modifier(&s, 0xFFE2, true));
    ck_assert(keys_modifier(&s, 0xFFE1, false));
    ck_assert(s.shift); /* the right one is still down */
    ck_assert(keys_modifier(&s, 0xFFE2, false));
    ck_assert(!s.shift);
    ck_assert(keys_modifier(&s, 0xFE03, true));
    ck_assert(s.altgr);
    ck_assert(keys_modifier(&s, 0xFFEB, true));
    ck_assert(s.meta);
    ck_assert(keys_modifier(&s, 0xFFE5, true)); /* Caps Lock, Num Lock */
    ck_assert(keys_modifier(&s, 0xFF7F, true));
    ck_assert(!keys_modifier(&s, 'a', true));
    ck_assert(!keys_modifier(&s, 0xFF0D, true));
}
END_TEST

/* No keysym reads or writes out of bounds, and what is typed is UTF-8. */
START_TEST(every_keysym) {
    struct key_modes m = { .backspace = 127 };
    char out[KEYS_MAX];
    size_t typing = 0;
    for (uint32_t k = 0; k < 0x20000; k++)
        for (int flags = 0; flags < 8; flags++) {
            struct key_state s = { .shift = flags & 1, .ctrl = flags & 2, .alt = flags & 4 };
            size_t n = keys_encode(&s, &m, k, out);
            if (n > KEYS_MAX)
                ck_abort_msg("keysym %x: %d bytes", k, (int)n);
            typing += !flags && n && keys_unicode(k);
        }
    ck_assert_uint_gt(typing, 900); /* Latin-1 and the older alphabets */
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("term keys");
    TCase *c = tcase_create("keys");
    tcase_add_test(c, encoding);
    tcase_add_test(c, nul_keys);
    tcase_add_test(c, modifiers);
    tcase_add_test(c, every_keysym);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
