/* Listening sockets. All addresses of the host are taken, or none: half a daemon is worse. */
#include "guacd/daemon/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define BACKLOG 4096 /* bursts wait here; the kernel caps it at net.core.somaxconn */

static int listen_address(const struct addrinfo *a) {
    _close_ int fd =
        socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -1;
    /* :: and 0.0.0.0 are two listeners, whatever the machine's default. */
    if (a->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return -1;
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return steal_fd(&fd);
}

static int listen_tcp(struct listeners *l, const char *host, long port, struct err *e) {
    struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *list = NULL;
    char service[16];
    snprintf(service, sizeof(service), "%ld", port);
    int r = getaddrinfo(host, service, &hints, &list);
    if (r != 0)
        return err_set(e, 0, "cannot listen on %s: %s", host, gai_strerror(r));
    int why = 0;
    for (const struct addrinfo *a = list; a && l->count < LISTEN_MAX; a = a->ai_next) {
        char name[NI_MAXHOST] = "?";
        getnameinfo(a->ai_addr, a->ai_addrlen, name, sizeof(name), NULL, 0, NI_NUMERICHOST);
        int fd = listen_address(a);
        if (fd < 0) {
            why = errno;
            /* localhost often has an address that the machine has not. */
            log_debug("not listening on %s: %s", name, strerror(why));
            if (why == EADDRINUSE)
                break;
            continue;
        }
        l->fds[l->count++] = fd;
        log_info("listening on %s port %ld", name, port);
    }
    freeaddrinfo(list);
    if (l->count && why != EADDRINUSE)
        return 0;
    listen_close(l);
    errno = why;
    return err_errno(e, 0, "cannot listen on %s port %ld", host, port);
}

int listen_open(struct listeners *l, const struct options *o, struct err *e) {
    *l = (struct listeners){ 0 };
    if (!o->socket)
        return listen_tcp(l, o->bind_host, o->bind_port, e);
    int fd = stream_listen(o->socket, 0660, e);
    if (fd < 0)
        return -1;
    l->fds[l->count++] = fd;
    l->path = o->socket;
    log_info("listening on %s", o->socket);
    return 0;
}

void listen_close(struct listeners *l) {
    for (size_t i = 0; i < l->count; i++)
        close(l->fds[i]);
    l->count =
        0; /* a socket's name stays: who is sealed removes none, the next one takes its place */
}
