/* Resolving and connecting. Addresses are tried as RFC 8305 says (the next one starts when the last
 * has not answered within 250 ms), so one dead address does not eat the whole time. */
#include "guacd/base/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"

#define STATUS_UPSTREAM_TIMEOUT 0x0202
#define STATUS_NOT_FOUND 0x0207
#define STATUS_UNAVAILABLE 0x0208
#define STATUS_FORBIDDEN 0x0303
#define STAGGER_MS 250
#define KEEPALIVE_IDLE_S 60

static socklen_t length_of(const struct sockaddr_storage *sa) {
    return sa->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void set_port(struct sockaddr_storage *sa, in_port_t port) {
    size_t at = sa->ss_family == AF_INET6 ? offsetof(struct sockaddr_in6, sin6_port)
                                          : offsetof(struct sockaddr_in, sin_port);
    memcpy((char *)sa + at, &port, sizeof port);
}

static void print_address(const struct sockaddr_storage *sa, char *out, size_t size) {
    char host[INET6_ADDRSTRLEN + 20], port[8];
    if (getnameinfo((const struct sockaddr *)sa, length_of(sa), host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(out, size, "?");
    else
        snprintf(out, size, sa->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* glibc knows no deadline for a look-up, but its patience per question can be set. */
static void bound_resolver(int timeout_ms) {
    if (res_init() != 0)
        return;
    int seconds = timeout_ms / 4000;
    _res.retrans = seconds < 1 ? 1 : seconds > 5 ? 5 : seconds;
    _res.retry = 2;
}

static int look_up(const char *host, uint16_t port, int timeout_ms, struct addrinfo **list) {
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    int r = getaddrinfo(host, service, &hints, list);
    if (r == 0)
        return 0;
    bound_resolver(timeout_ms);
    hints.ai_flags = AI_NUMERICSERV;
    return getaddrinfo(host, service, &hints, list);
}

/* An address of this machine or pod, whatever its network: one may bind to it, or, where a sandbox
 * forbids that, a packet to it would come from it. */
static bool is_own(const struct sockaddr_storage *sa) {
    _close_ int fd = socket(sa->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage mine = *sa;
    socklen_t len = length_of(sa);
    if (fd < 0)
        return false;
    set_port(&mine, 0);
    if (bind(fd, (const struct sockaddr *)&mine, len) == 0)
        return true;
    if (connect(fd, (const struct sockaddr *)sa, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&mine, &len) < 0)
        return false;
    return dial_same_host((const struct sockaddr *)sa, (const struct sockaddr *)&mine);
}

static int check(const struct dial_policy *p, const struct sockaddr_storage *sa, struct err *e) {
    if (dial_check(p, (const struct sockaddr *)sa, e) < 0)
        return -1;
    if (!dial_allowed_by_name(p, (const struct sockaddr *)sa) && is_own(sa)) {
        char text[64];
        print_address(sa, text, sizeof text);
        return err_set(e, STATUS_FORBIDDEN,
                       "%s is refused by the address policy (this machine's own)", text);
    }
    return 0;
}

int dial_resolve(const char *host, uint16_t port, const struct dial_policy *p, int timeout_ms,
                 struct sockaddr_storage *out, size_t max, struct err *e) {
    if (!*host || port == 0)
        return err_set(e, STATUS_NOT_FOUND, "no host name or port to connect to");
    struct addrinfo *list = NULL;
    int r = look_up(host, port, timeout_ms, &list);
    if (r != 0)
        return err_set(e, STATUS_NOT_FOUND, "cannot resolve '%s': %s", host,
                       r == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(r));
    size_t count = 0;
    struct err refusal = { 0 };
    for (const struct addrinfo *a = list; a && count < max; a = a->ai_next) {
        struct sockaddr_storage sa = { 0 };
        if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) || a->ai_addrlen > sizeof sa)
            continue;
        memcpy(&sa, a->ai_addr, a->ai_addrlen);
        if (check(p, &sa, &refusal) == 0)
            out[count++] = sa;
    }
    freeaddrinfo(list);
    if (count > 0)
        return (int)count;
    if (refusal.status)
        return err_set(e, refusal.status, "'%s': %s", host, refusal.text);
    return err_set(e, STATUS_NOT_FOUND, "'%s' has no address", host);
}

/* One attempt each for the addresses; polls[i].fd is -1 before the start and after a failure. */
struct race {
    const struct sockaddr_storage *addresses;
    size_t count, started, running;
    struct pollfd polls[DIAL_ADDRESSES_MAX];
    int last_errno;
    size_t last;
};

static void lost(struct race *r, size_t i, int error) {
    r->last_errno = error;
    r->last = i;
    if (r->polls[i].fd >= 0) {
        close(r->polls[i].fd);
        r->polls[i].fd = -1;
        r->running--;
    }
}

static void start_next(struct race *r) {
    size_t i = r->started++;
    const struct sockaddr_storage *sa = &r->addresses[i];
    int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        lost(r, i, errno);
        return;
    }
    r->polls[i] = (struct pollfd){ .fd = fd, .events = POLLOUT };
    r->running++;
    if (connect(fd, (const struct sockaddr *)sa, length_of(sa)) < 0 && errno != EINPROGRESS)
        lost(r, i, errno);
}

/* The index of a connected one, or -1. */
static int finished(struct race *r) {
    for (size_t i = 0; i < r->started; i++) {
        if (r->polls[i].fd < 0 || !r->polls[i].revents)
            continue;
        int error = 0;
        socklen_t len = sizeof error;
        if (getsockopt(r->polls[i].fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
            error = errno;
        if (error == 0)
            return (int)i;
        lost(r, i, error);
    }
    return -1;
}

static int run_race(struct race *r, uint64_t deadline) {
    uint64_t next_start = 0;
    for (;;) {
        uint64_t now = clock_ms();
        if (now >= deadline) {
            r->last_errno = ETIMEDOUT;
            return -1;
        }
        while (r->started < r->count && (r->running == 0 || now >= next_start)) {
            start_next(r);
            next_start = now + STAGGER_MS;
        }
        if (r->running == 0)
            return -1;
        uint64_t until = r->started < r->count ? MIN_OF(next_start, deadline) : deadline;
        if (poll(r->polls, r->started, (int)(until > now ? until - now : 0)) > 0) {
            int winner = finished(r);
            if (winner >= 0)
                return winner;
        }
    }
}

static int describe(const struct race *r, const char *host, struct err *e) {
    char text[64];
    print_address(&r->addresses[r->last], text, sizeof text);
    errno = r->last_errno;
    if (errno == ETIMEDOUT)
        return err_set(e, STATUS_UPSTREAM_TIMEOUT, "cannot connect to '%s' (%s): timed out", host,
                       text);
    /* Landlock's port rule and a firewall's "no" are a policy too. */
    int status = errno == EACCES || errno == EPERM ? STATUS_FORBIDDEN : STATUS_UNAVAILABLE;
    return err_errno(e, status, "cannot connect to '%s' (%s)", host, text);
}

static void tune(int fd) {
    int on = 1, idle = KEEPALIVE_IDLE_S;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
}

/* The winner's descriptor; its index goes to *winner. */
static int connect_any(const struct sockaddr_storage *addresses, size_t count, const char *host,
                       uint64_t deadline, int *winner, struct err *e) {
    struct race r = { .addresses = addresses, .count = count };
    for (size_t i = 0; i < ARRAY_LEN(r.polls); i++)
        r.polls[i].fd = -1;
    *winner = run_race(&r, deadline);
    int fd = *winner < 0 ? -1 : steal_fd(&r.polls[*winner].fd);
    for (size_t i = 0; i < r.started; i++)
        if (r.polls[i].fd >= 0)
            close(r.polls[i].fd);
    if (fd < 0)
        return describe(&r, host, e);
    tune(fd);
    return fd;
}

int dial_tcp(const char *host, uint16_t port, const struct dial_policy *p, int timeout_ms,
             char *peer, size_t peer_size, struct err *e) {
    uint64_t deadline = clock_ms() + (uint64_t)MAX_OF(timeout_ms, 1);
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    int count = dial_resolve(host, port, p, timeout_ms, addresses, ARRAY_LEN(addresses), e);
    if (count < 0)
        return -1;
    int winner, fd = connect_any(addresses, (size_t)count, host, deadline, &winner, e);
    if (fd >= 0 && peer)
        print_address(&addresses[winner], peer, peer_size);
    return fd;
}

/* A race of one, looked at now and then. */
static int describe_one(const struct sockaddr_storage *peer, int error, struct err *e) {
    struct race r = { .addresses = peer, .count = 1, .last_errno = error };
    char text[64];
    print_address(peer, text, sizeof text);
    return describe(&r, text, e);
}

int dial_again(const struct sockaddr_storage *peer, struct err *e) {
    int fd = socket(peer->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return describe_one(peer, errno, e);
    tune(fd);
    if (connect(fd, (const struct sockaddr *)peer, length_of(peer)) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    return describe_one(peer, error, e);
}

int dial_done(int fd, const struct sockaddr_storage *peer, struct err *e) {
    struct pollfd p = { fd, POLLOUT, 0 };
    if (poll(&p, 1, 0) <= 0)
        return 0;
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    return error ? describe_one(peer, error, e) : 1;
}
