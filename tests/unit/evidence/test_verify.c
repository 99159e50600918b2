/* The verifier: a whole recording is proved; any one byte changed in any object, anything removed,
 * added or swapped is found, and named. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "recording/evidence/verify.h"
#include "tests/unit/evidence/make.h"

/* Every byte is tried by `make test` (UNIT_WHOLE=1) in the release build; sanitizers take their
 * time, and who calls `make unit` has none. */
static size_t step(void) {
#ifndef GUAC_SANITIZER
    if (getenv("UNIT_WHOLE"))
        return 1;
#endif
    return 11;
}

static struct make m;

static void setup(void) {
    make_store(&m);
    make_recording(&m, 0, "legacy");
}

static void teardown(void) {
    make_fini(&m);
}

static struct verify_report run(struct verify_anchor *a) {
    struct reading r = { 0 };
    struct verify_report v;
    struct err e = { 0 };
    ck_assert_msg(reading_init(&r, m.store, m.prefix, &e) == 0, "%s", e.text);
    ck_assert_msg(verify_run(&r, a, &v, &e) == 0, "%s", e.text);
    reading_fini(&r);
    return v;
}

static struct verify_anchor anchor_of(const struct sign_key *k) {
    struct verify_anchor a = { 0 };
    ck_assert_int_eq(verify_anchor_add(&a, sign_key_id(k), NULL), 0);
    return a;
}

static int result(void) {
    struct verify_anchor a = anchor_of(m.gateway);
    struct verify_report v = run(&a);
    int r = (int)v.result;
    verify_report_fini(&v);
    return r;
}

static bool names(const struct verify_report *v, const char *object) {
    size_t i;
    json_t *o;
    json_array_foreach(v->problems, i,
                       o) if (strcmp(json_str(o, "object", ""), object) == 0) return true;
    return false;
}

/* Broken, and this object is among what is named. */
static void broken(const char *object) {
    struct verify_anchor a = anchor_of(m.gateway);
    struct verify_report v = run(&a);
    char *said = json_dumps(v.problems, 0);
    ck_assert_msg(v.result == VERIFY_BROKEN, "%s is not found", object);
    ck_assert_msg(names(&v, object), "%s is not named in %s", object, said);
    free(said);
    verify_report_fini(&v);
}

static void path_of(const char *name, char out[1024]) {
    snprintf(out, 1024, "%s/%s/%s", m.dir, m.prefix, name);
}

static char *slurp(const char *name, size_t *len) {
    char path[1024];
    path_of(name, path);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    *len = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*len + 1);
    ck_assert_uint_eq(fread(data, 1, *len, f), *len);
    fclose(f);
    return data;
}

static void spit(const char *name, const void *data, size_t len) {
    char path[1024];
    path_of(name, path);
    unlink(path);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    fclose(f);
}

static struct reading objects;

static void list_objects(void) {
    ck_assert_int_eq(reading_list(&objects, m.store, m.prefix, NULL), 0);
    ck_assert_uint_eq(objects.count, 11);
}

START_TEST(proved) {
    struct verify_anchor none = { 0 }, right = anchor_of(m.gateway), wrong = anchor_of(m.key);
    struct verify_report v = run(&right);
    char *said = json_dumps(v.problems, 0);
    ck_assert_msg(v.result == VERIFY_PROVED, "%s", said);
    ck_assert_uint_eq(v.objects, 11);
    free(said);
    verify_report_fini(&v);
    v = run(&none);
    ck_assert_int_eq(v.result, VERIFY_UNANCHORED);
    verify_report_fini(&v);
    v = run(&wrong);
    ck_assert_int_eq(v.result, VERIFY_BROKEN);
    ck_assert(names(&v, NAME_OPEN_OBJECT) && names(&v, NAME_SEAL_OBJECT));
    verify_report_fini(&v);
    verify_anchor_add(&wrong, sign_key_id(m.gateway), NULL);
    v = run(&wrong);
    ck_assert_int_eq(v.result, VERIFY_PROVED);
    verify_report_fini(&v);
    ck_assert_int_eq(verify_anchor_add(&none, "nonsense", NULL), -1);
}
END_TEST

/* Every byte of every object, one bit each time. */
START_TEST(any_byte) {
    list_objects();
    for (size_t i = 0; i < objects.count; i++) {
        size_t len;
        const char *name = objects.objects[i].name;
        char *data = slurp(name, &len);
        for (size_t at = 0; at < len; at += step()) {
            char was = data[at];
            data[at] = (char)(was ^ (1 << at % 8));
            spit(name, data, len);
            broken(name);
            data[at] = was;
        }
        spit(name, data, len);
        free(data);
    }
    ck_assert_int_eq(result(), VERIFY_PROVED);
    reading_fini(&objects);
}
END_TEST

START_TEST(cut_and_grown) {
    list_objects();
    for (size_t i = 0; i < objects.count; i++) {
        size_t len;
        const char *name = objects.objects[i].name;
        char *data = slurp(name, &len);
        for (size_t at = 0; at < len; at += 1 + len / 23) {
            spit(name, data, at);
            broken(name);
        }
        data[len] = '\n';
        spit(name, data, len + 1);
        broken(name);
        spit(name, data, len);
        free(data);
    }
    ck_assert_int_eq(result(), VERIFY_PROVED);
    reading_fini(&objects);
}
END_TEST

START_TEST(removed) {
    list_objects();
    for (size_t i = 0; i < objects.count; i++) {
        size_t len;
        char path[1024];
        const char *name = objects.objects[i].name;
        char *data = slurp(name, &len);
        path_of(name, path);
        unlink(path);
        if (strcmp(name, NAME_SEAL_OBJECT) == 0)
            ck_assert_int_eq(result(), VERIFY_UNANCHORED); /* as if it still ran: never proved */
        else
            broken(name);
        spit(name, data, len);
        free(data);
    }
    ck_assert_int_eq(result(), VERIFY_PROVED);
    reading_fini(&objects);
}
END_TEST

START_TEST(swapped) {
    list_objects();
    for (size_t i = 0; i < objects.count; i++)
        for (size_t k = i + 1; k < objects.count; k++) {
            size_t a_len, b_len;
            const char *a_name = objects.objects[i].name, *b_name = objects.objects[k].name;
            char *a = slurp(a_name, &a_len), *b = slurp(b_name, &b_len);
            spit(a_name, b, b_len);
            spit(b_name, a, a_len);
            broken(a_name);
            broken(b_name);
            spit(a_name, a, a_len);
            spit(b_name, b, b_len);
            free(a);
            free(b);
        }
    ck_assert_int_eq(result(), VERIFY_PROVED);
    reading_fini(&objects);
}
END_TEST

START_TEST(added) {
    static const char *const names_of[] = { "00000009.1.1.guac.zst",
                                            "00000000.10.1.guac.zst",
                                            "00000007.7.text.zst",
                                            "note.txt",
                                            "seal.dsse.json.1",
                                            "Open.dsse.json",
                                            "\x01\xff" };
    size_t len;
    list_objects();
    char *data = slurp("00000000.10.0.guac.zst", &len), path[1024];
    for (size_t i = 0; i < ARRAY_LEN(names_of); i++) {
        spit(names_of[i], data, len);
        broken(i + 1 < ARRAY_LEN(names_of) ? names_of[i] : "\\x01\\xff");
        path_of(names_of[i], path);
        unlink(path);
    }
    free(data);
    ck_assert_int_eq(result(), VERIFY_PROVED);
    reading_fini(&objects);
}
END_TEST

/* Objects of another recording by the same gateway do not fit this one, all of them together do not
 * either. */
START_TEST(of_another) {
    struct make other = m;
    char *mine[16];
    size_t lens[16], len;
    list_objects();
    for (size_t i = 0; i < objects.count; i++)
        mine[i] = slurp(objects.objects[i].name, &lens[i]);
    other.key = NULL;
    buf_init(&other.lines, 1 << 20);
    make_recording(&other, 1, "other");
    for (size_t i = 0; i < objects.count; i++) {
        struct make first = m;
        memcpy(m.prefix, other.prefix, sizeof m.prefix);
        char *theirs = slurp(objects.objects[i].name, &len);
        memcpy(m.prefix, first.prefix, sizeof m.prefix);
        spit(objects.objects[i].name, theirs, len);
        broken(objects.objects[i].name);
        spit(objects.objects[i].name, mine[i], lens[i]);
        free(theirs);
    }
    /* The whole of it under this name. */
    memcpy(m.prefix, other.prefix, sizeof m.prefix);
    char *theirs[16];
    size_t their_lens[16];
    for (size_t i = 0; i < objects.count; i++)
        theirs[i] = slurp(objects.objects[i].name, &their_lens[i]);
    snprintf(m.prefix, sizeof m.prefix, "%s", objects.prefix);
    for (size_t i = 0; i < objects.count; i++)
        spit(objects.objects[i].name, theirs[i], their_lens[i]);
    broken(NAME_OPEN_OBJECT);
    for (size_t i = 0; i < objects.count; i++) {
        free(mine[i]);
        free(theirs[i]);
    }
    sign_key_free(other.key);
    buf_fini(&other.lines);
    reading_fini(&objects);
}
END_TEST

START_TEST(live) {
    struct verify_report v;
    struct verify_anchor a = anchor_of(m.gateway);
    char path[1024];
    size_t len;
    make_open(&m, 3, "legacy");
    for (int i = 0; i < 5; i++)
        make_chunk(&m, CHAIN_DATA, (uint64_t)(10 + i), "4.sync,2.10;");
    make_chunk(&m, CHAIN_TEXT, 12, "{}\n");
    v = run(&a);
    ck_assert_int_eq(v.result, VERIFY_UNANCHORED);
    ck_assert(!v.sealed);
    verify_report_fini(&v);
    /* One on its way, the next ones there already. */
    char *data = slurp("00000002.12.24.guac.zst", &len);
    path_of("00000002.12.24.guac.zst", path);
    unlink(path);
    v = run(&a);
    ck_assert_int_eq(v.result, VERIFY_UNANCHORED);
    ck_assert_uint_eq(json_array_size(v.notes), 1);
    verify_report_fini(&v);
    data[len - 1] ^= 1;
    spit("00000002.12.24.guac.zst", data, len);
    broken("00000002.12.24.guac.zst");
    free(data);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("verify");
    TCase *t = tcase_create("verify");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, proved);
    tcase_add_test(t, any_byte);
    tcase_add_test(t, cut_and_grown);
    tcase_add_test(t, removed);
    tcase_add_test(t, swapped);
    tcase_add_test(t, added);
    tcase_add_test(t, of_another);
    tcase_add_test(t, live);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
