#include "guacd/base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

#define WORD(text) ((char[]){ text })

static char output[4096];

/* Run a shell script with its stdout in `output`. Returns its wait status. */
static int run(const char *script, const struct spawn_fd *more, size_t count) {
    int p[2];
    ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
    struct spawn_fd fds[8] = { { p[1], 1 } };
    for (size_t i = 0; i < count; i++)
        fds[i + 1] = more[i];
    char *const argv[] = { WORD("sh"), WORD("-c"), (char *)(uintptr_t)script, NULL };
    char *const envp[] = { WORD("ONE=1"), NULL };
    struct err e = { 0 };
    pid_t pid = spawn_process("/bin/sh", argv, envp, fds, count + 1, &e);
    ck_assert_msg(pid > 0, "%s", e.text);
    close(p[1]);
    size_t len = 0;
    ssize_t n;
    while ((n = read(p[0], output + len, sizeof output - 1 - len)) > 0)
        len += (size_t)n;
    output[len] = '\0';
    close(p[0]);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(sees_only_what_is_named) {
    int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, on purpose */
    int leak2 = fcntl(leak, F_DUPFD, 100);
    struct spawn_fd more[] = { { leak, 3 }, { leak2, 4 } };
    ck_assert_int_eq(
        /* by asking for each: a pipe to `ls` would itself be seen now and then */
        run("for f in 0 1 2 3 4 5 6 7 8 9 99 100 101; do [ ! -e /proc/$$/fd/$f ] || printf '%s ' "
            "$f; "
            "done; env | grep -c ^ONE=1; readlink /proc/$$/fd/0",
            more, 2),
        0);
    ck_assert_str_eq(output, "0 1 2 3 4 1\n/dev/null\n");
    close(leak);
    close(leak2);
}
END_TEST

/* The sources lie on each other's targets. */
START_TEST(crossed_numbers) {
    int a = open("/dev/null", O_RDONLY | O_CLOEXEC), z = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int three = fcntl(3, F_DUPFD_CLOEXEC, 20), four = fcntl(4, F_DUPFD_CLOEXEC, 20);
    ck_assert_int_eq(dup3(a, 13, O_CLOEXEC), 13);
    ck_assert_int_eq(dup3(z, 14, O_CLOEXEC), 14);
    dup3(13, 4, O_CLOEXEC);
    dup3(14, 3, O_CLOEXEC);
    struct spawn_fd more[] = { { 4, 3 }, { 3, 4 } };
    int status = run("readlink /proc/$$/fd/3 /proc/$$/fd/4", more, 2);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(output, "/dev/null\n/dev/zero\n");
    close(three);
    close(four);
}
END_TEST

START_TEST(signals_are_default_and_unmasked) {
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ck_assert_int_eq(run("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL, 0), 0);
    unsigned long long blocked = 1, ignored = 1;
    ck_assert_int_eq(sscanf(output, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    ck_assert_uint_eq(blocked, 0);
    ck_assert_uint_eq(ignored & ~0x180000000ull, 0); /* but glibc's own 32 and 33 */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}
END_TEST

START_TEST(a_group_of_its_own) {
    ck_assert_int_eq(run("read -r pid x x x group x < /proc/$$/stat; test $pid = $group", NULL, 0),
                     0);
}
END_TEST

START_TEST(failures_are_told_and_nothing_leaks) {
    struct err e = { 0 };
    char *const argv[] = { WORD("x"), NULL };
    int before = dup(0);
    ck_assert_int_eq(spawn_process("/no/such", argv, argv + 1, NULL, 0, &e), -1);
    ck_assert_str_eq(e.text, "cannot start /no/such: No such file or directory");
    struct spawn_fd bad[] = { { before, 3 }, { 999, 4 } };
    ck_assert_int_eq(spawn_process("/bin/true", argv, argv + 1, bad, 2, &e), -1);
    ck_assert_str_eq(e.text, "cannot start /bin/true: Bad file descriptor");
    struct spawn_fd range = { before, -1 };
    ck_assert_int_eq(spawn_process("/bin/true", argv, argv + 1, &range, 1, &e), -1);
    ck_assert_int_eq(spawn_process("/bin/true", argv, argv + 1, bad, 17, &e), -1);
    int after = dup(0);
    ck_assert_int_eq(after, before + 1);
    close(before);
    close(after);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/spawn");
    TCase *c = tcase_create("spawn");
    tcase_add_test(c, sees_only_what_is_named);
    tcase_add_test(c, crossed_numbers);
    tcase_add_test(c, signals_are_default_and_unmasked);
    tcase_add_test(c, a_group_of_its_own);
    tcase_add_test(c, failures_are_told_and_nothing_leaks);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
