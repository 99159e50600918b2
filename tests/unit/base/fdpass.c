#include "guacd/base/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/guac-fdpass-XXXXXX";
static char path[64];
static int s[2];
static int descriptors_before;

static int descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void setup(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    descriptors_before = descriptors();
}

static void teardown(void) {
    unlink(path);
    rmdir(folder);
}

static void make_pair(int type) {
    ck_assert_int_eq(socketpair(AF_UNIX, type, 0, s), 0);
}

static void close_pair(void) {
    close(s[0]);
    close(s[1]);
    ck_assert_int_eq(descriptors(), descriptors_before);
}

/* ---- descriptors */

START_TEST(a_descriptor_comes_with_its_bytes) {
    make_pair(SOCK_STREAM);
    int null = open("/dev/null", O_WRONLY);
    ck_assert_int_eq(fdpass_send(s[0], "first", 5, &null, 1), 5);
    ck_assert_int_eq(fdpass_send(s[0], "second", 6, NULL, 0), 6);
    char data[16];
    int fd = -1;
    size_t n = 1;
    ck_assert_int_eq(fdpass_recv(s[1], data, sizeof data, &fd, &n), 5); /* stops behind it */
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
    n = 1;
    ck_assert_int_eq(fdpass_recv(s[1], data, sizeof data, &fd, &n), 6);
    ck_assert_uint_eq(n, 0);
    close(null);
    close(fd);
    close_pair();
}
END_TEST

START_TEST(more_than_there_is_room_for_is_refused) {
    make_pair(SOCK_STREAM);
    int many[] = { 0, 1, 2, 0 }, got[FDPASS_MAX];
    char data[16];
    for (size_t room = 0; room < 4; room++) {
        size_t n = room;
        ck_assert_int_eq(fdpass_send(s[0], "x", 1, many, 4), 1);
        ck_assert_int_eq(fdpass_recv(s[1], data, sizeof data, got, room ? &n : NULL), -1);
        ck_assert_int_eq(errno, EPROTO);
    }
    size_t n = 9; /* more room than there can be is fine */
    ck_assert_int_eq(fdpass_send(s[0], "x", 1, many, 4), 1);
    ck_assert_int_eq(fdpass_recv(s[1], data, sizeof data, got, &n), 1);
    ck_assert_uint_eq(n, 4);
    for (size_t i = 0; i < n; i++)
        close(got[i]);
    ck_assert_int_eq(fdpass_send(s[0], "x", 1, many, 5), -1);
    close_pair();
}
END_TEST

START_TEST(a_cut_packet_is_refused) {
    make_pair(SOCK_SEQPACKET);
    int null = open("/dev/null", O_WRONLY), fd;
    size_t n = 1;
    char data[4];
    ck_assert_int_eq(fdpass_send(s[0], "longer", 6, &null, 1), 6);
    ck_assert_int_eq(fdpass_recv(s[1], data, sizeof data, &fd, &n), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    close(null);
    close_pair();
}
END_TEST

/* ---- paths */

START_TEST(listens_connects_and_replaces) {
    struct err e = { 0 };
    umask(077);
    int l = ctl_listen(path, 0660, &e);
    ck_assert_msg(l >= 0, "%s", e.text);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0660);
    ck_assert_int_eq(accept(l, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(ctl_listen(path, 0660, &e), -1); /* somebody lives there */
    ck_assert_ptr_nonnull(strstr(e.text, "another process listens there"));
    ck_assert_int_eq(stream_listen(path, 0660, &e), -1);
    while ((s[1] = accept(l, NULL, NULL)) >= 0)
        close(s[1]);
    s[0] = ctl_connect(path, &e);
    ck_assert_int_ge(s[0], 0);
    s[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    uid_t uid = 1;
    pid_t pid = 1;
    ck_assert_int_eq(ctl_peer(s[1], &uid, &pid), 0);
    ck_assert_uint_eq(uid, getuid());
    ck_assert_int_eq(pid, getpid());
    ck_assert_int_eq(ctl_peer(s[1], NULL, NULL), 0);
    close(l);
    ck_assert_int_eq(ctl_connect(path, &e), -1);
    ck_assert_int_eq(e.status, 0x0208);
    l = stream_listen(path, 0600, &e); /* nobody there: replaced */
    ck_assert_msg(l >= 0, "%s", e.text);
    close(l);
    close_pair();
}
END_TEST

START_TEST(refuses_bad_paths) {
    struct err e = { 0 };
    char longer[120];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(ctl_listen(longer, 0600, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "107"));
    ck_assert_int_eq(ctl_connect("", &e), -1);
    ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    ck_assert_int_eq(stream_listen(path, 0600, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "no socket"));
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* ---- messages */

START_TEST(messages_round_trip) {
    struct err e = { 0 };
    make_pair(SOCK_SEQPACKET);
    _json_ json_t *m = json_pack("{s:s,s:i}", "verb", "join", "n", 7);
    int fds[2] = { 0, 1 }, got[2];
    size_t n = 2;
    ck_assert_int_eq(ctl_send(s[0], m, fds, 2, &e), 0);
    ck_assert_int_eq(ctl_send(s[0], m, NULL, 0, &e), 0);
    _json_ json_t *a = ctl_recv(s[1], got, &n, &e);
    ck_assert(json_equal(a, m));
    ck_assert_uint_eq(n, 2);
    close(got[0]);
    close(got[1]);
    n = 2;
    _json_ json_t *b = ctl_recv(s[1], got, &n, &e);
    ck_assert(json_equal(b, m));
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(ctl_send(s[0], m, NULL, 0, &e), 0);
    _json_ json_t *c = ctl_recv(s[1], NULL, NULL, &e);
    ck_assert(json_equal(c, m));
    fcntl(s[1], F_SETFL, O_NONBLOCK);
    ck_assert_ptr_null(ctl_recv(s[1], NULL, NULL, &e));
    ck_assert_int_eq(errno, EAGAIN);
    close(s[0]);
    e = (struct err){ .status = 5 };
    ck_assert_ptr_null(ctl_recv(s[1], NULL, NULL, &e));
    ck_assert_int_eq(e.status, 0);
    ck_assert_str_eq(e.text, "");
    s[0] = dup(0);
    close_pair();
}
END_TEST

START_TEST(wrong_messages_are_refused) {
    struct err e = { 0 };
    static char big[CTL_MESSAGE_MAX + 1];
    make_pair(SOCK_SEQPACKET);
    int fds[1], null = open("/dev/null", O_RDONLY);
    size_t n = 1;
    ck_assert_int_eq(fdpass_send(s[0], "{]", 2, &null, 1), 2);
    ck_assert_ptr_null(ctl_recv(s[1], fds, &n, &e)); /* and its descriptor is closed */
    ck_assert_int_eq(errno, EPROTO);
    n = 1;
    ck_assert_int_eq(fdpass_send(s[0], "", 0, &null, 1), 0);
    ck_assert_ptr_null(ctl_recv(s[1], fds, &n, &e)); /* an empty packet says good-bye */
    ck_assert_int_eq(e.status, 0);
    ck_assert_int_eq(fdpass_send(s[0], "[1]", 3, NULL, 0), 3);
    ck_assert_ptr_null(ctl_recv(s[1], NULL, NULL, &e));
    ck_assert_str_eq(e.text, "control message is no object");
    ck_assert_int_eq(fdpass_send(s[0], "{}", 2, &null, 1), 2);
    ck_assert_ptr_null(ctl_recv(s[1], NULL, NULL, &e)); /* a descriptor nobody asked for */
    ck_assert_int_eq(errno, EPROTO);
    memset(big, ' ', sizeof big);
    ck_assert_int_eq(fdpass_send(s[0], big, sizeof big, NULL, 0), sizeof big);
    ck_assert_ptr_null(ctl_recv(s[1], NULL, NULL, &e));
    ck_assert_str_eq(e.text, "control message of 131073 bytes, at most 131072 are taken");
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    _json_ json_t *m = json_pack("{s:s}", "data", big);
    ck_assert_int_eq(ctl_send(s[0], m, NULL, 0, &e), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_str_eq(e.text, "control message is larger than 131072 bytes");
    close(null);
    close_pair();
}
END_TEST

START_TEST(the_largest_message_passes) {
    struct err e = { 0 };
    static char big[CTL_MESSAGE_MAX];
    make_pair(SOCK_SEQPACKET);
    memset(big, 'x', sizeof big);
    big[sizeof big - 11] = '\0';
    _json_ json_t *m = json_pack("{s:s}", "data", big); /* {"data":"…"}: 11 bytes around it */
    ck_assert_int_eq(ctl_send(s[0], m, NULL, 0, &e), 0);
    _json_ json_t *got = ctl_recv(s[1], NULL, NULL, &e);
    ck_assert_msg(json_equal(got, m), "%s", e.text);
    close_pair();
}
END_TEST

struct answer {
    const char *text; /* NULL: close */
    int fd;
};

static void *answerer(void *arg) {
    const struct answer *a = arg;
    struct err e = { 0 };
    int fds[FDPASS_MAX];
    size_t n = FDPASS_MAX;
    _json_ json_t *m = ctl_recv(s[1], fds, &n, &e);
    ck_assert_ptr_nonnull(m);
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    if (a->text)
        fdpass_send(s[1], a->text, strlen(a->text), &a->fd, a->fd >= 0);
    else
        shutdown(s[1], SHUT_RDWR);
    return NULL;
}

static json_t *call(struct answer a, int *rfds, size_t *nrfds, int timeout_ms, struct err *e) {
    pthread_t t;
    _json_ json_t *m = json_pack("{s:s}", "verb", "info");
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pthread_create(&t, NULL, answerer, &a);
    json_t *answer = ctl_call(s[0], m, &null, 1, rfds, nrfds, timeout_ms, e);
    int saved = errno;
    pthread_join(t, NULL);
    close(null);
    errno = saved;
    return answer;
}

START_TEST(calls_are_answered) {
    for (int round = 0; round < 2; round++) {
        struct err e = { 0 };
        make_pair(SOCK_SEQPACKET);
        if (round == 1) /* non-blocking works as well */
            fcntl(s[0], F_SETFL, O_NONBLOCK);
        int got = -1;
        size_t n = 1;
        _json_ json_t *a = call((struct answer){ "{\"ok\":true,\"x\":3}", 0 }, &got, &n, 5000, &e);
        ck_assert_msg(a != NULL, "%s", e.text);
        ck_assert_int_eq(json_num(a, "x", 0), 3);
        ck_assert_uint_eq(n, 1);
        close(got);
        n = 1;
        ck_assert_ptr_null(call((struct answer){ "{\"ok\":false,\"status\":771,"
                                                 "\"error\":\"not yours\"}",
                                                 0 },
                                &got, &n, 5000, &e));
        ck_assert_int_eq(e.status, 771);
        ck_assert_str_eq(e.text, "not yours");
        ck_assert_ptr_null(call((struct answer){ "{}", -1 }, NULL, NULL, 5000, &e));
        ck_assert_str_eq(e.text, "refused without a reason");
        ck_assert_ptr_null(call((struct answer){ NULL, -1 }, NULL, NULL, 5000, &e));
        ck_assert_int_eq(errno, ECONNRESET);
        ck_assert_str_eq(e.text, "the peer closed without an answer");
        close_pair();
    }
}
END_TEST

START_TEST(calls_end_in_time) {
    struct err e = { 0 };
    make_pair(SOCK_SEQPACKET);
    _json_ json_t *m = json_pack("{s:s}", "verb", "info");
    ck_assert_ptr_null(ctl_call(s[0], m, NULL, 0, NULL, NULL, 30, &e));
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(e.status, 0x0202);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    while (ctl_send(s[0], m, NULL, 0, &e) == 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_ptr_null(ctl_call(s[0], m, NULL, 0, NULL, NULL, 30, &e)); /* a full queue, too */
    ck_assert_int_eq(errno, ETIMEDOUT);
    close_pair();
}
END_TEST

static Suite *suite(void) {
    Suite *suite = suite_create("base/fdpass");
    TCase *c = tcase_create("fdpass");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_descriptor_comes_with_its_bytes);
    tcase_add_test(c, more_than_there_is_room_for_is_refused);
    tcase_add_test(c, a_cut_packet_is_refused);
    tcase_add_test(c, listens_connects_and_replaces);
    tcase_add_test(c, refuses_bad_paths);
    tcase_add_test(c, messages_round_trip);
    tcase_add_test(c, wrong_messages_are_refused);
    tcase_add_test(c, the_largest_message_passes);
    tcase_add_test(c, calls_are_answered);
    tcase_add_test(c, calls_end_in_time);
    suite_add_tcase(suite, c);
    return suite;
}

UNIT_MAIN(suite)
