/* The stages beyond sandbox.c's table: old kernels, failures, threads, the trap, and guacd, which
 * may execute one file. */
#include "guacd/base/sandbox.h"

#include <seccomp.h>
#include <sys/resource.h>

#include "guacd/base/sandbox_parts.h"
#include "guacd/base/spawn.h"
#include "tests/unit/base/sandbox_probes.h"

/* Older kernels' rules, on this one. */
static int simulated_abi;

static int old_landlock(void) {
    struct err e = { 0 };
    const struct sandbox_path paths[] = { { drive, SANDBOX_WRITE }, { secret, SANDBOX_WRITE } };
    const struct sandbox_profile p = { .paths = paths,
                                       .path_count = ARRAY_LEN(paths),
                                       .libraries = true };
    if (sandbox_begin(&e) < 0 || sandbox_landlock(&p, simulated_abi, &e) < 0)
        fatal(&e);
    if (read_shadow() != EACCES || create_in_tmp() != EACCES || list_library() != 0 ||
        read_secret() != 0)
        return 101;
    if (create_in_drive() != 0)
        return 102;
    if ((kill_sibling() == 0) != (simulated_abi < 6))
        return 103;
    if ((connect_elsewhere() == 0) != (simulated_abi < 4))
        return 104;
    return 0;
}

START_TEST(every_abi) {
    int abi = sandbox_landlock_abi();
    for (simulated_abi = 1; simulated_abi <= abi && simulated_abi <= 7; simulated_abi++)
        ck_assert_msg(in_child(old_landlock) == 0, "ABI %d: %d", simulated_abi,
                      in_child(old_landlock));
}
END_TEST

static int say_wrong_access(void) {
    struct err e = { 0 };
    /* A file with a folder's access: masked, not an error. */
    const struct sandbox_path paths[] = { { secret, SANDBOX_SOCKETS }, { run, SANDBOX_EXECUTE } };
    const struct sandbox_profile p = { .paths = paths, .path_count = 2 };
    return sandbox_begin(&e) < 0 || sandbox_narrow(&p, &e) < 0 ? 101 : read_secret();
}

START_TEST(files_and_folders_differ) {
    if (sandbox_landlock_abi() > 0)
        ck_assert_int_eq(in_child(say_wrong_access), 0);
}
END_TEST

/* 16 layers at most: the one too many is an error, not a hole. */
static int too_many_layers(void) {
    struct err e = { 0 };
    const struct sandbox_profile p = { .libraries = true };
    if (sandbox_begin(&e) < 0)
        return 101;
    for (int i = 0; i < 16; i++)
        if (sandbox_narrow(&p, &e) < 0)
            return 102;
    return sandbox_narrow(&p, &e) == -1 && e.status ? 0 : 103;
}

START_TEST(failures_are_errors) {
    if (sandbox_landlock_abi() > 0)
        ck_assert_int_eq(in_child(too_many_layers), 0);
}
END_TEST

/* A kernel without seccomp, played by a filter that refuses seccomp. */
static void lose_seccomp(void) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 0);
    seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
    seccomp_load(f);
    seccomp_release(f);
}

static int without_seccomp(void) {
    struct err e = { 0 };
    const struct sandbox_profile p = { .libraries = true };
    struct sandbox_options o = { 0 };
    lose_seccomp();
    if (sandbox_begin(&e) < 0)
        return 101;
    if (sandbox_enter(&p, &o, &e) != -1 || !e.status)
        return 102;
    o.allow_no_seccomp = true;
    e = (struct err){ 0 };
    fclose(stderr);
    close(STDERR_FILENO); /* it warns */
    if (sandbox_enter(&p, &o, &e) < 0 || e.status || sandbox_lock(0, &o, &e) < 0)
        return 103;
    return 0;
}

START_TEST(missing_seccomp_is_an_error_unless_allowed) {
    ck_assert_int_eq(in_child(without_seccomp), 0);
}
END_TEST

/* A profile that names no kind of socket gets none but TCP to its ports. */
static int few_sockets(void) {
    struct err e = { 0 };
    const struct sandbox_profile p = { .any_connect = true, .libraries = true };
    const struct sandbox_options o = { 0 };
    int before = socket(AF_INET, SOCK_STREAM, 0);
    if (before < 0 || sandbox_begin(&e) < 0 || sandbox_enter(&p, &o, &e) < 0)
        return 101;
    if (udp() != EPERM || socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0)
        return 102;
    if (socket(AF_UNIX, SOCK_SEQPACKET, 0) >= 0 || errno != EPERM)
        return 103;
    if (listen(before, 1) == 0 || errno != EPERM)
        return 104;
    int pair[2];
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0
               ? 0
               : 105;
}

START_TEST(sockets_must_be_named) {
    ck_assert_int_eq(in_child(few_sockets), 0);
}
END_TEST

static int dumpable_and_core(void) {
    struct err e = { 0 };
    struct rlimit limit = { 1, 1 };
    if (sandbox_begin(&e) < 0 || getrlimit(RLIMIT_CORE, &limit) < 0)
        return 101;
#ifndef GUAC_SANITIZER
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 102;
#endif
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && limit.rlim_max == 0 ? 0 : 103;
}

START_TEST(begins) {
    ck_assert_int_eq(in_child(dumpable_and_core), 0);
}
END_TEST

#ifndef GUAC_SANITIZER
/* All threads, those that exist already among them. */
static int thread_result = -1;
static pthread_barrier_t loaded;

static void *early_thread(void *arg) {
    (void)arg;
    pthread_barrier_wait(&loaded);
    pthread_barrier_wait(&loaded);
    thread_result = udp();
    return NULL;
}

static int lock_with_threads(void) {
    struct err e = { 0 };
    struct sandbox_options o = { 0 };
    const struct sandbox_profile p = { .any_connect = true, .libraries = true };
    pthread_t t;
    if (sandbox_begin(&e) < 0 || sandbox_enter(&p, &o, &e) < 0)
        return 101;
    pthread_barrier_init(&loaded, NULL, 2);
    if (pthread_create(&t, NULL, early_thread, NULL) != 0)
        return 102;
    pthread_barrier_wait(&loaded);
    if (sandbox_lock(0, &o, &e) < 0)
        fatal(&e);
    pthread_barrier_wait(&loaded);
    pthread_join(t, NULL);
    return thread_result;
}

START_TEST(the_lock_binds_all_threads) {
    ck_assert_int_eq(in_child(lock_with_threads), EPERM);
}
END_TEST

static int trap_says_names(void) {
    int p[2];
    struct err e = { 0 };
    struct sandbox_options o = { .trap = true };
    const struct sandbox_profile profile = { .any_connect = true, .libraries = true };
    if (pipe(p) < 0 || dup2(p[1], STDERR_FILENO) < 0 || sandbox_begin(&e) < 0 ||
        sandbox_enter(&profile, &o, &e) < 0 || sandbox_lock(0, &o, &e) < 0)
        return 101;
    if (udp() != EPERM || user_namespace() != EPERM || read_secret() != EACCES)
        return 102;
    char text[512] = "";
    ssize_t n = read(p[0], text, sizeof text - 1);
    if (n <= 0 || !strstr(text, "sandbox: refused system call socket (") ||
        !strstr(text, "sandbox: refused system call unshare ("))
        return 103;
    return 0;
}

START_TEST(trap_mode_names_what_is_missing) {
    ck_assert_int_eq(in_child(trap_says_names), 0);
}
END_TEST
#endif

/* ---- guacd's case: execute one file, which seals itself further ------------------------------ */

static char self[256];
#define WORD(text) ((char[]){ text })

static int wait_for(pid_t pid) {
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 120;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int execute_one(void) {
    struct err e = { 0 };
    const struct sandbox_path paths[] = { { self, SANDBOX_EXECUTE },
                                          { "/etc", SANDBOX_READ },
                                          { "/proc", SANDBOX_READ },
                                          { folder, SANDBOX_WRITE } };
    const struct sandbox_profile p = { .paths = paths,
                                       .path_count = ARRAY_LEN(paths),
                                       .any_connect = true,
                                       .allow_exec = true,
                                       .libraries = true };
    const struct sandbox_options o = { 0 };
    char *argv[] = { self, WORD("child"), secret, NULL }, *envp[] = { NULL };
    if (sandbox_begin(&e) < 0 || sandbox_enter(&p, &o, &e) < 0)
        fatal(&e);
    if (spawn_process("/bin/true", argv, envp, NULL, 0, &e) != -1 || errno != EACCES)
        return 101;
    if (execute_memory() != EPERM || user_namespace() != EPERM || io_uring() != EPERM)
        return 102;
    pid_t pid = spawn_process(self, argv, envp, NULL, 0, &e);
    if (pid < 0)
        fatal(&e);
    return wait_for(pid);
}

START_TEST(one_file_may_be_executed) {
    ck_assert_int_eq(in_child(execute_one), 0);
}
END_TEST

/* What execute_one() starts: a session that seals itself below guacd's layer. */
static int child_main(const char *readable) {
    struct err e = { 0 };
    const struct sandbox_profile p = { .any_connect = true, .libraries = true };
    const struct sandbox_options o = { 0 };
    int fd = open(readable, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || close(fd) < 0)
        return 110;
    if (sandbox_begin(&e) < 0 || sandbox_enter(&p, &o, &e) < 0)
        fatal(&e);
    if (open(readable, O_RDONLY | O_CLOEXEC) >= 0 || open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0)
        return 111;
    if (threads() != 0 || raise_signal() != 0 || resolve_name() != 0 || load_library() != 0)
        return 112;
    if (execute() != EPERM || syscall(SYS_setresuid, 0, 0, 0) == 0)
        return 113;
    if (sandbox_lock(0, &o, &e) < 0)
        fatal(&e);
#ifndef GUAC_SANITIZER
    if (udp() != EPERM)
        return 114;
#endif
    return threads();
}

static Suite *suite(void) {
    Suite *s = suite_create("base/sandbox_stages");
    TCase *c = tcase_create("sandbox");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, begins);
    tcase_add_test(c, sockets_must_be_named);
    tcase_add_test(c, every_abi);
    tcase_add_test(c, files_and_folders_differ);
    tcase_add_test(c, failures_are_errors);
    tcase_add_test(c, missing_seccomp_is_an_error_unless_allowed);
#ifndef GUAC_SANITIZER
    tcase_add_test(c, the_lock_binds_all_threads);
    tcase_add_test(c, trap_mode_names_what_is_missing);
#endif
    tcase_add_test(c, one_file_may_be_executed);
    suite_add_tcase(s, c);
    return s;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        _exit(child_main(argv[2]));
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
