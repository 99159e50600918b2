/* The log: proofs against RFC 6962's recursive definition, tails that go on where another stopped,
 * a folder store that several writers swap, notes by a known answer. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "recording/log.h"

static char folder[] = "/tmp/test-log-XXXXXX";
static struct store_target *target;
static struct store *store;

static void setup(void) {
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char url[64];
    snprintf(url, sizeof url, "folder:%s", folder);
    struct store_config c = { .url = url };
    target = store_target_new(&c, NULL);
    store = store_new(target, NULL);
    ck_assert_ptr_nonnull(store);
}

static void teardown(void) {
    char command[80];
    store_free(store);
    store_target_free(target);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static size_t leaf(uint64_t i, char out[64]) {
    return (size_t)snprintf(out, 64, "leaf %llu", (unsigned long long)i);
}

/* MTH of leaves [lo, hi), straight from the definition. */
static void mth(uint64_t lo, uint64_t hi, uint8_t out[MERKLE_HASH]) {
    char text[64];
    if (hi - lo == 1) {
        size_t n = leaf(lo, text);
        merkle_leaf(text, n, out);
        return;
    }
    uint64_t k = 1;
    while (k * 2 < hi - lo)
        k *= 2;
    uint8_t left[MERKLE_HASH], right[MERKLE_HASH];
    mth(lo, lo + k, left);
    mth(lo + k, hi, right);
    merkle_node(left, right, out);
}

static void fill(struct tail *t, uint64_t count) {
    struct err e = { 0 };
    for (uint64_t i = 0; i < count; i++) {
        char text[64];
        size_t len = leaf(t->size, text);
        ck_assert_int_eq(tail_add(t, text, len, &e), 0);
    }
}

/* As a writer does it: flush what is full, add, commit; but only one commit for all. */
static void append(struct log *l, uint64_t count) {
    struct err e = { 0 };
    for (; count > TAIL_BATCH; count -= TAIL_BATCH) {
        fill(&l->tail, TAIL_BATCH);
        ck_assert_int_eq(log_flush(l, 1, &e), STORE_OK);
    }
    while (l->tail.entries >= PROOF_TILE)
        ck_assert_int_eq(log_flush(l, 1, &e), STORE_OK);
    struct tail *next = malloc(sizeof *next);
    tail_init(next);
    ck_assert_int_eq(tail_copy(&l->tail, next, &e), 0);
    fill(next, count);
    tail_seal(next);
    ck_assert_msg(log_commit(l, next, 10000, &e) == STORE_OK, "%s", e.text);
    tail_fini(next);
    free(next);
}

static struct log *open_log(void) {
    struct log *l = malloc(sizeof *l);
    struct err e = { 0 };
    log_init_reader(l, store, "recordings");
    ck_assert_msg(log_refresh(l, &e) == STORE_OK, "%s", e.text);
    return l;
}

static void close_log(struct log *l) {
    log_fini(l);
    free(l);
}

static void check_size(struct log *l, uint64_t size, uint64_t step) {
    struct proof_source s = log_source(l);
    uint8_t root[MERKLE_HASH], said[MERKLE_HASH];
    struct err e = { 0 };
    mth(0, size, root);
    ck_assert_msg(proof_root(&s, size, said, &e) == 0, "%s", e.text);
    ck_assert_mem_eq(said, root, MERKLE_HASH);
    for (uint64_t i = 0; i < size; i += step) {
        struct proof p;
        char text[64];
        uint8_t hash[MERKLE_HASH];
        size_t n = leaf(i, text);
        merkle_leaf(text, n, hash);
        ck_assert_int_eq(proof_inclusion(&s, i, size, &p, &e), 0);
        ck_assert_int_eq(proof_check_inclusion(&p, hash, i, size, root, &e), 0);
        /* Of nothing else. */
        ck_assert_int_eq(proof_check_inclusion(&p, hash, i + 1, size, root, &e), -1);
        ck_assert_int_eq(proof_check_inclusion(&p, root, i, size, root, &e), size == 1 ? 0 : -1);
        if (p.count) {
            p.hashes[p.count - 1][7] ^= 1;
            ck_assert_int_eq(proof_check_inclusion(&p, hash, i, size, root, &e), -1);
            p.count--;
            ck_assert_int_eq(proof_check_inclusion(&p, hash, i, size, root, &e), -1);
        }
    }
    for (uint64_t from = 1; from <= size; from += step) {
        struct proof p;
        uint8_t old[MERKLE_HASH];
        mth(0, from, old);
        ck_assert_int_eq(proof_consistency(&s, from, size, &p, &e), 0);
        ck_assert_int_eq(proof_check_consistency(&p, from, old, size, root, &e), 0);
        old[3] ^= 4;
        ck_assert_int_eq(proof_check_consistency(&p, from, old, size, root, &e), -1);
        old[3] ^= 4;
        if (from < size)
            ck_assert_int_eq(proof_check_consistency(&p, from + 1, old, size, root, &e), -1);
        if (p.count) {
            p.hashes[0][0] ^= 1;
            ck_assert_int_eq(proof_check_consistency(&p, from, old, size, root, &e), -1);
        }
    }
}

START_TEST(every_small_tree) {
    struct log *l = open_log();
    for (uint64_t size = 1; size <= 40; size++) {
        append(l, 1);
        check_size(l, size, 1);
    }
    close_log(l);
}
END_TEST

START_TEST(tiles_of_two_levels) {
    struct log *l = open_log();
    append(l, 65536 + 300);
    struct log *other = open_log(); /* from the store alone */
    ck_assert_uint_eq(other->tail.size, 65836);
    check_size(other, 65836, 4099);
    check_size(other, 65535, 7919);
    check_size(other, 511, 37);
    /* One leaf more by somebody who read no tile. */
    append(other, 1);
    check_size(other, 65837, 8101);
    close_log(other);
    close_log(l);
}
END_TEST

START_TEST(one_commits_at_a_time) {
    struct log *a = open_log(), *b = open_log();
    struct err e = { 0 };
    append(a, 3);
    struct tail *next = malloc(sizeof *next);
    tail_init(next);
    ck_assert_int_eq(tail_add(next, "other", 5, &e), 0);
    tail_seal(next);
    ck_assert_int_eq(log_commit(b, next, 10000, &e), STORE_EXISTS);
    ck_assert_int_eq(log_refresh(b, &e), STORE_OK);
    ck_assert_uint_eq(b->tail.size, 3);
    append(b, 4);
    ck_assert_int_eq(log_refresh(a, &e), STORE_OK);
    check_size(a, 7, 1);
    /* A head that goes back is not believed. */
    struct buf old;
    buf_init(&old, TAIL_MAX);
    ck_assert_int_eq(tail_write(next, &old), 0);
    char etag[STORE_ETAG_SIZE];
    ck_assert_int_eq(
        store_swap(store, "recordings-head/log/head", old.data, old.len, b->etag, etag, &e),
        STORE_OK);
    ck_assert_int_eq(log_refresh(a, &e), STORE_REFUSED);
    ck_assert_ptr_nonnull(strstr(e.text, "rolled back"));
    buf_fini(&old);
    tail_fini(next);
    free(next);
    close_log(a);
    close_log(b);
}
END_TEST

static int same(void *arg, uint64_t index, struct slice text) {
    uint64_t *next = arg;
    char expected[64];
    size_t n = leaf(index, expected);
    ck_assert_uint_eq(index, (*next)++);
    ck_assert_uint_eq(n, text.len);
    ck_assert_mem_eq(expected, text.data, n);
    return 0;
}

START_TEST(each_leaf) {
    struct log *l = open_log();
    struct err e = { 0 };
    append(l, 1000);
    uint64_t next = 200;
    ck_assert_int_eq(log_each(l, 200, 900, same, &next, &e), 0);
    ck_assert_uint_eq(next, 900);
    ck_assert_int_eq(log_each(l, 900, 5000, same, &next, &e), 0);
    ck_assert_uint_eq(next, 1000);
    close_log(l);
}
END_TEST

START_TEST(tails_that_lie) {
    struct log *l = open_log();
    struct buf b;
    struct err e = { 0 };
    append(l, 300);
    log_flush(l, 1, &e);
    buf_init(&b, TAIL_MAX);
    ck_assert_int_eq(tail_write(&l->tail, &b), 0);
    struct tail *t = malloc(sizeof *t);
    tail_init(t);
    ck_assert_int_eq(tail_parse(b.data, b.len, t, &e), 0);
    for (size_t i = 0; i < b.len; i++) { /* every byte counts */
        b.data[i] ^= 1;
        ck_assert_int_eq(tail_parse(b.data, b.len, t, &e), -1);
        b.data[i] ^= 1;
        ck_assert_int_eq(tail_parse(b.data, i, t, &e), -1);
    }
    tail_fini(t);
    free(t);
    buf_fini(&b);
    close_log(l);
}
END_TEST

START_TEST(paths) {
    static const struct {
        int level;
        uint64_t n;
        unsigned width;
        const char *path;
    } rows[] = {
        { 0, 0, 256, "tile/0/000" },
        { 0, 1234067, 256, "tile/0/x001/x234/067" },
        { 1, 1000, 112, "tile/1/x001/000.p/112" },
        { -1, 999, 256, "tile/entries/999" },
        { -1, 123456789012, 1, "tile/entries/x123/x456/x789/012.p/1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[TAIL_PATH];
        tail_path(rows[i].level, rows[i].n, rows[i].width, path);
        ck_assert_str_eq(path, rows[i].path);
    }
}
END_TEST

START_TEST(notes) {
    static const uint8_t seed[SIGN_KEY_LEN] = { 7 };
    struct sign_key *k = sign_key_from_seed(seed, NULL), *other = sign_key_generate(NULL);
    struct buf b;
    struct note n;
    struct err e = { 0 };
    uint8_t root[MERKLE_HASH] = { 1, 2, 3 };
    buf_init(&b, NOTE_MAX);
    ck_assert_int_eq(note_sign("example.com/log", 42, root, k, &b, &e), 0);
    ck_assert_int_eq(note_parse(b.data, b.len, &n, &e), 0);
    ck_assert_str_eq(n.origin, "example.com/log");
    ck_assert_uint_eq(n.size, 42);
    ck_assert_mem_eq(n.root, root, MERKLE_HASH);
    ck_assert_int_eq(note_verify(&n, k, &e), 0);
    ck_assert_int_eq(note_verify(&n, other, &e), -1);
    /* A witness's line is carried; ours still counts. */
    buf_puts(&b, "\xe2\x80\x94 witness.example/w ");
    uint8_t blob[4 + 72] = { 9 };
    base64_add(&b, blob, sizeof blob);
    buf_putc(&b, '\n');
    ck_assert_int_eq(note_parse(b.data, b.len, &n, &e), 0);
    ck_assert_uint_eq(n.count, 2);
    ck_assert_int_eq(note_verify(&n, k, &e), 0);
    for (size_t i = 0; i < n.text.len; i++) {
        struct note changed;
        b.data[i] ^= 1;
        ck_assert(note_parse(b.data, b.len, &changed, &e) < 0 || note_verify(&changed, k, &e) < 0);
        b.data[i] ^= 1;
    }
    buf_clear(&b);
    ck_assert_int_eq(note_sign("two words", 1, root, k, &b, &e), -1);
    buf_fini(&b);
    sign_key_free(k);
    sign_key_free(other);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("log");
    TCase *t = tcase_create("log");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, every_small_tree);
    tcase_add_test(t, tiles_of_two_levels);
    tcase_add_test(t, one_commits_at_a_time);
    tcase_add_test(t, each_leaf);
    tcase_add_test(t, tails_that_lie);
    tcase_add_test(t, paths);
    tcase_add_test(t, notes);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
