/* Unix sockets by path, both kinds. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/util.h"

#define BACKLOG 512
#define CONNECT_SECONDS 5 /* a listener that accepts nothing must not hold us */
#define STATUS_UPSTREAM_UNAVAILABLE 0x0208

static int address(struct sockaddr_un *sa, const char *path, struct err *e) {
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof sa->sun_path)
        return err_set(e, 0, "socket path '%s' is %s", path,
                       len ? "longer than 107 bytes" : "empty");
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(sa->sun_path, path, len + 1);
    return 0;
}

/* An old socket that nobody listens on goes; anything else at that path stays. */
static int make_room(const struct sockaddr_un *sa, int type, struct err *e) {
    struct stat st;
    if (lstat(sa->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : err_errno(e, 0, "%s", sa->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, 0, "%s: is there already and no socket", sa->sun_path);
    _close_ int probe = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return err_errno(e, 0, "%s", sa->sun_path);
    if (connect(probe, (const struct sockaddr *)sa, sizeof *sa) == 0 || errno == EAGAIN ||
        errno == EPROTOTYPE)
        return err_set(e, 0, "%s: another process listens there", sa->sun_path);
    if (unlink(sa->sun_path) < 0 && errno != ENOENT)
        return err_errno(e, 0, "cannot replace %s", sa->sun_path);
    return 0;
}

static int listen_at(const char *path, int type, mode_t mode, struct err *e) {
    struct sockaddr_un sa;
    if (address(&sa, path, e) < 0 || make_room(&sa, type, e) < 0)
        return -1;
    _close_ int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The file gets the mode the unbound socket has, less the umask: never more than asked for,
     * not even for a moment. */
    if (fd < 0 || fchmod(fd, mode) < 0)
        return err_errno(e, 0, "cannot listen on %s", path);
    mode_t before = umask(0);
    int r = bind(fd, (const struct sockaddr *)&sa, sizeof sa);
    umask(before);
    if (r < 0 || listen(fd, BACKLOG) < 0)
        return err_errno(e, 0, "cannot listen on %s", path);
    return steal_fd(&fd);
}

static int connect_to(const char *path, int type, struct err *e) {
    struct sockaddr_un sa;
    if (address(&sa, path, e) < 0)
        return -1;
    struct timeval limit = { .tv_sec = CONNECT_SECONDS }, none = { 0 };
    _close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
        connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none) < 0)
        return err_errno(e, STATUS_UPSTREAM_UNAVAILABLE, "cannot connect to %s", path);
    return steal_fd(&fd);
}

int ctl_listen(const char *path, mode_t mode, struct err *e) {
    return listen_at(path, SOCK_SEQPACKET, mode, e);
}

int ctl_connect(const char *path, struct err *e) {
    return connect_to(path, SOCK_SEQPACKET, e);
}

int stream_listen(const char *path, mode_t mode, struct err *e) {
    return listen_at(path, SOCK_STREAM, mode, e);
}

int stream_connect(const char *path, struct err *e) {
    return connect_to(path, SOCK_STREAM, e);
}
