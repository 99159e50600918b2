/* Fingerprints as people write them. */
#include "guacd/backends/cert/certpin.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

#define PRINT "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define UPPER "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"

START_TEST(forms) {
    static const char *const good[] = {
        PRINT,
        UPPER,
        "sha256:" PRINT,
        "SHA256:" UPPER,
        OTHER ", " PRINT,
        OTHER "\n" PRINT,
        PRINT "," OTHER,
        ",,\t" PRINT "  ",
        "rubbish sha256: " PRINT,
        "9f:86:d0:81:88:4c:7d:65:9a:2f:ea:a0:c5:5a:d0:15:a3:bf:4f:1b:2b:0b:82:2c:d1:5d:6c:15:b0:f0:"
        "0a:08",
    };
    static const char *const bad[] = {
        "", " ", ",", "yes", OTHER, PRINT "0", "0" PRINT, "sha256:", "sha1:" PRINT,
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(certpin_match(good[i], PRINT), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!certpin_match(bad[i], PRINT), "%s", bad[i]);
    /* A digit less, anywhere. */
    for (size_t i = 0; i < strlen(PRINT); i++) {
        char shorter[sizeof(PRINT)];
        snprintf(shorter, sizeof(shorter), "%.*s%s", (int)i, PRINT, PRINT + i + 1);
        ck_assert_msg(!certpin_match(shorter, PRINT), "%s", shorter);
    }
    /* What is no fingerprint is not the same as none. */
    ck_assert(!certpin_match("rubbish", ""));
}
END_TEST

START_TEST(answers) {
    ck_assert(certpin_accepts("yes", PRINT));
    ck_assert(certpin_accepts("YES", PRINT));
    ck_assert(certpin_accepts("SHA256:" UPPER, PRINT));
    ck_assert(!certpin_accepts("", PRINT));
    ck_assert(!certpin_accepts("no", PRINT));
    ck_assert(!certpin_accepts("y", PRINT));
    ck_assert(!certpin_accepts("yes " OTHER, PRINT));
    ck_assert(!certpin_accepts(OTHER, PRINT));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("certpin");
    TCase *t = tcase_create("certpin");
    tcase_add_test(t, forms);
    tcase_add_test(t, answers);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
