#include "guacd/base/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static struct sockaddr_storage address(const char *text, uint16_t port) {
    struct sockaddr_storage sa = { 0 };
    if (strchr(text, ':')) {
        struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        ck_assert_int_eq(inet_pton(AF_INET6, text, &in.sin6_addr), 1);
        memcpy(&sa, &in, sizeof in);
    } else {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
        ck_assert_int_eq(inet_pton(AF_INET, text, &in.sin_addr), 1);
        memcpy(&sa, &in, sizeof in);
    }
    return sa;
}

static bool passes(const struct dial_policy *p, const char *text, uint16_t port) {
    struct sockaddr_storage sa = address(text, port);
    struct err e = { 0 };
    int r = dial_check(p, (struct sockaddr *)&sa, &e);
    ck_assert_int_eq(e.status, r == 0 ? 0 : 0x0303);
    return r == 0;
}

START_TEST(refuses_by_default) {
    static const char *const refused[] = {
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
    };
    static const char *const passed[] = {
        "10.0.0.1",       "192.168.1.1", "8.8.8.8",          "126.255.255.255", "128.0.0.1",
        "169.253.0.1",    "223.0.0.1",   "fd00::1",          "2001:db8::1",     "fec0::1",
        "::ffff:8.8.8.8", "fe00::1",     "64:ff9b::808:808",
    };
    struct dial_policy none = { 0 }, any = { .any = true };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        ck_assert_msg(!passes(&none, refused[i], 22), "%s", refused[i]);
        ck_assert_msg(passes(&any, refused[i], 22), "%s", refused[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        ck_assert_msg(passes(&none, passed[i], 22), "%s", passed[i]);
    struct err e = { 0 };
    struct sockaddr other = { .sa_family = AF_UNIX };
    ck_assert_int_eq(dial_check(&any, &other, &e), -1);
}
END_TEST

START_TEST(lists_allow_and_deny) {
    struct dial_policy p = { .allow = "127.0.0.1:2222, [::1]:22\t169.254.0.0/16",
                             .deny = "10.1.0.0/16 [fd00::/8]:443 10.2.3.4:80,8.8.8.8/31" };
    ck_assert(passes(&p, "127.0.0.1", 2222));
    ck_assert(passes(&p, "::ffff:127.0.0.1", 2222));
    ck_assert(!passes(&p, "127.0.0.1", 2223));
    ck_assert(!passes(&p, "127.0.0.2", 2222));
    ck_assert(passes(&p, "::1", 22));
    ck_assert(!passes(&p, "::1", 23));
    ck_assert(passes(&p, "169.254.1.1", 1));
    ck_assert(!passes(&p, "10.1.255.255", 1));
    ck_assert(!passes(&p, "::ffff:10.1.0.1", 1));
    ck_assert(passes(&p, "10.2.0.0", 1));
    ck_assert(!passes(&p, "10.2.3.4", 80));
    ck_assert(passes(&p, "10.2.3.4", 81));
    ck_assert(!passes(&p, "fd12::1", 443));
    ck_assert(passes(&p, "fd12::1", 444));
    ck_assert(!passes(&p, "8.8.8.9", 53));
    ck_assert(passes(&p, "8.8.8.10", 53));
    p.any = true; /* deny comes first all the same */
    ck_assert(!passes(&p, "10.1.0.1", 1));
    struct dial_policy all = { .allow = "0.0.0.0/0 ::/0" };
    ck_assert(passes(&all, "127.0.0.1", 1));
    ck_assert(passes(&all, "::1", 1));
    struct dial_policy mapped = { .deny = "::ffff:10.0.0.0/104" };
    ck_assert(!passes(&mapped, "10.9.9.9", 1));
    ck_assert(passes(&mapped, "11.9.9.9", 1));
    struct dial_policy broken = { .allow = "nonsense", .deny = "10.0.0.0/33" };
    ck_assert(!passes(&broken, "11.0.0.1", 1)); /* a deny list nobody understands denies */
    broken.deny = NULL;
    ck_assert(!passes(&broken, "127.0.0.1", 1));
}
END_TEST

START_TEST(mistakes_are_told_at_start) {
    static const char *const good[] = {
        "",           "10.0.0.1",      "10.0.0.0/8",
        "10.0.0.0/0", "10.0.0.1:1",    "10.0.0.0/8:65535",
        "::1",        "fd00::/8",      "[::1]",
        "[::1]:22",   "[fd00::/8]:22", "[fd00::]/8:22",
        "[::1]/128",  " , 1.2.3.4",    "::ffff:1.2.3.4",
    };
    static const char *const bad[] = {
        "10.0.0",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "10.0.0.1:",
        "10.0.0.1:x",
        "localhost",
        "::1/129",
        "[::1",
        "[::1]x",
        "[10.0.0.1]:2",
        "[::1/8]/8",
        "010.0.0.1",
        "1.2.3.4/8/8",
        "::1:22:",
        "[]",
        "1.2.3.4:1:2",
        "[::1]:22:33",
        "/8",
        ":22",
        "[::1]/",
        "*",
        "10.0.0.0/99999999999999999999",
        "1.2.3.4:99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct err e = { 0 };
        struct dial_policy p = { .allow = good[i], .deny = good[i] };
        ck_assert_msg(dial_policy_check(&p, &e) == 0, "%s: %s", good[i], e.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = { 0 };
        struct dial_policy allow = { .allow = bad[i] }, deny = { .deny = bad[i] };
        ck_assert_msg(dial_policy_check(&allow, &e) == -1, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(e.text, "allowed addresses"));
        ck_assert_int_eq(dial_policy_check(&deny, &e), -1);
    }
}
END_TEST

START_TEST(lists_of_proxies) {
    ck_assert(dial_listed("10.0.0.0/8", "10.1.2.3"));
    ck_assert(dial_listed("10.0.0.0/8", "::ffff:10.1.2.3"));
    ck_assert(dial_listed("::1", "::1"));
    ck_assert(!dial_listed("10.0.0.0/8", "11.1.2.3"));
    ck_assert(!dial_listed("10.0.0.0/8", "10.0.0.0/8"));
    ck_assert(!dial_listed("10.0.0.0/8", "10.1.2.3:80"));
    ck_assert(!dial_listed("10.0.0.0/8", ""));
    ck_assert(!dial_listed(NULL, "10.1.2.3"));
}
END_TEST

/* ---- real sockets */

static int listener(int family, uint16_t *port, int backlog) {
    struct sockaddr_storage sa = address(family == AF_INET ? "127.0.0.1" : "::1", 0);
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0)
        return -1;
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(((struct sockaddr_in *)&sa)->sin_port);
    return fd;
}

START_TEST(connects) {
    struct err e = { 0 };
    struct dial_policy any = { .any = true };
    uint16_t port;
    char peer[64], want[64];
    int l = listener(AF_INET, &port, 5);
    int fd = dial_tcp("127.0.0.1", port, &any, 5000, peer, sizeof peer, &e);
    ck_assert_msg(fd >= 0, "%s", e.text);
    snprintf(want, sizeof want, "127.0.0.1:%u", port);
    ck_assert_str_eq(peer, want);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    int on = 0;
    socklen_t len = sizeof on;
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    ck_assert_int_eq(on, 1);
    int other = accept(l, NULL, NULL);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    char c;
    ck_assert_int_eq(read(other, &c, 1), 1);
    close(other);
    close(fd);
    /* by name: whichever of ::1 and 127.0.0.1 answers */
    fd = dial_tcp("localhost", port, &any, 5000, peer, sizeof peer, &e);
    ck_assert_msg(fd >= 0, "%s", e.text);
    close(fd);
    close(l);
    int l6 = listener(AF_INET6, &port, 5);
    if (l6 >= 0) {
        fd = dial_tcp("::1", port, &any, 5000, peer, sizeof peer, &e);
        snprintf(want, sizeof want, "[::1]:%u", port);
        ck_assert_str_eq(peer, want);
        close(fd);
        close(l6);
    }
}
END_TEST

START_TEST(says_why_not) {
    struct err e = { 0 };
    struct dial_policy none = { 0 }, any = { .any = true };
    uint16_t port;
    int l = listener(AF_INET, &port, 0);
    ck_assert_int_eq(dial_tcp("127.0.0.1", port, &none, 1000, NULL, 0, &e), -1);
    ck_assert_int_eq(e.status, 0x0303);
    ck_assert_ptr_nonnull(strstr(e.text, "(loopback)"));
    ck_assert_int_eq(dial_tcp("localhost", port, &none, 1000, NULL, 0, &e), -1);
    ck_assert_int_eq(e.status, 0x0303);
    ck_assert_int_eq(dial_tcp("no-such-host.invalid", 22, &any, 2000, NULL, 0, &e), -1);
    ck_assert_int_eq(e.status, 0x0207);
    ck_assert_int_eq(dial_tcp("", 22, &any, 1000, NULL, 0, &e), -1);
    ck_assert_int_eq(e.status, 0x0207);
    ck_assert_int_eq(dial_tcp("127.0.0.1", 0, &any, 1000, NULL, 0, &e), -1);
    /* Fill the queue: the next SYN is dropped, nobody answers. */
    int held[8];
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        held[i] = dial_tcp("127.0.0.1", port, &any, 20, NULL, 0, &e);
    uint64_t start = clock_ms();
    ck_assert_int_eq(dial_tcp("127.0.0.1", port, &any, 150, NULL, 0, &e), -1);
    ck_assert_int_eq(e.status, 0x0202);
    ck_assert_uint_ge(clock_ms() - start, 140);
    ck_assert_uint_le(clock_ms() - start, 20000);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        if (held[i] >= 0)
            close(held[i]);
    close(l);
    ck_assert_int_eq(dial_tcp("127.0.0.1", port, &any, 1000, NULL, 0, &e), -1);
    ck_assert_int_eq(e.status, 0x0208);
    ck_assert_ptr_nonnull(strstr(e.text, "Connection refused"));
}
END_TEST

/* An address of this machine outside loopback is refused as well, unless a list names it. */
START_TEST(own_addresses_are_refused) {
    struct sockaddr_storage mine = address("8.8.8.8", 53);
    struct err e = { 0 };
    struct dial_policy none = { 0 };
    socklen_t len = sizeof(struct sockaddr_in);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool routed = connect(fd, (struct sockaddr *)&mine, len) == 0;
    len = sizeof mine;
    getsockname(fd, (struct sockaddr *)&mine, &len);
    close(fd);
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &((struct sockaddr_in *)&mine)->sin_addr, text, sizeof text);
    struct sockaddr_storage out[DIAL_ADDRESSES_MAX];
    ck_assert_int_eq(dial_resolve("10.255.255.1", 22, &none, 1000, out, 8, &e), 1);
    if (!routed || strncmp(text, "127.", 4) == 0)
        return; /* no network here */
    ck_assert_int_eq(dial_resolve(text, 22, &none, 1000, out, 8, &e), -1);
    ck_assert_int_eq(e.status, 0x0303);
    ck_assert_ptr_nonnull(strstr(e.text, "this machine's own"));
    struct dial_policy named = { .allow = text };
    ck_assert_int_eq(dial_resolve(text, 22, &named, 1000, out, 8, &e), 1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/dial");
    TCase *c = tcase_create("dial");
    tcase_set_timeout(c, 30);
    tcase_add_test(c, refuses_by_default);
    tcase_add_test(c, lists_allow_and_deny);
    tcase_add_test(c, mistakes_are_told_at_start);
    tcase_add_test(c, lists_of_proxies);
    tcase_add_test(c, connects);
    tcase_add_test(c, says_why_not);
    tcase_add_test(c, own_addresses_are_refused);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
