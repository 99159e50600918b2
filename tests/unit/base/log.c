#include "guacd/base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static char captured[1 << 20];

/* Run fn with stderr going into `captured`. */
static void capture(void (*fn)(void)) {
    char path[] = "/tmp/guac-log-XXXXXX";
    int file = mkstemp(path), old = dup(STDERR_FILENO);
    unlink(path);
    dup2(file, STDERR_FILENO);
    log_init("test", LOG_LEVEL_DEBUG);
    fn();
    dup2(old, STDERR_FILENO);
    close(old);
    ssize_t n = pread(file, captured, sizeof captured - 1, 0);
    ck_assert_int_ge(n, 0);
    captured[n] = '\0';
    close(file);
}

static json_t *line(size_t index) {
    char *p = captured;
    while (index-- > 0)
        p = strchr(p, '\n') + 1;
    char *end = strchr(p, '\n');
    ck_assert_ptr_nonnull(end);
    json_error_t e;
    json_t *o = json_loadb(p, (size_t)(end - p), JSON_REJECT_DUPLICATES, &e);
    ck_assert_msg(o != NULL, "%s in %.*s", e.text, (int)(end - p), p);
    return o;
}

static const char *get(json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "(none)";
}

static void some_lines(void) {
    log_info("hello %d", 7);
    log_trace("not at this level");
    log_set_session("01234567-89ab-7000-8000-000000000000");
    errno = ENOENT;
    log_error(
        "quote \" backslash \\ line\nbreak tab\t bell\a esc\033[31m del\x7f c1\xc2\x9b bad\xff"
        "\xc3 é 😀");
    ck_assert_int_eq(errno, ENOENT);
    log_set_session(NULL);
    log_warning("%s", "after");
}

START_TEST(writes_json_lines) {
    capture(some_lines);
    json_t *a = line(0), *b = line(1), *c = line(2);
    ck_assert_str_eq(get(a, "level"), "info");
    ck_assert_str_eq(get(a, "program"), "test");
    ck_assert_str_eq(get(a, "msg"), "hello 7");
    ck_assert_str_eq(get(a, "session"), "(none)");
    ck_assert_uint_eq(strlen(get(a, "ts")), 24);
    ck_assert_str_eq(get(b, "level"), "error");
    ck_assert_str_eq(get(b, "session"), "01234567-89ab-7000-8000-000000000000");
    ck_assert_str_eq(
        get(b, "msg"),
        "quote \" backslash \\ line\nbreak tab\t bell\a esc\033[31m del\x7f c1\xc2\x9b "
        "bad\xef\xbf\xbd\xef\xbf\xbd é 😀");
    ck_assert_str_eq(get(c, "session"), "(none)");
    ck_assert_ptr_null(strpbrk(captured, "\a\033\x7f"));
    json_decref(a);
    json_decref(b);
    json_decref(c);
}
END_TEST

static void for_the_journal(void) {
    struct stat st;
    char told[64];
    fstat(STDERR_FILENO, &st);
    snprintf(told, sizeof told, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", told, 1);
    log_init("test", LOG_LEVEL_DEBUG);
    log_error("bad");
    log_info("good");
    setenv("JOURNAL_STREAM", "1:1", 1); /* stderr was redirected since */
    log_init("test", LOG_LEVEL_DEBUG);
    log_info("elsewhere");
    unsetenv("JOURNAL_STREAM");
}

START_TEST(tells_the_journal_how_bad_it_is) {
    capture(for_the_journal);
    ck_assert_int_eq(strncmp(captured, "<3>{\"ts\":", 9), 0);
    ck_assert_ptr_nonnull(strstr(captured, "\n<6>{\"ts\":"));
    ck_assert_ptr_nonnull(strstr(captured, "\n{\"ts\":"));
}
END_TEST

static void long_lines(void) {
    char text[9000];
    memset(text, 1, sizeof text - 1); /* six characters each when escaped */
    text[sizeof text - 1] = '\0';
    log_info("%s", text);
    memset(text, 'x', sizeof text - 1);
    log_info("%s", text);
}

START_TEST(cuts_long_lines) {
    capture(long_lines);
    for (size_t i = 0; i < 2; i++) {
        json_t *o = line(i);
        const char *msg = get(o, "msg");
        ck_assert_uint_gt(strlen(msg), 600);
        ck_assert_str_eq(msg + strlen(msg) - 3, "…");
        json_decref(o);
    }
    ck_assert_uint_le(strcspn(captured, "\n") + 1, PIPE_BUF);
}
END_TEST

static void *chatter(void *arg) {
    for (int i = 0; i < 200; i++)
        log_info("%s %d", (const char *)arg, i);
    return NULL;
}

static void many_threads(void) {
    pthread_t t[4];
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        pthread_create(&t[i], NULL, chatter, (void *)(uintptr_t) "words of some length");
    log_set_session("s");
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        pthread_join(t[i], NULL);
    log_set_session(NULL);
}

START_TEST(threads_do_not_mix) {
    capture(many_threads);
    for (size_t i = 0; i < 800; i += 100)
        json_decref(line(i));
    size_t lines = 0;
    for (const char *p = captured; (p = strchr(p, '\n')); p++)
        lines++;
    ck_assert_uint_eq(lines, 800);
}
END_TEST

/* A full, non-blocking pipe: the line waits instead of being lost. */
START_TEST(waits_for_a_full_pipe) {
    int p[2];
    ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
    char fill[4096] = { 0 };
    while (write(p[1], fill, sizeof fill) > 0)
        ;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(p[1], STDERR_FILENO);
        log_init("test", LOG_LEVEL_INFO);
        log_info("the last word");
        _exit(0);
    }
    usleep(50000);
    close(p[1]);
    fcntl(p[0], F_SETFL, 0);
    size_t total = 0;
    ssize_t n;
    while ((n = read(p[0], captured + total, sizeof captured - total - 1)) > 0)
        total += (size_t)n;
    captured[total] = '\0';
    ck_assert_ptr_nonnull(memmem(captured, total, "the last word", 13));
    waitpid(pid, NULL, 0);
    close(p[0]);
}
END_TEST

START_TEST(levels) {
    ck_assert_int_eq(log_level_parse("error"), LOG_LEVEL_ERROR);
    ck_assert_int_eq(log_level_parse("warning"), LOG_LEVEL_WARNING);
    ck_assert_int_eq(log_level_parse("trace"), LOG_LEVEL_TRACE);
    ck_assert_int_eq(log_level_parse("loud"), -1);
    ck_assert_int_eq(log_level_parse(""), -1);
    ck_assert_int_eq(log_level_parse(NULL), -1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/log");
    TCase *c = tcase_create("log");
    tcase_add_test(c, writes_json_lines);
    tcase_add_test(c, cuts_long_lines);
    tcase_add_test(c, threads_do_not_mix);
    tcase_add_test(c, tells_the_journal_how_bad_it_is);
    tcase_add_test(c, waits_for_a_full_pipe);
    tcase_add_test(c, levels);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
