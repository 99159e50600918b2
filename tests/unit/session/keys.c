/* Which typed keys a recording may show: as a person at a shell, at a password prompt, typing
 * ahead. */
#include "guacd/session/keys.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "tests/unit/unit.h"

#define RETURN 0xFF0Du
#define BACKSPACE 0xFF08u
#define CTRL 0xFFE3u
#define SHIFT 0xFFE1u
#define ALT 0xFFE9u

static struct keys keys;
static uint64_t now;
static struct buf text;
static int lines;

static void setup(void) {
    keys_init(&keys, KEYS_MASKED);
    now = 1000;
    lines = 0;
    buf_init(&text, 4096);
}

static void teardown(void) {
    keys_fini(&keys);
    buf_fini(&text);
}

static uint64_t press(uint32_t keysym) {
    uint64_t id = keys_next_id(&keys);
    keys_add(&keys, 1, keysym, true, now, now);
    keys_add(&keys, 1, keysym, false, now + 1, now + 1);
    return id;
}

static void type(const char *s) {
    for (; *s; s++, now += 20)
        press(*s == '\n' ? RETURN : (uint32_t)*s);
}

/* As `type`, and the target shows each character 5 ms later. */
static void type_echoed(const char *s) {
    for (; *s; s++, now += 20)
        keys_echo(&keys, press((uint32_t)*s), true);
}

static const char *written(bool force) {
    struct key_held h;
    while (keys_take(&keys, now, force, &h)) {
        keys_text(&h, &text);
        lines++;
    }
    return buf_str(&text);
}

START_TEST(echoed_is_stored) {
    type_echoed("ls -l");
    press(RETURN);
    ck_assert_str_eq(written(false), "ls -l\n");
    ck_assert_int_eq(lines, 12);
    ck_assert(keys_due(&keys, now) == UINT64_MAX);
}
END_TEST

START_TEST(password_is_masked) {
    type_echoed("sudo id");
    press(RETURN);
    ck_assert_str_eq(written(false), "sudo id\n");
    type("geheim\n");
    ck_assert_str_eq(written(false), "sudo id\n"); /* not yet */
    ck_assert_uint_le(keys_due(&keys, now), KEYS_HOLD_MS);
    now += KEYS_HOLD_MS;
    ck_assert_str_eq(written(false), "sudo id\n••••••\n");
}
END_TEST

START_TEST(releases_follow_their_press) {
    keys_add(&keys, 1, 's', true, now, now);
    now += KEYS_HOLD_MS;
    struct key_held h;
    ck_assert(keys_take(&keys, now, false, &h));
    ck_assert(h.masked && h.keysym == KEYS_MASK);
    keys_add(&keys, 1, 's', false, now, now);
    ck_assert(keys_take(&keys, now, false, &h));
    ck_assert(h.masked && h.keysym == KEYS_MASK && !h.pressed);
    keys_add(&keys, 1, 'z', false, now, now); /* pressed before we looked */
    ck_assert(keys_take(&keys, now, false, &h));
    ck_assert(h.keysym == KEYS_MASK);
}
END_TEST

/* The password is typed before the command's echo arrives, on a slow line. */
START_TEST(typed_ahead) {
    uint64_t s = press('s'), u = press('u');
    press(RETURN);
    press('p');
    press('w');
    press(RETURN);
    now += 100;
    keys_echo(&keys, s, true);
    keys_echo(&keys, u, true);
    ck_assert_str_eq(written(false), "su\n");
    now += KEYS_HOLD_MS;
    ck_assert_str_eq(written(false), "su\n••\n");
}
END_TEST

/* vim: `i` shows nothing, what follows does: one run, and it is shown. */
START_TEST(late_echo_shows_the_run) {
    press('i');
    now += 100;
    keys_echo(&keys, press('x'), true);
    ck_assert_str_eq(written(false), "ix");
    press('y'); /* the run is known: no waiting */
    ck_assert_str_eq(written(false), "ixy");
    now += 5000;
    press('z');
    ck_assert_str_eq(written(false), "ixyz");
}
END_TEST

START_TEST(prompt_masks_at_once) {
    press('a');
    keys_prompt(&keys, true);
    press('b');
    ck_assert_str_eq(written(false), "••");
    keys_echo(&keys, keys_next_id(&keys) - 2, true);
    press('c');
    ck_assert_str_eq(written(false), "•••");
    keys_prompt(&keys, false);
    press(RETURN);
    keys_echo(&keys, press('d'), true);
    ck_assert_str_eq(written(false), "•••\nd");
}
END_TEST

START_TEST(known_hidden) {
    uint64_t id = press('q');
    keys_echo(&keys, id, false);
    ck_assert_str_eq(written(false), "•");
}
END_TEST

START_TEST(combinations_are_no_text) {
    keys_add(&keys, 1, CTRL, true, now, now);
    press('c');
    keys_add(&keys, 1, CTRL, false, now, now);
    ck_assert_str_eq(written(false), "<Ctrl+c>");
    keys_add(&keys, 1, SHIFT, true, now, now);
    keys_echo(&keys, press('A'), true);
    keys_add(&keys, 1, SHIFT, false, now, now);
    press(BACKSPACE);
    press(0xFFBE);
    press(0xFF52);
    ck_assert_str_eq(written(false), "<Ctrl+c>A<BackSpace><F1><Up>");
    /* AltGr as Ctrl+Alt makes letters, which may be a password's */
    keys_add(&keys, 1, CTRL, true, now, now);
    keys_add(&keys, 1, ALT, true, now, now);
    press('@');
    now += KEYS_HOLD_MS;
    ck_assert_str_eq(written(false), "<Ctrl+c>A<BackSpace><F1><Up>•");
}
END_TEST

START_TEST(backspace_does_not_end_a_run) {
    press('a');
    press(BACKSPACE);
    now += 10;
    keys_echo(&keys, press('b'), true);
    ck_assert_str_eq(written(false), "a<BackSpace>b");
}
END_TEST

START_TEST(another_person_another_run) {
    uint64_t id = press('a');
    keys_add(&keys, 2, 'b', true, now, now);
    keys_echo(&keys, id, true);
    ck_assert_str_eq(written(false), "a");
    now += KEYS_HOLD_MS;
    ck_assert_str_eq(written(false), "a•");
}
END_TEST

START_TEST(modes) {
    keys_fini(&keys);
    keys_init(&keys, KEYS_OFF);
    ck_assert_uint_eq(press('a'), 1);
    ck_assert_uint_eq(press('b'), 3); /* ids go on, for the backend */
    ck_assert_str_eq(written(true), "");
    keys_init(&keys, KEYS_FULL);
    type("pw\n");
    ck_assert_str_eq(written(false), "pw\n");
    keys_prompt(&keys, true);
    type("pin\n");
    ck_assert_str_eq(written(false), "pw\n•••\n");
}
END_TEST

START_TEST(unicode_and_key_pad) {
    keys_fini(&keys);
    keys_init(&keys, KEYS_FULL);
    press(0x010020AC); /* Euro */
    press(0xE4);
    press(0xFFB1);
    press(0x0101F600);
    ck_assert_str_eq(written(false), "€ä1😀");
}
END_TEST

START_TEST(the_end_waits_for_nothing) {
    type("abc");
    ck_assert_str_eq(written(false), "");
    ck_assert_str_eq(written(true), "•••");
}
END_TEST

START_TEST(many) {
    for (int i = 0; i < 3 * KEYS_HELD_MAX; i++)
        press('x');
    written(false);
    ck_assert_uint_le(keys.count, KEYS_HELD_MAX);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("keys");
    TCase *t = tcase_create("keys");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, echoed_is_stored);
    tcase_add_test(t, password_is_masked);
    tcase_add_test(t, releases_follow_their_press);
    tcase_add_test(t, typed_ahead);
    tcase_add_test(t, late_echo_shows_the_run);
    tcase_add_test(t, prompt_masks_at_once);
    tcase_add_test(t, known_hidden);
    tcase_add_test(t, combinations_are_no_text);
    tcase_add_test(t, backspace_does_not_end_a_run);
    tcase_add_test(t, another_person_another_run);
    tcase_add_test(t, modes);
    tcase_add_test(t, unicode_and_key_pad);
    tcase_add_test(t, the_end_waits_for_nothing);
    tcase_add_test(t, many);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
