/* S3's XML: a listing as SeaweedFS writes it, and what must be refused. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/base/util.h"
#include "recording/s3xml.h"

static char seen[4096];

static int note(void *arg, const char *key, uint64_t size, bool prefix) {
    int *stop_after = arg;
    size_t n = strlen(seen);
    snprintf(seen + n, sizeof seen - n, "%s %llu%s|", key, (unsigned long long)size,
             prefix ? " p" : "");
    return stop_after && --*stop_after == 0;
}

static int parse(const char *xml, struct s3_listing *l, struct err *e) {
    seen[0] = '\0';
    l->fn = note;
    return s3_listing_parse(xml, strlen(xml), l, e);
}

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3/\">"
#define KEY(k, s) \
    "<Contents><Key>" k "</Key><ETag>&#34;x&#34;</ETag><Size>" s \
    "</Size><Owner><ID>1</ID></Owner></Contents>"
#define TAIL "</ListBucketResult>"

START_TEST(listing) {
    struct s3_listing l = { 0 };
    struct err e = { 0 };
    ck_assert_msg(parse(HEAD
                        "<Name>b</Name><Prefix/><IsTruncated>true</IsTruncated>"
                        "<NextContinuationToken>a&amp;b=</NextContinuationToken>\n " KEY(
                            "p/a&lt;&#x263A;&#65;",
                            "12") "<!-- no --> " KEY("p/b", "0") "<CommonPrefixes><Prefix>p/c/</"
                                                                 "Prefix></CommonPrefixes>" TAIL,
                        &l, &e) == 0,
                  "%s", e.text);
    ck_assert_str_eq(seen, "p/a<☺A 12|p/b 0|p/c/ 0 p|");
    ck_assert(l.truncated);
    ck_assert_str_eq(buf_str(&l.token), "a&b=");
    ck_assert_int_eq(parse(HEAD TAIL, &l, &e), 0);
    ck_assert_str_eq(seen, "");
    ck_assert(!l.truncated);
    int stop = 1;
    l.arg = &stop;
    ck_assert_int_eq(parse(HEAD KEY("a", "1") KEY("b", "2") TAIL, &l, &e), -1);
    ck_assert(l.stopped);
    ck_assert_str_eq(seen, "a 1|");
    s3_listing_fini(&l);
}
END_TEST

START_TEST(refused) {
    static const char *const wrong[] = {
        HEAD,
        "<a>",
        "<a></b>",
        "</a>",
        "<a><b></a></b>",
        "<!DOCTYPE a><a/>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#-1;</a>",
        "<a>&#x110000;</a>",
        "<a b=\"></a>",
        "<a",
        "<",
        "< a/>",
        "<?xml",
        "<!--",
        "<![CDATA[x]]>",
        HEAD KEY("a", "x") TAIL,
        HEAD KEY("a", "") TAIL,
        HEAD KEY("a", "9999999999999999") TAIL,
        HEAD KEY("", "1") TAIL,
        HEAD "<IsTruncated>true</IsTruncated>" TAIL,
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct s3_listing l = { 0 };
        struct err e = { 0 };
        ck_assert_msg(parse(wrong[i], &l, &e) == -1, "%s", wrong[i]);
        ck_assert_msg(*e.text, "%s", wrong[i]);
        s3_listing_fini(&l);
    }
}
END_TEST

START_TEST(errors) {
    char said[128];
    static const char xml[] =
        "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Access "
        "\x1b[31mDenied.</Message><Resource>/x</Resource></Error>";
    s3_error_parse(xml, strlen(xml), said, sizeof said);
    ck_assert_str_eq(said, "AccessDenied: Access ?[31mDenied.");
    s3_error_parse("no xml", 6, said, sizeof said);
    ck_assert_str_eq(said, "");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("s3xml");
    TCase *t = tcase_create("s3xml");
    tcase_add_test(t, listing);
    tcase_add_test(t, refused);
    tcase_add_test(t, errors);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
