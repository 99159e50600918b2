/* The folder store: the suite of all stores, and what only files do. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "guacd/base/log.h"
#include "tests/unit/crd/suite.inc"

static char dir[64];

static struct resources *suite_open(void) {
    struct err e = { 0 };
    char path[128];
    snprintf(path, sizeof path, "%s/state", dir);
    struct resources *s = resources_folder_new(path, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    return s;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void setup(void) {
    snprintf(dir, sizeof dir, "/tmp/crd-state-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_init("test", LOG_LEVEL_ERROR);
    suite_setup();
}

static void teardown(void) {
    suite_teardown();
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text, mode_t mode) {
    char path[512], temporary[512];
    snprintf(path, sizeof path, "%s/state/guacamolelocks/%s", dir, name);
    snprintf(temporary, sizeof temporary, "%s/state/guacamolelocks/.%s", dir, name);
    FILE *f = fopen(temporary, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    ck_assert_int_eq(chmod(temporary, mode), 0);
    ck_assert_int_eq(rename(temporary, path), 0);
}

#define HEAD "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleLock\n"
#define LOCK(sub) HEAD "metadata: {name: hand, namespace: relay}\nspec: {sub: " sub ", reason: x}\n"

static void becomes(struct resources *s, const char *name, const char *sub) {
    for (uint64_t until = clock_ms() + WAIT_MS;;) {
        uint64_t g = resources_generation(s);
        struct resource *r = seen(s, RESOURCE_LOCK, name);
        bool ok = r && (*sub == '!' ? !resource_usable(r)
                                    : resource_usable(r) && strcmp(r->lock.sub, sub) == 0);
        resource_unref(r);
        if (ok)
            return;
        ck_assert_msg(clock_ms() < until, "%s did not become %s", name, sub);
        resources_wait(s, g, 200);
    }
}

static size_t problems(struct resources *s) {
    struct resources_view *v = resources_view(s, RESOURCE_LOCK);
    size_t n = json_array_size(v->problems);
    resources_view_unref(v);
    return n;
}

/* An administrator's lock: written by hand, changed by hand, broken by a slip. */
START_TEST(by_hand) {
    struct err e = { 0 };
    put("relay.hand.yaml", LOCK("a"), 0640);
    becomes(one, "hand", "a");
    struct resource *r = fetched(one, RESOURCE_LOCK, "hand");
    ck_assert_ptr_nonnull(r->uid);
    put("relay.hand.yaml", LOCK("b"), 0640);
    becomes(one, "hand", "b");
    resource_text(&r->lock.reason, "late");
    is(resources_update(one, r, NULL, &e), RESOURCES_CONFLICT, &e); /* an editor's change counts */
    resource_unref(r);
    put("relay.hand.yaml", "spec: [", 0640); /* a slip lifts no lock */
    for (uint64_t until = clock_ms() + WAIT_MS; problems(one) == 0;) {
        ck_assert(clock_ms() < until);
        resources_wait(one, resources_generation(one), 50);
    }
    becomes(one, "hand", "b");
    put("relay.hand.yaml", HEAD "metadata: {name: hand, namespace: relay}\nspec: {}\n", 0640);
    becomes(one, "hand", "!");
    ck_assert_uint_eq(problems(one), 0);
    put("relay.other.yaml", LOCK("a"), 0640); /* the name is another file's */
    put("README", "no", 0640);
    struct resources_view *v = NULL;
    is(resources_list(one, RESOURCE_LOCK, NULL, &v, &e), RESOURCES_OK, &e);
    ck_assert_uint_eq(v->count, 2);
    ck_assert(!resource_usable(v->items[0]) && !resource_usable(v->items[1]));
    resources_view_unref(v);
}
END_TEST

START_TEST(quick_changes_are_seen) {
    for (int i = 0; i < 30; i++) { /* same size, often the same stamp and inode */
        char text[256], sub[16];
        snprintf(sub, sizeof sub, "s%03d", i);
        snprintf(text, sizeof text,
                 HEAD "metadata: {name: hand, namespace: relay}\nspec: {sub: %s, reason: x}\n",
                 sub);
        put("relay.hand.yaml", text, 0640);
        becomes(one, "hand", sub);
    }
}
END_TEST

/* Processes, not threads: the lock is the kernel's. */
START_TEST(processes) {
    struct resource *r = stored(a_session(NS, "00000000-0000-7000-8000-000000000000"));
    pid_t children[3];
    resource_unref(r);
    resources_free(one); /* a child of one thread only: others may hold a lock for ever there */
    resources_free(two);
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct racer me = { .number = (int)i };
            two = one = suite_open();
            count_it(&me);
            _exit(me.won == ROUNDS ? 0 : 1);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        int status = -1;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    one = suite_open();
    two = suite_open();
    r = fetched(one, RESOURCE_SESSION, "00000000-0000-7000-8000-000000000000");
    ck_assert_int_eq(r->session.bytes, (int)ARRAY_LEN(children) * ROUNDS);
    resource_unref(r);
}
END_TEST

/* Who died with the lock in hand, or with half a file, stops nobody. */
START_TEST(a_crash_leaves_nothing) {
    char path[256];
    pid_t child = fork();
    if (child == 0) {
        snprintf(path, sizeof path, "%s/state/.lock", dir);
        int fd = open(path, O_RDWR | O_CREAT, 0640);
        if (fd < 0 || flock(fd, LOCK_EX))
            _exit(1);
        snprintf(path, sizeof path, "%s/state/guacamolelocks/.new-relay.l1.yaml", dir);
        FILE *f = fopen(path, "w");
        if (f)
            fputs("apiVer", f);
        raise(SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ck_assert(WIFSIGNALED(status));
    resource_unref(stored(a_lock("l1", "x")));
    appears(two, RESOURCE_LOCK, "l1", true);
    ck_assert_uint_eq(problems(two), 0);
}
END_TEST

START_TEST(no_folder) {
    struct err e = { 0 };
    ck_assert_ptr_null(resources_folder_new("/nonexistent/state", &e));
    ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent/state"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("resources");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    suite_add(t);
    tcase_add_test(t, by_hand);
    tcase_add_test(t, quick_changes_are_seen);
    tcase_add_test(t, processes);
    tcase_add_test(t, a_crash_leaves_nothing);
    tcase_add_test(t, no_folder);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
