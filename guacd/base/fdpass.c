/* sendmsg and recvmsg with SCM_RIGHTS. The control buffer is exactly as large as the caller has
 * room: CMSG_SPACE rounds up, and the kernel would then install a descriptor nobody looks at. */
#include "guacd/base/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guacd/base/util.h"

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

ssize_t fdpass_send(int sock, const void *data, size_t len, const int *fds, size_t nfds) {
    if (nfds > FDPASS_MAX) {
        errno = EINVAL;
        return -1;
    }
    union control control = { 0 };
    struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (nfds > 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

static size_t collect(struct msghdr *msg, int got[FDPASS_MAX]) {
    size_t n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        count = MIN_OF(count, FDPASS_MAX - n);
        memcpy(got + n, CMSG_DATA(c), count * sizeof(int));
        n += count;
    }
    return n;
}

ssize_t fdpass_recv(int sock, void *data, size_t len, int *fds, size_t *nfds) {
    size_t room = fds && nfds ? MIN_OF(*nfds, (size_t)FDPASS_MAX) : 0;
    union control control = { 0 };
    struct iovec iov = { .iov_base = data, .iov_len = len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (room > 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_LEN(sizeof(int) * room);
    }
    ssize_t n;
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    int got[FDPASS_MAX];
    size_t count = room > 0 ? collect(&msg, got) : 0;
    if (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) {
        for (size_t i = 0; i < count; i++)
            close(got[i]);
        errno = msg.msg_flags & MSG_CTRUNC ? EPROTO : EMSGSIZE;
        return -1;
    }
    if (count > 0)
        memcpy(fds, got, count * sizeof(int));
    if (nfds)
        *nfds = count;
    return n;
}

int ctl_peer(int sock, uid_t *uid, pid_t *pid) {
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -1;
    if (uid)
        *uid = cred.uid;
    if (pid)
        *pid = cred.pid;
    return 0;
}
