/* Against a server of a few lines, which plays a script: the bytes to answer with. */
#include "guacd/base/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static int listener = -1;
static pthread_t thread;
static char url[128], last_request[70000];
static const char *_Atomic script;
static atomic_int connections, requests;
static struct http *http;
static struct err e;

/* One request: up to the blank line, then Content-Length bytes. */
static bool read_request(int fd) {
    static char data[sizeof last_request];
    size_t len = 0;
    for (;;) {
        data[len] = '\0';
        char *end = strstr(data, "\r\n\r\n");
        if (end) {
            char *length = strstr(data, "Content-Length: ");
            size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
            if (len >= (size_t)(end + 4 - data) + body)
                break;
        }
        ssize_t n = read(fd, data + len, sizeof data - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
    }
    memcpy(last_request, data, len + 1);
    atomic_fetch_add(&requests, 1); /* publishes it to seen() */
    return true;
}

static const char *seen(void) {
    ck_assert_int_gt(atomic_load(&requests), 0);
    return last_request;
}

static void *serve(void *arg) {
    (void)arg;
    int fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        connections++;
        while (read_request(fd)) {
            const char *answer = script;
            if (write(fd, answer, strlen(answer)) < 0 || strstr(answer, "Connection: close"))
                break;
        }
        close(fd);
    }
    return NULL;
}

static void setup(void) {
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof sa;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    getsockname(listener, (struct sockaddr *)&sa, &len);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/a/../b?token=secret", ntohs(sa.sin_port));
    connections = 0;
    script = "";
    pthread_create(&thread, NULL, serve, NULL);
    e = (struct err){ 0 };
    http = http_new(&e);
    ck_assert_ptr_nonnull(http);
}

static void teardown(void) {
    http_free(http);
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
}

static int get(struct http_response *rs, const char *answer) {
    struct http_request rq = { .method = "GET", .url = url, .timeout_ms = 5000 };
    script = answer;
    return http_do(http, &rq, rs, &e);
}

START_TEST(gets_and_keeps_the_connection) {
    struct http_response rs = { 0 };
    char value[16];
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(get(&rs, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nX-One:  a b \r\n"
                               "Date: now\r\n\r\nhello") == 0,
                      "%s", e.text);
        ck_assert_int_eq(rs.status, 404);
        ck_assert_str_eq(buf_str(&rs.body), "hello");
        ck_assert_str_eq(http_header(&rs, "x-one", value, sizeof value), "a b");
        ck_assert_str_eq(http_header(&rs, "DATE", value, sizeof value), "now");
        ck_assert_ptr_null(http_header(&rs, "x-on", value, sizeof value));
        ck_assert_ptr_null(http_header(&rs, "x-one", value, 3));
        http_response_fini(&rs);
    }
    ck_assert_int_eq(connections, 1);
    ck_assert_mem_eq(seen(), "GET /a/../b?token=secret HTTP/1.1\r\n", 35);
    ck_assert_ptr_null(strstr(seen(), "Expect"));
}
END_TEST

START_TEST(sends_bodies_and_headers) {
    struct http_response rs = { 0 };
    static char body[60000];
    memset(body, 'x', sizeof body - 1);
    const char *const headers[] = { "X-Amz-Date: 1", "Content-Type: text/plain", NULL };
    struct http_request rq = {
        .method = "PUT", .url = url, .headers = headers, .body = body, .body_len = sizeof body - 1
    };
    script =
        "HTTP/1.1 100 Continue\r\nX-Old: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    ck_assert_msg(http_do(http, &rq, &rs, &e) == 0, "%s", e.text);
    ck_assert_int_eq(rs.status, 200);
    char value[8];
    ck_assert_ptr_null(http_header(&rs, "X-Old", value, sizeof value));
    ck_assert_mem_eq(seen(), "PUT ", 4);
    ck_assert_ptr_nonnull(strstr(seen(), "\r\nX-Amz-Date: 1\r\n"));
    ck_assert_ptr_nonnull(strstr(seen(), "\r\nContent-Type: text/plain\r\n"));
    ck_assert_ptr_nonnull(strstr(seen(), "\r\nContent-Length: 59999\r\n"));
    ck_assert_ptr_nonnull(strstr(seen(), "xxxx"));
    http_response_fini(&rs);
    script = "HTTP/1.1 204 No Content\r\n\r\n";
    rq = (struct http_request){ .method = "PUT", .url = url };
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), 0);
    ck_assert_ptr_nonnull(strstr(seen(), "\r\nContent-Length: 0\r\n"));
    ck_assert_ptr_null(strstr(seen(), "Content-Type"));
    http_response_fini(&rs);
    rq.method = "DELETE";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), 0);
    ck_assert_mem_eq(seen(), "DELETE ", 7);
    ck_assert_ptr_null(strstr(seen(), "Content-"));
    http_response_fini(&rs);
    script = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    rq.method = "HEAD";
    ck_assert_msg(http_do(http, &rq, &rs, &e) == 0, "%s", e.text);
    ck_assert_uint_eq(rs.body.len, 0);
    http_response_fini(&rs);
    const char *const split[] = { "X: a\r\nY: b", NULL };
    rq.headers = split;
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
}
END_TEST

START_TEST(bounds_what_comes_in) {
    struct http_response rs = { 0 };
    static char answer[200000];
    struct http_request rq = { .method = "GET", .url = url, .timeout_ms = 5000, .max_body = 10 };
    script = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "its body is too large"));
    ck_assert_ptr_null(strstr(e.text, "secret"));
    ck_assert_ptr_null(rs.body.data);
    rq.max_body = 11;
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), 0);
    ck_assert_uint_eq(rs.body.len, 11);
    http_response_fini(&rs);
    size_t len = (size_t)sprintf(answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 40; i++)
        len += (size_t)sprintf(answer + len, "X-%d: %02000d\r\n", i, 0);
    sprintf(answer + len, "Content-Length: 0\r\n\r\n");
    ck_assert_int_eq(get(&rs, answer), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "its headers are too large"));
}
END_TEST

static int take(void *arg, const void *data, size_t len) {
    char *out = arg;
    strncat(out, data, len);
    return strlen(out) > 8;
}

START_TEST(streams_good_answers_only) {
    struct http_response rs = { 0 };
    char got[64] = "";
    struct http_request rq = {
        .method = "GET", .url = url, .timeout_ms = 5000, .on_data = take, .arg = got
    };
    script = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), 0);
    ck_assert_str_eq(got, "hello");
    ck_assert_uint_eq(rs.body.len, 0);
    http_response_fini(&rs);
    script = "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nwhy..";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), 0);
    ck_assert_str_eq(got, "hello");
    ck_assert_str_eq(buf_str(&rs.body), "why..");
    http_response_fini(&rs);
    script = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "its reader stopped"));
    ck_assert_int_eq(e.status, 0x0200);
}
END_TEST

static int take_nothing(void *arg, const void *data, size_t len) {
    (void)data;
    *(size_t *)arg += len;
    return 0;
}

static void *stop_soon(void *arg) {
    usleep(200000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

/* An answer that goes on and then falls silent, as a watch does whose peer is gone. */
START_TEST(ends_what_is_silent) {
    struct http_response rs = { 0 };
    size_t got = 0;
    atomic_bool stop = false;
    pthread_t other;
    struct http_request rq = { .method = "GET",
                               .url = url,
                               .timeout_ms = 60000,
                               .on_data = take_nothing,
                               .arg = &got,
                               .idle_ms = 500 };
    script = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    ck_assert_uint_eq(got, 5);
    ck_assert_int_eq(e.status, 0x0202);
    ck_assert_msg(strstr(e.text, "nothing came") != NULL, "%s", e.text);
    rq.idle_ms = 0;
    rq.stop = &stop;
    pthread_create(&other, NULL, stop_soon, &stop);
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    ck_assert_msg(strstr(e.text, "stopped") != NULL, "%s", e.text);
    pthread_join(other, NULL);
}
END_TEST

START_TEST(follows_nobody) {
    struct http_response rs = { 0 };
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    ck_assert_int_eq(get(&rs, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n"
                              "Content-Length: 0\r\n\r\n"),
                     0);
    ck_assert_int_eq(rs.status, 302);
    ck_assert_int_eq(connections, 1);
    http_response_fini(&rs);
    struct http_request rq = { .method = "GET", .url = "file:///etc/passwd" };
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    rq.url = "ftp://127.0.0.1/";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    unsetenv("http_proxy");
}
END_TEST

START_TEST(says_what_went_wrong) {
    struct http_response rs = { 0 };
    struct http_request rq = { .method = "GET", .url = url, .timeout_ms = 100 };
    script = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal";
    uint64_t start = clock_ms();
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    ck_assert_int_eq(e.status, 0x0202);
    ck_assert_uint_le(clock_ms() - start, 20000);
    rq = (struct http_request){ .method = "GET", .url = "http://user:pw@127.0.0.1:1/x?secret=1" };
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    ck_assert_int_eq(e.status, 0x0207);
    ck_assert_ptr_nonnull(strstr(e.text, "GET to 127.0.0.1:1: "));
    ck_assert_ptr_null(strstr(e.text, "pw"));
    ck_assert_ptr_null(strstr(e.text, "secret"));
    ck_assert_int_eq(get(&rs, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nx"),
                     -1);
    rq.url = "http://no-such-host.invalid/";
    ck_assert_int_eq(http_do(http, &rq, &rs, &e), -1);
    ck_assert_int_eq(e.status, 0x0207);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/http");
    TCase *c = tcase_create("http");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, gets_and_keeps_the_connection);
    tcase_add_test(c, sends_bodies_and_headers);
    tcase_add_test(c, bounds_what_comes_in);
    tcase_add_test(c, streams_good_answers_only);
    tcase_add_test(c, ends_what_is_silent);
    tcase_add_test(c, follows_nobody);
    tcase_add_test(c, says_what_went_wrong);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
