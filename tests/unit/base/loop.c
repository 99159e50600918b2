#include "guacd/base/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

/* A word that may be handed out as void *. */
#define WORD(text) ((char[]){ text })

static struct loop *loop;
static char trace[512];

static void note(const char *word) {
    size_t len = strlen(trace);
    snprintf(trace + len, sizeof trace - len, "%s ", word);
}

static void setup(void) {
    struct err e = { 0 };
    loop = loop_new(&e);
    ck_assert_ptr_nonnull(loop);
    trace[0] = '\0';
}

static void teardown(void) {
    loop_free(loop);
}

static void stop(void *arg) {
    note(arg ? arg : "stop");
    loop_stop(loop);
}

/* ---- timers */

static void say(void *arg) {
    note(arg);
}

START_TEST(timers_fire_in_order) {
    struct loop_timer *a = loop_timer_new(loop, say, WORD("a")),
                      *b = loop_timer_new(loop, say, WORD("b"));
    struct loop_timer *c = loop_timer_new(loop, say, WORD("c")),
                      *d = loop_timer_new(loop, say, WORD("d"));
    struct loop_timer *end = loop_timer_new(loop, stop, NULL);
    uint64_t start = clock_us();
    loop_timer_set(end, 20000);
    loop_timer_set(c, 9000);
    loop_timer_set(a, 0);
    loop_timer_set(b, 3000);
    loop_timer_set(d, 1000);
    loop_timer_set(d, UINT64_MAX);
    ck_assert(loop_timer_active(a));
    loop_run(loop);
    ck_assert_str_eq(trace, "a b c stop ");
    ck_assert_uint_ge(clock_us(), start + 20000);
    ck_assert(!loop_timer_active(a));
    ck_assert(loop_timer_active(d));
    loop_timer_free(a);
    loop_timer_free(b);
    loop_timer_free(c);
    loop_timer_free(d);
    loop_timer_free(end);
    loop_timer_free(NULL);
}
END_TEST

static struct loop_timer *again, *victim;
static int rounds;

static void rearm(void *arg) {
    (void)arg;
    if (++rounds == 1)
        loop_timer_stop(victim);
    if (rounds == 50)
        loop_stop(loop);
    else
        loop_timer_set(again, 0);
}

static void never(void *arg) {
    (void)arg;
    ck_abort_msg("a stopped timer fired");
}

static void drain(void *arg, int fd, short revents) {
    (void)revents;
    char c;
    ck_assert_int_eq(read(fd, &c, 1), 1);
    note(arg);
}

/* A timer that arms itself at once neither starves descriptors nor ends the round late. */
START_TEST(timers_may_arm_themselves) {
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(write(p[1], "xy", 2), 2);
    struct loop_fd *f = loop_fd_add(loop, p[0], POLLIN, drain, WORD("fd"));
    rounds = 0;
    again = loop_timer_new(loop, rearm, NULL);
    victim = loop_timer_new(loop, never, NULL);
    loop_timer_set(again, 0);
    loop_timer_set(victim, 0);
    loop_run(loop);
    ck_assert_int_eq(rounds, 50);
    ck_assert_str_eq(trace, "fd fd ");
    loop_timer_free(again);
    loop_timer_free(victim);
    loop_fd_remove(f);
    close(p[0]);
    close(p[1]);
}
END_TEST

static uint64_t last_due;
static size_t fired;
static struct loop_timer *many[200];
static uint64_t due[200];

static void in_order(void *arg) {
    uint64_t mine = due[(size_t)(uintptr_t)arg];
    ck_assert_uint_ge(mine, last_due);
    last_due = mine;
    fired++;
}

START_TEST(the_heap_holds) {
    uint32_t r;
    last_due = 0;
    fired = 0;
    size_t stopped = 0;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = loop_timer_new(loop, in_order, (void *)(uintptr_t)i);
    uint64_t start = clock_us();
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < ARRAY_LEN(many); i++) {
            random_bytes(&r, sizeof r);
            uint64_t after = (r % 100) * 1000; /* far apart: arming takes time itself */
            loop_timer_set(many[i], after);
            due[i] = (clock_us() - start) / 500 * 500 + after;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(many); i += 7, stopped++)
        loop_timer_stop(many[i]);
    struct loop_timer *end = loop_timer_new(loop, stop, NULL);
    loop_timer_set(end, 150000);
    last_due = 0;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        due[i] = due[i] / 5000; /* order is exact, our notes of it are not */
    loop_run(loop);
    ck_assert_uint_eq(fired, ARRAY_LEN(many) - stopped);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        loop_timer_free(many[i]);
    loop_timer_free(end);
}
END_TEST

/* ---- descriptors */

static struct loop_fd *watched[3];
static int pipes[3][2];

static void remove_others(void *arg, int fd, short revents) {
    (void)fd;
    (void)revents;
    (void)arg;
    note("one");
    for (size_t i = 0; i < 3; i++) {
        loop_fd_remove(watched[i]);
        watched[i] = NULL;
        close(pipes[i][0]);
    }
    /* the same numbers again, nothing to read on them */
    for (size_t i = 0; i < 3; i++) {
        int p[2];
        ck_assert_int_eq(pipe(p), 0);
        close(p[1]);
        ck_assert_ptr_nonnull(loop_fd_add(loop, p[0], POLLOUT, NULL, NULL));
        loop_fd_events(loop_fd_add(loop, p[0], POLLIN, NULL, NULL), 0);
    }
    loop_stop(loop);
}

START_TEST(callbacks_may_remove_all) {
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(pipe(pipes[i]), 0);
        ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
        watched[i] = loop_fd_add(loop, pipes[i][0], POLLIN, remove_others, NULL);
    }
    loop_run(loop);
    ck_assert_str_eq(trace, "one ");
    for (size_t i = 0; i < 3; i++)
        close(pipes[i][1]);
}
END_TEST

static struct loop_fd *second;

static void pause_second(void *arg, int fd, short revents) {
    drain(arg, fd, revents);
    loop_fd_events(second, 0);
}

START_TEST(paused_means_silent_even_at_hang_up) {
    int a[2], b[2];
    ck_assert_int_eq(pipe(a), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    ck_assert_int_eq(write(a[1], "x", 1), 1);
    close(b[1]);
    struct loop_fd *first = loop_fd_add(loop, a[0], POLLIN, pause_second, WORD("first"));
    second = loop_fd_add(loop, b[0], POLLIN, NULL, NULL); /* would crash */
    struct loop_timer *end = loop_timer_new(loop, stop, NULL);
    loop_timer_set(end, 20000);
    loop_run(loop);
    ck_assert_str_eq(trace, "first stop ");
    loop_fd_remove(first);
    loop_fd_remove(second);
    loop_fd_remove(NULL);
    loop_timer_free(end);
    close(a[0]);
    close(a[1]);
    close(b[0]);
}
END_TEST

static void hang_up(void *arg, int fd, short revents) {
    (void)arg;
    (void)fd;
    ck_assert(revents & POLLHUP);
    note("hup");
    loop_stop(loop);
}

START_TEST(hang_ups_are_told) {
    int a[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    close(a[1]);
    loop_fd_add(loop, a[0], POLLIN, hang_up, NULL);
    loop_run(loop);
    ck_assert_str_eq(trace, "hup ");
    close(a[0]);
}
END_TEST

/* ---- posts and signals */

static int posted[2];

static void count_post(void *arg) {
    int *slot = arg;
    ck_assert_ptr_nonnull(slot);
    (*slot)++;
    if (posted[0] + posted[1] == 20000)
        loop_stop(loop);
}

static void *poster(void *arg) {
    for (int i = 0; i < 10000; i++)
        ck_assert_int_eq(loop_post(loop, count_post, arg), 0);
    return NULL;
}

START_TEST(threads_post) {
    pthread_t t[2];
    posted[0] = posted[1] = 0;
    for (size_t i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, poster, &posted[i]);
    loop_run(loop);
    for (size_t i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    ck_assert_int_eq(posted[0], 10000);
    ck_assert_int_eq(posted[1], 10000);
}
END_TEST

static void post_more(void *arg) {
    note(arg);
    static char word[] = "c";
    loop_post(loop, stop, word);
}

START_TEST(posts_keep_their_order) {
    loop_post(loop, say, WORD("a"));
    loop_post(loop, post_more, WORD("b"));
    loop_post(loop, say, WORD("b2"));
    loop_run(loop);
    ck_assert_str_eq(trace, "a b b2 c ");
    loop_post(loop, never, NULL); /* dropped with the loop */
}
END_TEST

static void *stopper(void *arg) {
    usleep(20000);
    loop_stop(arg);
    return NULL;
}

START_TEST(any_thread_stops_it) {
    pthread_t t;
    pthread_create(&t, NULL, stopper, loop);
    loop_run(loop);
    pthread_join(t, NULL);
    loop_stop(loop); /* before: returns at once */
    loop_run(loop);
}
END_TEST

static void on_signal(void *arg, int signo) {
    (void)arg;
    note(signo == SIGUSR1 ? "usr1" : "term");
    if (signo == SIGTERM)
        loop_stop(loop);
}

START_TEST(signals_arrive) {
    ck_assert_int_eq(loop_signal(loop, SIGUSR1, on_signal, NULL), 0);
    ck_assert_int_eq(loop_signal(loop, SIGTERM, on_signal, NULL), 0);
    ck_assert_int_eq(loop_signal(loop, 0, on_signal, NULL), -1);
    ck_assert_int_eq(loop_signal(loop, 65, on_signal, NULL), -1);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGTERM);
    loop_run(loop);
    ck_assert_ptr_nonnull(strstr(trace, "usr1"));
    ck_assert_ptr_nonnull(strstr(trace, "term"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/loop");
    TCase *c = tcase_create("loop");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, timers_fire_in_order);
    tcase_add_test(c, timers_may_arm_themselves);
    tcase_add_test(c, the_heap_holds);
    tcase_add_test(c, callbacks_may_remove_all);
    tcase_add_test(c, paused_means_silent_even_at_hang_up);
    tcase_add_test(c, hang_ups_are_told);
    tcase_add_test(c, threads_post);
    tcase_add_test(c, posts_keep_their_order);
    tcase_add_test(c, any_thread_stops_it);
    tcase_add_test(c, signals_arrive);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
