/* Sockets of every kind. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/probe/probes_parts.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

#define CONNECT_MS 2000
#define ANSWER_MS 500 /* a listener that turns us away by our uid does so at once */

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t len;
};

static struct place place_of(char **w) {
    struct place p = { 0 };
    uint16_t port = htons((uint16_t)atoi(w[1]));
    if (strchr(w[0], ':')) {
        p.at.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
        inet_pton(AF_INET6, w[0], &p.at.v6.sin6_addr);
        p.len = sizeof p.at.v6;
    } else {
        p.at.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
        inet_pton(AF_INET, w[0], &p.at.v4.sin_addr);
        p.len = sizeof p.at.v4;
    }
    return p;
}

static int finish_connect(int fd, int r) {
    int e = r < 0 ? errno : 0;
    if (e == EINPROGRESS) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        socklen_t len = sizeof e;
        if (poll(&p, 1, CONNECT_MS) != 1)
            e = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
            e = errno;
    }
    close(fd);
    return e;
}

static int connect_by(char **w, int protocol, bool lazily) {
    struct place p = place_of(w);
    int one = 1,
        fd = socket(p.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0)
        return errno;
    if (lazily)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one);
    return finish_connect(fd, connect(fd, &p.at.any, p.len));
}

static int connect_tcp(char **w, long *value) {
    (void)value;
    return connect_by(w, IPPROTO_TCP, false);
}

static int connect_mptcp(char **w, long *value) {
    (void)value;
    return connect_by(w, IPPROTO_MPTCP, false);
}

static int connect_lazily(char **w, long *value) {
    (void)value;
    return connect_by(w, IPPROTO_TCP, true);
}

static int fast_open(char **w, long *value) {
    (void)value;
    struct place p = place_of(w);
    int fd = socket(p.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    ssize_t n = sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &p.at.any, p.len);
    return finish_connect(fd, n < 0 ? -1 : 0);
}

static int send_udp(char **w, long *value) {
    (void)value;
    struct place p = place_of(w);
    int fd = socket(p.at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int e = result(sendto(fd, "x", 1, MSG_NOSIGNAL, &p.at.any, p.len));
    close(fd);
    return e;
}

static int bind_tcp(char **w, long *value) {
    (void)value;
    struct place p = place_of(w);
    int fd = socket(p.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int e = result(bind(fd, &p.at.any, p.len));
    close(fd);
    return e;
}

/* Without bind() the kernel chooses the port. */
static int listen_tcp(char **w, long *value) {
    (void)w;
    (void)value;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int e = result(listen(fd, 1));
    close(fd);
    return e;
}

static int make_socket(char **w, long *value) {
    (void)value;
    return close_after(socket(atoi(w[0]), atoi(w[1]) | SOCK_CLOEXEC, atoi(w[2])));
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

static socklen_t unix_address(struct sockaddr_un *sa, const char *path) {
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(sa->sun_path, sizeof sa->sun_path, "%s", path);
    if (path[0] != '@')
        return sizeof *sa;
    sa->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

/* value: 1 the listener hung up on us, 0 it keeps us. */
static int connect_unix(char **w, long *value) {
    struct sockaddr_un sa;
    socklen_t len = unix_address(&sa, w[1]);
    int type = strcmp(w[0], "stream") == 0 ? SOCK_STREAM : SOCK_SEQPACKET;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int e = result(connect(fd, (struct sockaddr *)&sa, len));
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char c;
    if (e == 0 && poll(&p, 1, ANSWER_MS) == 1)
        *value = recv(fd, &c, 1, 0) <= 0;
    close(fd);
    return e;
}

static int bind_unix(char **w, long *value) {
    (void)value;
    struct sockaddr_un sa;
    socklen_t len = unix_address(&sa, w[0]);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int e = result(bind(fd, (struct sockaddr *)&sa, len));
    close(fd);
    return e;
}

const struct probe probes_network[] = {
    { "tcp", connect_tcp, 2 },
    { "mptcp", connect_mptcp, 2 },
    { "fastopen", fast_open, 2 },
    { "fastopen-connect", connect_lazily, 2 },
    { "udp", send_udp, 2 },
    { "bind-tcp", bind_tcp, 2 },
    { "socket", make_socket, 3 },
    { "unix", connect_unix, 2 },
    { "bind-unix", bind_unix, 1 },
    { "listen", listen_tcp, 0 },
    { 0 },
};
