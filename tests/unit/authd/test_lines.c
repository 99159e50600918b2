/* The lines to other programs, against small ones that speak here: recorder and sessions. */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/recorder.h"
#include "proxy/authd/sessions.h"
#include "tests/unit/unit.h"

static char dir[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void setup(void) {
    snprintf(dir, sizeof dir, "/tmp/authd-lines-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_init("test", LOG_LEVEL_ERROR);
}

static void teardown(void) {
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *in_dir(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* ---- recorder -------------------------------------------------------------------------------- */

/* The listeners do not block. */
static int accept_one(int listener) {
    struct pollfd p = { listener, POLLIN, 0 };
    if (poll(&p, 1, 20000) != 1 || p.revents & (POLLHUP | POLLERR | POLLNVAL))
        return -1;
    return accept(listener, NULL, NULL);
}

static bool everybody(void *arg, unsigned uid) {
    (void)arg;
    return uid == geteuid();
}

static bool nobody(void *arg, unsigned uid) {
    (void)arg, (void)uid;
    return false;
}

static json_t *on_ask(void *arg, const json_t *msg) {
    ++*(_Atomic int *)arg;
    return json_pack("{s:s, s:s}", "op", "seal", "id", json_str(msg, "id", ""));
}

static json_t *receive(int sock) {
    struct err e = { 0 };
    json_t *m = ctl_recv(sock, NULL, NULL, &e);
    ck_assert_msg(m != NULL, "%s", e.text);
    return m;
}

static void reply(int sock, const json_t *msg, json_t *answer, const int *fd) {
    struct err e = { 0 };
    json_object_set(answer, "rid", json_object_get(msg, "rid"));
    ck_assert_msg(ctl_send(sock, answer, fd, fd != NULL, &e) == 0, "%s", e.text);
    json_decref(answer);
}

static void up(struct recorder *r, bool want) {
    for (int i = 0; i < 300 && recorder_up(r) != want; i++)
        usleep(10000);
    ck_assert_int_eq(recorder_up(r), want);
}

struct caller {
    struct recorder *r;
    const char *op;
    json_t *answer;
    struct err e;
    int fd, timeout;
    pthread_t thread;
};

static void *call(void *arg) {
    struct caller *c = arg;
    c->answer = recorder_call(c->r, json_pack("{s:s}", "op", c->op), c->timeout, &c->fd, &c->e);
    return NULL;
}

static void begin(struct caller *c, struct recorder *r, const char *op, int timeout) {
    *c = (struct caller){ .r = r, .op = op, .timeout = timeout };
    ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
}

START_TEST(recorder_many_at_once) {
    struct err e = { 0 };
    _Atomic int asked = 0;
    int listener = ctl_listen(in_dir("recorder.sock"), 0600, &e);
    struct recorder *r = recorder_new(in_dir("recorder.sock"), on_ask, everybody, &asked, &e);
    ck_assert_ptr_nonnull(r);
    int sock = accept_one(listener);
    up(r, true);
    /* two calls, answered in reverse, one with a descriptor, one refused */
    struct caller one, two;
    begin(&one, r, "new", 5000);
    json_t *m1 = receive(sock);
    begin(&two, r, "open", 5000);
    json_t *m2 = receive(sock);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    reply(sock, m2, json_pack("{s:b, s:s}", "ok", 1, "x", "y"), &fds[1]);
    pthread_join(two.thread, NULL);
    ck_assert_ptr_nonnull(two.answer);
    ck_assert_int_ge(two.fd, 0);
    ck_assert_int_eq(write(two.fd, "z", 1), 1);
    reply(sock, m1,
          json_pack("{s:b, s:i, s:s}", "ok", 0, "status", 0x0205, "error", "there already"), NULL);
    pthread_join(one.thread, NULL);
    ck_assert_ptr_null(one.answer);
    ck_assert_int_eq(one.e.status, 0x0205);
    ck_assert_str_eq(one.e.text, "there already");
    ck_assert_int_eq(one.fd, -1);
    json_decref(two.answer);
    json_decref(m1);
    json_decref(m2);
    /* it asks by itself */
    json_t *ended = json_pack("{s:s, s:s}", "op", "ended", "id", "abc");
    ck_assert_int_eq(ctl_send(sock, ended, NULL, 0, &e), 0);
    json_decref(ended);
    json_t *seal = receive(sock);
    ck_assert_str_eq(json_str(seal, "op", ""), "seal");
    ck_assert_str_eq(json_str(seal, "id", ""), "abc");
    ck_assert_int_eq(asked, 1);
    json_decref(seal);
    /* an answer that comes too late goes nowhere, and the next call is not confused */
    struct caller late, next;
    begin(&late, r, "slow", 50);
    json_t *m = receive(sock);
    pthread_join(late.thread, NULL);
    ck_assert_int_eq(late.e.status, STATUS_UPSTREAM_TIMEOUT);
    begin(&next, r, "next", 5000);
    json_t *n = receive(sock);
    reply(sock, m, json_pack("{s:b, s:s}", "ok", 1, "x", "late"), &fds[0]);
    reply(sock, n, json_pack("{s:b, s:s}", "ok", 1, "x", "next"), NULL);
    pthread_join(next.thread, NULL);
    ck_assert_str_eq(json_str(next.answer, "x", ""), "next");
    json_decref(next.answer);
    json_decref(m);
    json_decref(n);
    recorder_free(r);
    close(sock);
    close(listener);
}
END_TEST

START_TEST(recorder_comes_and_goes) {
    struct err e = { 0 };
    _Atomic int asked = 0;
    struct caller c;
    struct recorder *r = recorder_new(in_dir("recorder.sock"), on_ask, everybody, &asked, &e);
    begin(&c, r, "new", 1000);
    pthread_join(c.thread, NULL);
    ck_assert_int_eq(c.e.status, STATUS_UPSTREAM_UNAVAILABLE);
    int listener = ctl_listen(in_dir("recorder.sock"), 0600, &e);
    int sock = accept_one(listener);
    up(r, true);
    begin(&c, r, "new", 5000);
    json_decref(receive(sock));
    close(sock); /* dies over a request */
    pthread_join(c.thread, NULL);
    ck_assert_int_eq(c.e.status, STATUS_UPSTREAM_UNAVAILABLE);
    sock = accept_one(listener); /* and is back */
    up(r, true);
    recorder_free(r);
    close(sock);
    close(listener);
    /* somebody else's socket is not spoken to */
    listener = ctl_listen(in_dir("recorder.sock"), 0600, &e);
    r = recorder_new(in_dir("recorder.sock"), on_ask, nobody, &asked, &e);
    usleep(200000);
    ck_assert(!recorder_up(r));
    recorder_free(r);
    close(listener);
}
END_TEST

/* ---- sessions -------------------------------------------------------------------------------- */

#define ID1 "01890a5d-ac96-774b-bcce-b302099a8057"
#define ID2 "01890a5d-ac96-774b-bcce-b302099a8058"

struct target {
    char path[200];
    const char *id, *owner;
    int listener;
    pthread_t thread;
    _Atomic int ends;
};

static void *answer_all(void *arg) {
    struct target *t = arg;
    for (int sock; (sock = accept_one(t->listener)) >= 0; close(sock)) {
        struct err e = { 0 };
        json_t *m = ctl_recv(sock, NULL, NULL, &e);
        if (!m)
            continue;
        if (strcmp(json_str(m, "op", ""), "end") == 0)
            t->ends++;
        json_t *a = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:[{},{}]}", "ok", 1,
                              "id", t->id, "protocol", "ssh", "connection", "relay/box", "owner",
                              t->owner, "ownerName", "Name", "started", (json_int_t)1234,
                              "recording", "recorded", "grace", (json_int_t)0, "users");
        ctl_send(sock, a, NULL, 0, &e);
        json_decref(a);
        json_decref(m);
    }
    return NULL;
}

static void begin_target(struct target *t, const char *id, const char *owner) {
    struct err e = { 0 };
    *t = (struct target){ .id = id, .owner = owner };
    snprintf(t->path, sizeof t->path, "%s/s/%s.sock", dir, id);
    t->listener = ctl_listen(t->path, 0600, &e);
    ck_assert_msg(t->listener >= 0, "%s", e.text);
    ck_assert_int_eq(pthread_create(&t->thread, NULL, answer_all, t), 0);
}

static void end_target(struct target *t, bool tidy) {
    if (tidy)
        unlink(t->path);
    shutdown(t->listener, SHUT_RDWR);
    pthread_join(t->thread, NULL);
    close(t->listener);
}

static void on_change(void *arg) {
    ++*(_Atomic int *)arg;
}

static void keep_last(void *arg, const struct session *one) {
    char *text = arg;
    snprintf(text, 200, "%s %s %s %ld", one->id, one->connection, one->sub, one->users);
}

static void count_is(struct sessions *s, size_t n) {
    for (int i = 0; i < 500 && sessions_count(s) != n; i++)
        usleep(10000);
    ck_assert_uint_eq(sessions_count(s), n);
}

START_TEST(session_view) {
    struct err e = { 0 };
    struct target one, two;
    _Atomic int changes = 0;
    char text[200];
    /* started before the folder is there, as when authd is first */
    struct sessions *s = sessions_new(dir, on_change, everybody, &changes, &e);
    ck_assert_ptr_nonnull(s);
    mkdir(in_dir("s"), 0700);
    begin_target(&one, ID1, "olga");
    count_is(s, 1);
    sessions_each(s, keep_last, text);
    ck_assert_str_eq(text, ID1 " relay/box olga 2");
    ck_assert_int_ge(changes, 1);
    begin_target(&two, ID2, "apollo");
    count_is(s, 2);
    /* a file that is no session's */
    close(ctl_listen(in_dir("s/other.sock"), 0600, &e));
    json_t *info = sessions_info(s, ID1, &e);
    ck_assert_str_eq(json_str(info, "owner", ""), "olga");
    json_decref(info);
    json_decref(sessions_call(s, ID1, json_pack("{s:s}", "op", "end"), NULL, 0, &e));
    ck_assert_int_eq(one.ends, 1);
    ck_assert_ptr_null(sessions_info(s, "01890a5d-ac96-774b-bcce-b302099a8059", &e));
    ck_assert_int_eq(e.status, STATUS_RESOURCE_NOT_FOUND);
    ck_assert_ptr_null(sessions_info(s, "../recorder", &e));
    end_target(&two, true);
    count_is(s, 1);
    /* one that died and left its socket behind is found out by asking */
    end_target(&one, false);
    usleep(2100000);
    sessions_refresh(s);
    count_is(s, 0);
    sessions_free(s);
}
END_TEST

START_TEST(session_noted) {
    struct err e = { 0 };
    _Atomic int changes = 0;
    struct target one;
    mkdir(in_dir("s"), 0700);
    begin_target(&one, ID1, "olga");
    struct sessions *s = sessions_new(dir, on_change, everybody, &changes, &e);
    struct session mine = { .connection = (char *)(uintptr_t) "relay/box",
                            .protocol = (char *)(uintptr_t) "ssh",
                            .sub = (char *)(uintptr_t) "olga",
                            .name = (char *)(uintptr_t) "O",
                            .recording = (char *)(uintptr_t) "recorded" };
    memcpy(mine.id, ID1, sizeof ID1);
    sessions_add(s, &mine);
    sessions_add(s, &mine);
    count_is(s, 1);
    end_target(&one, true);
    count_is(s, 0);
    sessions_free(s);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("lines");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, recorder_many_at_once);
    tcase_add_test(t, recorder_comes_and_goes);
    tcase_add_test(t, session_view);
    tcase_add_test(t, session_noted);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
