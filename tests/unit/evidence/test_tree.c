/* Finding recordings: listed newest first, page by page, filtered; what is no recording is not
 * listed; what cannot be read is shown. */
#include "tests/unit/unit.h"

#include "recording/evidence/find.h"
#include "recording/evidence/summary.h"
#include "recording/evidence/tree.h"
#include "tests/unit/evidence/make.h"

static struct make m;
static struct tree *tree;

static void setup(void) {
    make_store(&m);
    for (unsigned n = 0; n < 5; n++)
        make_recording(&m, n, n % 2 ? "odd" : "even");
    make_open(&m, 5, "odd");
    make_chunk(&m, CHAIN_DATA, 10, "4.sync,2.10;");
    /* Not ours. */
    snprintf(m.prefix, sizeof m.prefix, "recordings/relay/odd/2026/11/21");
    make_put(&m, "stray", "x", 1);
    snprintf(m.prefix, sizeof m.prefix, "recordings/relay/odd/2026/11/21/not-an-id");
    make_put(&m, NAME_OPEN_OBJECT, "x", 1);
    snprintf(m.prefix, sizeof m.prefix, "recordings/_check");
    make_put(&m, "x", "x", 1);
    /* A recording whose open record is damaged. */
    snprintf(m.prefix, sizeof m.prefix,
             "recordings/relay/odd/2026/11/21/01a1fe06-0000-7000-8000-000000000006");
    make_put(&m, NAME_OPEN_OBJECT, "{}", 2);
    tree = tree_new("", true, NULL);
    struct err e = { 0 };
    ck_assert_msg(tree_refresh(tree, m.store, true, &e) == 0, "%s", e.text);
}

static void teardown(void) {
    tree_free(tree);
    make_fini(&m);
}

START_TEST(pages) {
    struct tree_entry page[4];
    struct tree_filter all = { 0 };
    char after[UUID_LEN + 1] = "", last[UUID_LEN + 1] = "g";
    size_t n, total = 0;
    ck_assert_uint_eq(tree_count(tree), 7);
    while ((n = tree_page(tree, after, &all, page, 3)) > 0) {
        for (size_t i = 0; i < n; i++, total++) {
            ck_assert_int_lt(strcmp(page[i].id, last), 0);
            memcpy(last, page[i].id, sizeof last);
            free(page[i].summary);
        }
        memcpy(after, last, sizeof after);
    }
    ck_assert_uint_eq(total, 7);
    struct tree_filter odd = { .connection = "relay/odd" }, none = { .connection = "other/odd" };
    ck_assert_uint_eq(tree_page(tree, "", &odd, page, 4), 4);
    ck_assert_uint_eq(tree_page(tree, "", &none, page, 4), 0);
    struct tree_filter name = { .connection = "even" };
    ck_assert_uint_eq(tree_page(tree, "", &name, page, 4), 3);
    uint64_t third = uuid_v7_ms("01a1fe03-0000-7000-8000-000000000003");
    struct tree_filter from = { .from_ms = third }, to = { .to_ms = third - 1 };
    ck_assert_uint_eq(tree_page(tree, "", &from, page, 4), 4);
    ck_assert_uint_eq(tree_page(tree, "", &to, page, 4), 3);
}
END_TEST

START_TEST(kept) {
    struct tree_entry page[1];
    struct tree_filter all = { 0 };
    tree_keep(tree, "01a1fe06-0000-7000-8000-000000000006", "{}", true);
    ck_assert_uint_eq(tree_page(tree, "", &all, page, 1), 1);
    ck_assert_str_eq(page[0].summary, "{}");
    ck_assert(page[0].final);
    free(page[0].summary);
    tree_refresh(tree, m.store, true, NULL);
    ck_assert_uint_eq(tree_page(tree, "", &all, page, 1), 1);
    ck_assert_str_eq(page[0].summary, "{}");
    free(page[0].summary);
    tree_keep(tree, "00000000-0000-7000-8000-000000000000", "{}", true); /* unknown: nothing */
    ck_assert_uint_eq(tree_count(tree), 7);
}
END_TEST

static json_t *summary(const char *id, bool *final) {
    char prefix[NAME_PREFIX_SIZE];
    struct err e = { 0 };
    ck_assert(tree_find(tree, id, prefix));
    json_t *o = summary_make(m.store, prefix, MAKE_START + 5000, final, &e);
    ck_assert_msg(o != NULL, "%s", e.text);
    return o;
}

START_TEST(summaries) {
    bool final;
    _json_ json_t *o = summary("01a1fe01-0000-7000-8000-000000000001", &final);
    ck_assert(final);
    ck_assert_str_eq(json_str(o, "state", ""), "closed");
    ck_assert_str_eq(json_str(o, "connection", ""), "odd");
    ck_assert_str_eq(json_str(json_object_get(o, "person"), "name", ""), "Olga 1");
    ck_assert_int_eq(json_num(o, "durationMs", 0), 90000);
    ck_assert_int_gt(json_num(o, "bytes", 0), 100);
    struct summary_filter f = { .person = "olga", .protocol = "vnc", .state = "closed" };
    ck_assert(summary_matches(o, &f));
    f.person = "u-1";
    ck_assert(summary_matches(o, &f));
    f.person = "peter";
    ck_assert(!summary_matches(o, &f));
    f = (struct summary_filter){ .state = "live" };
    ck_assert(!summary_matches(o, &f));
    _json_ json_t *live = summary("01a1fe05-0000-7000-8000-000000000005", &final);
    ck_assert(!final);
    ck_assert_str_eq(json_str(live, "state", ""), "live");
    ck_assert_int_eq(json_num(live, "durationMs", 0), 5000);
    ck_assert_int_gt(json_num(live, "bytes", 0), 100);
    ck_assert(json_is_null(json_object_get(live, "ended")));
    _json_ json_t *bad = summary("01a1fe06-0000-7000-8000-000000000006", &final);
    ck_assert_str_eq(json_str(bad, "state", ""), "unreadable");
    ck_assert_str_ne(json_str(bad, "reason", ""), "");
}
END_TEST

START_TEST(shown) {
    struct err e = { 0 };
    char prefix[NAME_PREFIX_SIZE];
    tree_find(tree, "01a1fe02-0000-7000-8000-000000000002", prefix);
    _json_ json_t *o = summary_show(m.store, prefix, MAKE_START + 5000, &e);
    ck_assert_msg(o != NULL, "%s", e.text);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "chunks")), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "keyframes")), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "texts")), 2);
    const json_t *second = json_array_get(json_object_get(o, "chunks"), 1);
    ck_assert_str_eq(json_str(second, "name", ""), "00000001.1010.35.guac.zst");
    ck_assert_int_eq(json_num(second, "start", 0), 1010);
    ck_assert_int_eq(json_num(second, "offset", 0), 35);
    ck_assert(json_is_object(json_object_get(o, "seal")));
    tree_find(tree, "01a1fe05-0000-7000-8000-000000000005", prefix);
    _json_ json_t *live = summary_show(m.store, prefix, MAKE_START + 5000, &e);
    ck_assert(json_is_null(json_object_get(live, "seal")));
    ck_assert_int_eq(json_num(live, "durationMs", 0), 15); /* the last chunk's own end */
}
END_TEST

START_TEST(found) {
    struct found f;
    struct err e = { 0 };
    char path[256], prefix[NAME_PREFIX_SIZE];
    ck_assert_int_eq(find_recording("01a1fe02-0000-7000-8000-000000000002", m.store, tree, &f, &e),
                     0);
    snprintf(prefix, sizeof prefix, "%s", f.prefix);
    found_fini(&f);
    snprintf(path, sizeof path, "%.200s/", prefix);
    ck_assert_int_eq(find_recording(path, m.store, tree, &f, &e), 0);
    ck_assert_str_eq(f.prefix, prefix);
    found_fini(&f);
    snprintf(path, sizeof path, "%s/%.200s", m.dir, prefix);
    ck_assert_msg(find_recording(path, NULL, NULL, &f, &e) == 0, "%s", e.text);
    ck_assert_str_eq(f.prefix, "01a1fe02-0000-7000-8000-000000000002");
    found_fini(&f);
    static const char *const wrong[] = {
        "", "/", "nope", "../..", "/etc/passwd", "01a1fe09-0000-7000-8000-000000000009"
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ck_assert_msg(find_recording(wrong[i], m.store, tree, &f, &e) == -1 || i == 3, "%s",
                      wrong[i]);
        found_fini(&f);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tree");
    TCase *t = tcase_create("tree");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pages);
    tcase_add_test(t, kept);
    tcase_add_test(t, summaries);
    tcase_add_test(t, shown);
    tcase_add_test(t, found);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
