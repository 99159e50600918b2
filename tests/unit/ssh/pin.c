/* Keys as text: pins in every form people paste them, fingerprints, encrypted private keys. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "guacd/backends/ssh/ssh.h"
#include "guacd/base/enc.h"

/* ssh-keygen -lf says SHA256:2hOS2GD1W04UNMNvIc2Dy3hpB9jjwS1hkZQc0f8yJ9Y for none of these: they
 * are made here, and the fingerprint is computed from its definition. */
static unsigned char key[51], other[51];
static char b64[BASE64_LEN(51) + 1], b64_other[BASE64_LEN(51) + 1], print[52];

static void setup(void) {
    static const char head[] = "\0\0\0\013ssh-ed25519\0\0\0\040";
    memcpy(key, head, 19);
    memcpy(other, head, 19);
    for (int i = 19; i < 51; i++) {
        key[i] = (unsigned char)i;
        other[i] = (unsigned char)(i * 7);
    }
    b64[base64_encode(key, sizeof key, b64)] = '\0';
    b64_other[base64_encode(other, sizeof other, b64_other)] = '\0';
    pin_fingerprint(key, sizeof key, print);
}

static enum pin_result check(const char *fmt, const char *a, const char *b) {
    char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, fmt, a, b);
#pragma GCC diagnostic pop
    return pin_check(text, key, sizeof key);
}

START_TEST(forms) {
    ck_assert_int_eq(strlen(print), 50);
    ck_assert_int_eq(strncmp(print, "SHA256:", 7), 0);
    ck_assert_int_eq(check("%s", b64, ""), PIN_MATCH);
    ck_assert_int_eq(check("ssh-ed25519 %s", b64, ""), PIN_MATCH);
    ck_assert_int_eq(check("ssh-ed25519 %s root@host\n", b64, ""), PIN_MATCH);
    ck_assert_int_eq(check("[host]:22,1.2.3.4 ssh-ed25519 %s", b64, ""), PIN_MATCH);
    ck_assert_int_eq(check("%s", print, ""), PIN_MATCH);
    ck_assert_int_eq(check("256 %s= comment (ED25519)", print, ""), PIN_MATCH);
    ck_assert_int_eq(check("h ssh-ed25519 %s\nh ssh-ed25519 %s\n", b64_other, b64), PIN_MATCH);
    ck_assert_int_eq(check("%s", b64_other, ""), PIN_OTHER);
    ck_assert_int_eq(check("SHA256:%s", print + 8, ""), PIN_OTHER);
    ck_assert_int_eq(check("SHA256:", "", ""), PIN_BAD);
    ck_assert_int_eq(check("", "", ""), PIN_BAD);
    ck_assert_int_eq(check("ssh-ed25519", "", ""), PIN_BAD);
    ck_assert_int_eq(check("AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", ""), PIN_BAD);
    ck_assert_int_eq(check("/////wAAAAAAAAAAAAAAAAAAAAAA", "", ""), PIN_BAD);
}
END_TEST

START_TEST(types) {
    char type[32], text[256];
    snprintf(text, sizeof text, "host ssh-ed25519 %s", b64);
    pin_type(text, type, sizeof type);
    ck_assert_str_eq(type, "ssh-ed25519");
    pin_type(print, type, sizeof type);
    ck_assert_str_eq(type, "");
    pin_type("", type, sizeof type);
    ck_assert_str_eq(type, "");
}
END_TEST

START_TEST(encrypted) {
    ck_assert(key_encrypted("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\n"));
    ck_assert(key_encrypted("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"));
    ck_assert(!key_encrypted("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"));
    ck_assert(!key_encrypted("-----BEGIN OPENSSH PRIVATE KEY-----\n"
                             "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAA\n"));
    ck_assert(key_encrypted("-----BEGIN OPENSSH PRIVATE KEY-----\n"
                            "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAA\n"));
    ck_assert(!key_encrypted("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n"));
    ck_assert(!key_encrypted(""));
    ck_assert(!key_encrypted("nonsense"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("ssh pin");
    TCase *c = tcase_create("pin");
    tcase_add_unchecked_fixture(c, setup, NULL);
    tcase_add_test(c, forms);
    tcase_add_test(c, types);
    tcase_add_test(c, encrypted);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
