/* Keysyms to keys: every layout is whole, and what they have in common is where it should be. */
#include "guacd/backends/rdp/keymap.h"

#include <stdio.h>
#include <string.h>

#include "guacd/proto/args.h"
#include "tests/unit/unit.h"

START_TEST(layouts_are_whole) {
    unsigned i = 0;
    for (; layout_name(i); i++) {
        const struct layout *l = layout_find(layout_name(i));
        ck_assert_msg(l && layout_whole(l), "%s: rows of the wrong length", layout_name(i));
        ck_assert_uint_ne(layout_id(l), 0);
        struct key k;
        for (uint32_t c = '0'; c <= '9'; c++)
            ck_assert_msg(keymap_text(l, c, &k), "%s cannot write %c", layout_name(i), (int)c);
        for (uint32_t c = 'A'; c <= 'Z'; c++) {
            ck_assert_msg(keymap_text(l, c, &k) && k.level == KEY_SHIFT, "%s, %c", layout_name(i),
                          (int)c);
            uint8_t code = k.code;
            if (c == 'I' && strcmp(layout_name(i), "tr-tr-qwerty") == 0)
                continue; /* its small letter is another */
            ck_assert_msg(keymap_text(l, c + 32, &k) && k.level == KEY_PLAIN && k.code == code,
                          "%s, %c", layout_name(i), (int)c + 32);
        }
    }
    ck_assert_uint_ge(i, 20);
}
END_TEST

/* The parameter's choices and the table are one list. */
START_TEST(choices) {
    const struct arg_spec *a = protocol_arg_find(protocol_find("rdp"), "server-layout", NULL);
    ck_assert_ptr_nonnull(a);
    char list[1024];
    snprintf(list, sizeof(list), "%s", a->choices);
    unsigned count = 0;
    for (char *save, *name = strtok_r(list, "|", &save); name; name = strtok_r(NULL, "|", &save)) {
        ck_assert_msg(strcmp(name, "failsafe") == 0 || layout_find(name), "%s", name);
        count++;
    }
    unsigned known = 0;
    while (layout_name(known))
        known++;
    ck_assert_uint_eq(count, known + 1);
}
END_TEST

static void writes(const char *layout, uint32_t c, uint8_t code, uint8_t level) {
    struct key k = { 0 };
    ck_assert_msg(keymap_text(layout_find(layout), c, &k), "%s: U+%04X", layout, c);
    ck_assert_msg(k.code == code && k.level == level, "%s: U+%04X is %02X %u", layout, c, k.code,
                  k.level);
}

START_TEST(samples) {
    writes("en-us-qwerty", '@', 0x03, KEY_SHIFT);
    writes("en-gb-qwerty", '@', 0x28, KEY_SHIFT);
    writes("de-de-qwertz", '@', 0x10, KEY_ALTGR);
    writes("de-de-qwertz", 'z', 0x15, KEY_PLAIN);
    writes("de-de-qwertz", 0xDF, 0x0C, KEY_PLAIN);
    writes("de-de-qwertz", '|', 0x56, KEY_ALTGR);
    writes("fr-fr-azerty", '1', 0x02, KEY_SHIFT);
    writes("fr-fr-azerty", 'm', 0x27, KEY_PLAIN);
    writes("fr-fr-azerty", 0x20AC, 0x12, KEY_ALTGR);
    writes("ja-jp-qwerty", '_', 0x73, KEY_SHIFT);
    writes("pt-br-qwerty", '?', 0x73, KEY_SHIFT);
    writes("pl-pl-qwerty", 0x0118, 0x12, KEY_SHIFT | KEY_ALTGR);
    writes("hu-hu-qwertz", '0', 0x29, KEY_PLAIN);
}
END_TEST

START_TEST(dead_keys_write_nothing) {
    struct key k;
    ck_assert(!keymap_text(layout_find("de-de-qwertz"), '^', &k));
    ck_assert(!keymap_text(layout_find("de-de-qwertz"), ' ', &k));
    ck_assert(!keymap_text(NULL, 'a', &k));
}
END_TEST

START_TEST(everywhere) {
    struct key k;
    ck_assert(keymap_special(0xFF0D, &k) && k.code == 0x1C && !k.extended && k.level == KEY_ANY);
    ck_assert(keymap_special(0xFF8D, &k) && k.code == 0x1C && k.extended);
    ck_assert(keymap_special(0xFE03, &k) && k.code == 0x38 && k.extended);
    ck_assert(keymap_special(' ', &k) && k.code == 0x39);
    ck_assert(!keymap_special('a', &k));
    ck_assert(!keymap_special(0xFFE5, &k)); /* Caps Lock stays in the browser */
    ck_assert_uint_eq(keymap_codepoint('a'), 'a');
    ck_assert_uint_eq(keymap_codepoint(0xE4), 0xE4);
    ck_assert_uint_eq(keymap_codepoint(0x0101F600), 0x1F600);
    ck_assert_uint_eq(keymap_codepoint(0xFF0D), 0);
    ck_assert_uint_eq(keymap_codepoint(0x01FFFFFF), 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("rdp-keymap");
    TCase *t = tcase_create("keymap");
    tcase_add_test(t, layouts_are_whole);
    tcase_add_test(t, choices);
    tcase_add_test(t, samples);
    tcase_add_test(t, dead_keys_write_nothing);
    tcase_add_test(t, everywhere);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
