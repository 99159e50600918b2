/* Chunks: what is built is read back by us and by zstd alone; one other bit anywhere is found. */
#include "tests/unit/unit.h"

#include <string.h>
#include <zstd.h>

#include "guacd/base/util.h"
#include "recording/chunk.h"

static struct sign_key *key(uint8_t fill) {
    uint8_t seed[SIGN_KEY_LEN];
    memset(seed, fill, sizeof seed);
    return sign_key_from_seed(seed, NULL);
}

static struct chunk_header sample(void) {
    struct chunk_header h = { .session = "0193b1c2-7a00-7abc-8def-0123456789ab",
                              .kind = CHAIN_DATA,
                              .n = 12,
                              .i = 12,
                              .t0 = 1000,
                              .t1 = 2999,
                              .offset = 4096,
                              .seq0 = 100,
                              .seq1 = 130,
                              .frames = 20 };
    memset(h.prev, 'a', 64);
    return h;
}

static void build(const void *raw, size_t len, struct buf *out, char head[HASH_HEX]) {
    _chunk_codec_ struct chunk_codec *codec = chunk_codec_new(3, NULL);
    _sign_key_ struct sign_key *k = key(1);
    struct chunk_header h = sample();
    struct err e = { 0 };
    buf_init(out, CHUNK_MAX + CHUNK_HEADER_MAX);
    ck_assert_msg(chunk_build(codec, &h, raw, len, k, out, head, &e) == 0, "%s", e.text);
}

static int readable(const struct buf *b, const struct sign_key *k, struct err *e) {
    struct chunk c;
    return chunk_parse(b->data, b->len, &c, e) < 0 ? -1 : chunk_check(&c, k, e);
}

START_TEST(round_trip) {
    static const size_t sizes[] = { 0, 1, 17, 6048, 300000, 2u << 20, 16u << 20 };
    _chunk_codec_ struct chunk_codec *codec = chunk_codec_new(3, NULL);
    _sign_key_ struct sign_key *k = key(1);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf b, back;
        struct chunk c;
        struct err e = { 0 };
        char head[HASH_HEX], again[HASH_HEX], name[NAME_SIZE];
        uint8_t *raw = malloc(sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++)
            raw[j] = (uint8_t)(j * 2654435761u >> 27);
        build(raw, sizes[i], &b, head);
        ck_assert_msg(readable(&b, k, &e) == 0, "%s", e.text);
        ck_assert_int_eq(chunk_parse(b.data, b.len, &c, &e), 0);
        chunk_head(&c, again);
        ck_assert_str_eq(head, again);
        chunk_name(&c.h, name);
        ck_assert_str_eq(name, "00000012.1000.4096.guac.zst");
        buf_init(&back, CHUNK_RAW_MAX);
        ck_assert_int_eq(chunk_expand(codec, &c, &back, &e), 0);
        ck_assert_uint_eq(back.len, sizes[i]);
        if (sizes[i])
            ck_assert_mem_eq(back.data, raw, sizes[i]);
        /* zstd skips our frame by itself. */
        uint8_t *plain = malloc(sizes[i] + 1);
        ck_assert_uint_eq(ZSTD_decompress(plain, sizes[i] + 1, b.data, b.len), sizes[i]);
        ck_assert_int_eq(memcmp(plain, raw, sizes[i]), 0);
        free(plain);
        free(raw);
        buf_fini(&b);
        buf_fini(&back);
    }
}
END_TEST

START_TEST(every_bit_counts) {
    _sign_key_ struct sign_key *k = key(1), *other = NULL;
    other = key(2);
    struct buf b;
    char head[HASH_HEX];
    static const char raw[] = "4.size,1.0,4.1024,3.768;4.sync,1.0;3.key,5.65293,1.1,3.200;";
    build(raw, sizeof raw - 1, &b, head);
    ck_assert_int_eq(readable(&b, k, NULL), 0);
    ck_assert_int_eq(readable(&b, other, NULL), -1);
    for (size_t i = 0; i < b.len * 8; i++) {
        struct err e = { 0 };
        b.data[i / 8] = (char)(b.data[i / 8] ^ (1 << i % 8));
        ck_assert_msg(readable(&b, k, &e) < 0, "bit %zu", i);
        ck_assert_str_ne(e.text, "");
        b.data[i / 8] = (char)(b.data[i / 8] ^ (1 << i % 8));
    }
    size_t whole = b.len;
    for (b.len = 0; b.len < whole; b.len++)
        ck_assert_int_eq(readable(&b, k, NULL), -1);
    buf_add(&b, "", 1);
    ck_assert_int_eq(readable(&b, k, NULL), -1);
    sign_key_free(other);
    other = NULL;
    buf_fini(&b);
}
END_TEST

START_TEST(bounds) {
    _chunk_codec_ struct chunk_codec *codec = chunk_codec_new(1, NULL);
    _sign_key_ struct sign_key *k = key(1);
    struct chunk_header h = sample();
    struct err e = { 0 };
    struct buf out;
    char head[HASH_HEX];
    buf_init(&out, 1000);
    char *raw = calloc(1, CHUNK_RAW_MAX + 1);
    ck_assert_int_eq(chunk_build(codec, &h, raw, CHUNK_RAW_MAX + 1, k, &out, head, &e), -1);
    ck_assert_int_eq(chunk_build(codec, &h, raw, 100, k, &out, head, &e), -1);
    ck_assert_uint_eq(out.len, 0);
    free(raw);
    buf_fini(&out);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("chunk");
    TCase *t = tcase_create("chunk");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, every_bit_counts);
    tcase_add_test(t, bounds);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
