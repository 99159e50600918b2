/* The spool's thread: what it says is durable is on the disk, logs go when all in them is stored,
 * and nothing is left in the end. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/util.h"
#include "recording/recorder/record.h"
#include "recording/recorder/spool.h"

#define ID "0193b1c2-7a00-7abc-8def-0123456789ab"

static char dir[] = "/tmp/guac-spool-XXXXXX";
static struct loop *loop;
static struct spooler *spooler;
static struct spool *spool;
static uint64_t seq, objects, lines, files, want_seq, want_objects, want_lines, want_files;

static void check_wanted(void) {
    if (seq >= want_seq && objects >= want_objects && lines >= want_lines && files >= want_files)
        loop_stop(loop);
}

static void on_durable(void *arg, uint64_t s, uint64_t o, uint64_t l, uint64_t f) {
    (void)arg;
    ck_assert_uint_ge(s, seq);
    seq = s;
    objects = o;
    lines = l;
    files = f;
    check_wanted();
}

static void on_failing(void *arg, const char *why) {
    (void)arg;
    ck_abort_msg("failing: %s", why);
}

static const struct spool_events events = { on_durable, on_failing };

static void setup(void) {
    struct err e = { 0 };
    strcpy(dir + sizeof dir - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    loop = loop_new(&e);
    spooler = spooler_new(loop, dir, &e);
    ck_assert_msg(spooler != NULL, "%s", e.text);
    ck_assert_int_eq(spooler_start(spooler, &e), 0);
    spool = spool_new(spooler, ID, &events, NULL);
    seq = objects = lines = files = want_seq = want_objects = want_lines = want_files = 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void stop(void *arg) {
    loop_stop(arg);
}

static void teardown(void) {
    spool_free(spool);
    spooler_free(spooler, 1000);
    loop_post(loop, stop, loop); /* behind what the spooler still had to say */
    loop_run(loop);
    loop_free(loop);
    nftw(dir, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void frame(uint64_t sequence, size_t len) {
    static char data[1 << 20];
    struct tap_header h = { .length = (uint32_t)len, .type = TAP_DATA, .sequence = sequence };
    ck_assert_int_eq(spool_frame(spool, &h, data), 0);
}

static struct list_entry entry(uint32_t i) {
    struct list_entry l = { .kind = CHAIN_DATA, .n = i, .i = i, .frames = 1, .size = 3 };
    snprintf(l.name, sizeof l.name, "%08u.3.7.guac.zst", i);
    memset(l.sha256, 'a', 64);
    memset(l.head, 'b', 64);
    return l;
}

static int count_files(const char *suffix) {
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *x; (x = readdir(d));)
        n += strlen(x->d_name) > strlen(suffix) &&
             strcmp(x->d_name + strlen(x->d_name) - strlen(suffix), suffix) == 0;
    closedir(d);
    return n;
}

/* Whole records of all logs. */
static int count_records(enum record_type type) {
    int n = 0;
    for (int k = 0; k < 100; k++) {
        char path[256];
        snprintf(path, sizeof path, "%s/" ID ".%08u.log", dir, k);
        FILE *f = fopen(path, "rb");
        if (!f)
            continue;
        fseek(f, 0, SEEK_END);
        size_t size = (size_t)ftell(f), at = 0, used;
        rewind(f);
        uint8_t *data = malloc(size + 1);
        ck_assert_uint_eq(fread(data, 1, size, f), size);
        fclose(f);
        struct record r;
        while (record_parse(data + at, size - at, &r, &used) == RECORD_OK) {
            n += r.type == type;
            at += used;
        }
        ck_assert_uint_eq(at, size);
        free(data);
    }
    return n;
}

START_TEST(frames_and_objects) {
    for (uint64_t i = 1; i <= 500; i++)
        frame(i, 100);
    struct list_entry l = entry(0);
    ck_assert_int_eq(spool_object(spool, 1, &l, "abc", 3), 0);
    want_seq = 500;
    want_objects = 1;
    loop_run(loop);
    ck_assert_int_eq(count_records(RECORD_FRAME), 500);
    ck_assert_int_eq(count_records(RECORD_OBJECT), 1);
    ck_assert_uint_eq(spool_pending(spool), 0);
    ck_assert_uint_gt(spooler_bytes(spooler), 500 * 100);
}
END_TEST

START_TEST(logs_go_when_stored) {
    for (uint64_t i = 1; i <= 30; i++) { /* a log each few */
        frame(i, 1 << 20);
        want_seq = i;
        loop_run(loop);
    }
    int logs = count_files(".log");
    ck_assert_int_gt(logs, 3);
    struct list_entry l = entry(0);
    ck_assert_int_eq(spool_stored(spool, &l, 29, 0), 0);
    want_lines = 1;
    loop_run(loop);
    ck_assert_int_eq(count_files(".list"), 1);
    ck_assert_int_le(count_files(".log"), 2);
    ck_assert_int_ge(count_records(RECORD_FRAME), 1); /* the last one is not stored */
    ck_assert_int_eq(spool_stored(spool, NULL, 30, 0), 0);
    want_files = spool_state(spool, "{}", 2);
    loop_run(loop);
    ck_assert_int_eq(count_records(RECORD_FRAME), 0);
    ck_assert_uint_eq(spooler_bytes(spooler), 0);
    /* And it goes on behind them. */
    frame(31, 10);
    want_seq = 31;
    loop_run(loop);
    ck_assert_int_eq(count_records(RECORD_FRAME), 1);
}
END_TEST

/* An object that is not stored keeps its log, however many frames are. */
START_TEST(objects_keep_their_logs) {
    struct list_entry l = entry(0);
    static char big[1 << 20];
    l.size = sizeof big;
    frame(1, 10);
    spool_object(spool, 1, &l, big, sizeof big);
    want_objects = 1;
    loop_run(loop);
    spool_stored(spool, NULL, 1, 0);
    want_files = spool_state(spool, "{}", 2);
    loop_run(loop);
    ck_assert_int_eq(count_records(RECORD_OBJECT), 1);
    spool_stored(spool, NULL, 1, 1);
    want_files = spool_state(spool, "{}", 2);
    loop_run(loop);
    ck_assert_int_eq(count_records(RECORD_OBJECT), 0);
}
END_TEST

START_TEST(state_and_removal) {
    char path[256], text[32] = "";
    frame(1, 100);
    struct list_entry l = entry(0);
    spool_stored(spool, &l, 0, 0);
    spool_state(spool, "first", 5);
    want_files = spool_state(spool, "second!", 7);
    loop_run(loop);
    snprintf(path, sizeof path, "%s/" ID ".json", dir);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, f));
    fclose(f);
    ck_assert_str_eq(text, "second!");
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    want_files = spool_remove(spool);
    loop_run(loop);
    ck_assert_int_eq(count_files(""), 2); /* . and .. */
    ck_assert_uint_eq(spooler_bytes(spooler), 0);
}
END_TEST

/* What is pending when the program ends is written still. */
START_TEST(ends_in_order) {
    for (uint64_t i = 1; i <= 50; i++)
        frame(i, 1000);
    spool_free(spool);
    spooler_free(spooler, 1000);
    spool = NULL;
    spooler = NULL;
    ck_assert_int_eq(count_records(RECORD_FRAME), 50);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("spool");
    TCase *t = tcase_create("spool");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, frames_and_objects);
    tcase_add_test(t, logs_go_when_stored);
    tcase_add_test(t, objects_keep_their_logs);
    tcase_add_test(t, state_and_removal);
    tcase_add_test(t, ends_in_order);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
