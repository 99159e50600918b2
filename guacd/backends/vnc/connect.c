/* To a connected descriptor: by dialling (again, if told so), through a repeater, or by waiting for
 * the server to call us. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "guacd/backends/vnc/vnc.h"
#include "guacd/base/clock.h"
#include "guacd/base/dial.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define RETRY_WAIT_MS 1000
#define REPEATER_GREETING 12 /* "RFB 000.000\n" */
#define REPEATER_TARGET 250  /* the address it is told, padded by zeroes */

size_t vnc_ports(const struct args *args, uint16_t *out, size_t max) {
    size_t n = beside_ports(args, out, max);
    if (n == max || args_bool(args, "reverse-connect"))
        return n;
    out[n] = (uint16_t)args_int(args, "port");
    return n + 1;
}

size_t vnc_listens(const struct args *args, uint16_t *out, size_t max) {
    if (!max || !args_bool(args, "reverse-connect"))
        return 0;
    out[0] = (uint16_t)args_int(args, "port");
    return 1;
}

unsigned vnc_distance_us(int fd) {
    struct tcp_info info = { 0 };
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return UINT_MAX;
    return info.tcpi_rtt;
}

/* Until fd may do what is wanted, or the session ends. */
static int wait_for(struct vnc *v, int fd, short events, uint64_t until, const char *what,
                    struct err *e) {
    for (;;) {
        uint64_t now = clock_ms();
        if (now >= until)
            return err_set(e, STATUS_UPSTREAM_TIMEOUT, "timed out waiting for %s", what);
        struct pollfd p[] = { { session_event_fd(v->session), POLLIN, 0 }, { fd, events, 0 } };
        poll(p, 2, (int)MIN_OF(until - now, (uint64_t)60000));
        if (p[0].revents && !vnc_events(v))
            return err_set(e, STATUS_SESSION_CLOSED,
                           "the session ended before the server answered");
        if (p[1].revents)
            return 0;
    }
}

static int dial(struct vnc *v, int *fd, struct err *e) {
    long tries = args_int(v->args, "autoretry");
    for (long i = 0;; i++) {
        int r = session_dial(v->session, args_str(v->args, "hostname"),
                             (uint16_t)args_int(v->args, "port"), VNC_CONNECT_MS, fd, e);
        if (r == 0 || i >= tries || e->status == STATUS_CLIENT_FORBIDDEN)
            return r;
        log_info("try %ld of %ld: %s", i + 1, tries + 1, e->text);
        struct err ended = { 0 };
        if (wait_for(v, -1, 0, clock_ms() + RETRY_WAIT_MS, "the next try", &ended) < 0 &&
            ended.status == STATUS_SESSION_CLOSED) {
            *e = ended;
            return -1;
        }
    }
}

/* UltraVNC's repeater (mode I): it greets with version 0.0, is told a target, and from then on it
 * is that server which speaks. */
static int ask_repeater(struct vnc *v, int fd, struct err *e) {
    const char *host = args_str(v->args, "dest-host");
    uint64_t until = clock_ms() + VNC_CONNECT_MS;
    char greeting[REPEATER_GREETING + 1] = "";
    for (size_t got = 0; got < REPEATER_GREETING;) {
        if (wait_for(v, fd, POLLIN, until, "the repeater", e) < 0)
            return -1;
        ssize_t n = recv(fd, greeting + got, REPEATER_GREETING - got, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return err_set(e, STATUS_UPSTREAM_ERROR, "the repeater hung up");
        got += n > 0 ? (size_t)n : 0;
    }
    if (strcmp(greeting, "RFB 000.000\n") != 0)
        return err_set(e, STATUS_UPSTREAM_ERROR, "what answers is no VNC repeater");
    char target[REPEATER_TARGET] = "";
    if ((size_t)snprintf(target, sizeof(target), "%s:%ld", host, args_int(v->args, "dest-port")) >=
        sizeof(target))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "dest-host is too long for a repeater");
    for (size_t sent = 0; sent < sizeof(target);) {
        if (wait_for(v, fd, POLLOUT, until, "the repeater", e) < 0)
            return -1;
        ssize_t n = send(fd, target + sent, sizeof(target) - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return err_set(e, STATUS_UPSTREAM_ERROR, "the repeater hung up");
        sent += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* ---- reverse connection -------------------------------------------------------------------------
 */

/* The address to listen on passes the same policy as one to be dialled: in a gateway it has to be
 * allowed by name. */
static int check_listen(const struct vnc *v, const struct addrinfo *a, struct err *e) {
    if (!args_is_set(v->args, "session")) /* stock mode: no policy */
        return 0;
    const struct dial_policy policy = { .allow = args_str(v->args, "address-allow"),
                                        .deny = args_str(v->args, "address-deny") };
    if (dial_check(&policy, a->ai_addr, e) < 0 || !dial_allowed_by_name(&policy, a->ai_addr))
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "listening there is refused by the address policy");
    return 0;
}

static int listen_on(const struct vnc *v, struct err *e) {
    const char *host = args_str(v->args, "hostname");
    char port[8];
    snprintf(port, sizeof(port), "%ld", args_int(v->args, "port"));
    const struct addrinfo hints = { .ai_family = *host ? AF_UNSPEC : AF_INET6,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    int r = getaddrinfo(*host ? host : NULL, port, &hints, &list);
    if (r != 0)
        return err_set(e, STATUS_UPSTREAM_NOT_FOUND, "cannot listen on '%s': %s", host,
                       gai_strerror(r));
    int fd = -1;
    if (check_listen(v, list, e) == 0) {
        fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int on = 1, off = 0;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (list->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        if (fd < 0 || bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, 1) < 0) {
            err_errno(e, STATUS_RESOURCE_CONFLICT, "cannot listen on port %s", port);
            if (fd >= 0)
                close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static int wait_for_server(struct vnc *v, int *fd, struct err *e) {
    _close_ int listener = listen_on(v, e);
    if (listener < 0)
        return -1;
    session_state(v->session, "waiting", "The VNC server has to connect now.");
    uint64_t until = clock_ms() + (uint64_t)args_int(v->args, "listen-timeout");
    int got = -1;
    while (got < 0) {
        if (wait_for(v, listener, POLLIN, until, "the VNC server to connect", e) < 0)
            return -1;
        got = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    if (session_lock(v->session, e) < 0) {
        close(got);
        return -1;
    }
    *fd = got;
    return 0;
}

/* ---- */

/* The library reads whole messages: a server that stops in the middle of one, or takes none of
 * ours, must not keep its thread for good. Each second of silence shows up in it as one EAGAIN. */
static void bound_waits(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    const struct timeval second = { .tv_sec = 1 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
    const unsigned stuck = VNC_STUCK_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stuck, sizeof(stuck));
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int vnc_connect(struct vnc *v, int *fd, struct err *e) {
    int got = -1;
    bool reverse = args_bool(v->args, "reverse-connect");
    if ((reverse ? wait_for_server(v, &got, e) : dial(v, &got, e)) < 0)
        return -1;
    if (!reverse && args_is_set(v->args, "dest-host") && ask_repeater(v, got, e) < 0) {
        close(got);
        return -1;
    }
    bound_waits(got);
    *fd = got;
    return 0;
}
