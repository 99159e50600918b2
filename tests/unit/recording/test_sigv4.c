/* SigV4 against the worked examples of the Amazon S3 API reference ("Signature Calculations for the
 * Authorization Header: Transferring Payload in a Single Chunk"). */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/base/util.h"
#include "recording/sigv4.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST \
    { "host", "examplebucket.s3.amazonaws.com" }
#define DATE \
    { "x-amz-date", "20130524T000000Z" }

static void expect(struct sigv4_request r, const char *names, const char *signature) {
    struct secret key = { 0 };
    struct err e = { 0 };
    struct buf b;
    char want[512];
    secret_set(&key, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40);
    const struct sigv4_credentials c = { "AKIAIOSFODNN7EXAMPLE", &key, "us-east-1", "s3" };
    buf_init(&b, 4096);
    ck_assert_msg(sigv4_sign(&r, &c, "20130524T000000Z", &b, &e) == 0, "%s", e.text);
    snprintf(want, sizeof want,
             "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
             "SignedHeaders=%s,Signature=%s",
             names, signature);
    ck_assert_str_eq(buf_str(&b), want);
    buf_fini(&b);
    secret_fini(&key);
}

START_TEST(get_object) {
    const struct sigv4_pair h[] = {
        DATE, HOST, { "x-amz-content-sha256", EMPTY }, { "range", "bytes=0-9" }
    };
    expect((struct sigv4_request){ .method = "GET",
                                   .path = "/test.txt",
                                   .headers = h,
                                   .header_count = ARRAY_LEN(h),
                                   .payload_hash = EMPTY },
           "host;range;x-amz-content-sha256;x-amz-date",
           "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}
END_TEST

START_TEST(put_object) {
    static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    const struct sigv4_pair h[] = { HOST,
                                    { "date", "Fri, 24 May 2013 00:00:00 GMT" },
                                    DATE,
                                    { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
                                    { "x-amz-content-sha256", hash } };
    expect((struct sigv4_request){ .method = "PUT",
                                   .path = "/test$file.text",
                                   .headers = h,
                                   .header_count = ARRAY_LEN(h),
                                   .payload_hash = hash },
           "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
           "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}
END_TEST

START_TEST(get_lifecycle) {
    const struct sigv4_pair h[] = { HOST, DATE, { "x-amz-content-sha256", EMPTY } };
    const struct sigv4_pair q[] = { { "lifecycle", "" } };
    expect((struct sigv4_request){ .method = "GET",
                                   .path = "/",
                                   .query = q,
                                   .query_count = 1,
                                   .headers = h,
                                   .header_count = ARRAY_LEN(h),
                                   .payload_hash = EMPTY },
           "host;x-amz-content-sha256;x-amz-date",
           "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}
END_TEST

START_TEST(list_objects) {
    const struct sigv4_pair h[] = { HOST, DATE, { "x-amz-content-sha256", EMPTY } };
    const struct sigv4_pair q[] = { { "prefix", "J" }, { "max-keys", "2" } }; /* unsorted */
    expect((struct sigv4_request){ .method = "GET",
                                   .path = "/",
                                   .query = q,
                                   .query_count = 2,
                                   .headers = h,
                                   .header_count = ARRAY_LEN(h),
                                   .payload_hash = EMPTY },
           "host;x-amz-content-sha256;x-amz-date",
           "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}
END_TEST

START_TEST(canonical_forms) {
    const struct sigv4_pair h[] = { { "x-b", "  two   blanks\t here " }, { "host", "h" } };
    const struct sigv4_pair q[] = { { "b", "2" }, { "a-b", "x" }, { "a", "z y/ü" }, { "a", "B" } };
    struct sigv4_request r = { .method = "GET",
                               .path = "/b/a b+~.txt",
                               .query = q,
                               .query_count = ARRAY_LEN(q),
                               .headers = h,
                               .header_count = ARRAY_LEN(h),
                               .payload_hash = "H" };
    struct buf b;
    buf_init(&b, 4096);
    ck_assert_int_eq(sigv4_canonical(&r, &b), 0);
    ck_assert_str_eq(buf_str(&b), "GET\n/b/a%20b%2B~.txt\na=B&a=z%20y%2F%C3%BC&a-b=x&b=2\n"
                                  "host:h\nx-b:two blanks here\n\nhost;x-b\nH");
    buf_fini(&b);
    char date[SIGV4_DATE];
    sigv4_date(1369353600999, date);
    ck_assert_str_eq(date, "20130524T000000Z");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("sigv4");
    TCase *t = tcase_create("sigv4");
    tcase_add_test(t, get_object);
    tcase_add_test(t, put_object);
    tcase_add_test(t, get_lifecycle);
    tcase_add_test(t, list_objects);
    tcase_add_test(t, canonical_forms);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
