/* RFC 6962 hashing against the answers of Certificate Transparency's own tests, and against the
 * recursive definition. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "recording/merkle.h"

static const char *const leaves[] = { "",
                                      "\x00",
                                      "\x10",
                                      "\x20\x21",
                                      "\x30\x31",
                                      "\x40\x41\x42\x43",
                                      "\x50\x51\x52\x53\x54\x55\x56\x57",
                                      "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e"
                                      "\x6f" };
static const size_t sizes[] = { 0, 1, 1, 2, 2, 4, 8, 16 };
static const char *const roots[] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void root_hex(const struct merkle *m, char out[65]) {
    uint8_t root[MERKLE_HASH];
    merkle_root(m, root);
    hex_encode(root, sizeof root, out);
}

START_TEST(known_answers) {
    struct merkle m;
    char hex[65];
    merkle_init(&m);
    root_hex(&m, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        merkle_add(&m, leaves[i], sizes[i]);
        root_hex(&m, hex);
        ck_assert_str_eq(hex, roots[i]);
    }
}
END_TEST

/* MTH(D[n]) = H(1 | MTH(D[0:k]) | MTH(D[k:n])), k the largest power of two below n. */
static void recursive(uint32_t first, uint32_t n, uint8_t out[MERKLE_HASH]) {
    if (n == 1) {
        merkle_leaf(&first, sizeof first, out);
        return;
    }
    uint32_t k = 1;
    while (k * 2 < n)
        k *= 2;
    uint8_t left[MERKLE_HASH], right[MERKLE_HASH];
    recursive(first, k, left);
    recursive(first + k, n - k, right);
    merkle_node(left, right, out);
}

START_TEST(as_defined) {
    struct merkle m;
    merkle_init(&m);
    for (uint32_t i = 0; i < 300; i++) {
        uint8_t want[MERKLE_HASH], got[MERKLE_HASH];
        merkle_add(&m, &i, sizeof i);
        merkle_root(&m, got);
        recursive(0, i + 1, want);
        ck_assert_mem_eq(got, want, sizeof got);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("merkle");
    TCase *t = tcase_create("merkle");
    tcase_add_test(t, known_answers);
    tcase_add_test(t, as_defined);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
