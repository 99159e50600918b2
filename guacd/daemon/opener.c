#include "guacd/daemon/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"
#include "guacd/proto/status.h"

#define SUFFIX_MAX 255 /* name, name.1 … name.255, as users of stock guacd know it */
#define TIMING ".timing"

/* ---- one request ------------------------------------------------------------------------------
 */

/* -1 with errno. A link, a device or a pipe under that name is none of ours to write to. */
static int open_one(const char *path, bool existing) {
    int how = existing ? O_TRUNC : O_EXCL;
    int fd =
        open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | how, 0640);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

/* The file, and with `timing` the one beside it: both are new, or both names are taken. */
static int open_pair(const char *path, bool existing, bool timing, int fds[2]) {
    fds[0] = open_one(path, existing);
    if (fds[0] < 0 || !timing)
        return fds[0] < 0 ? -1 : 0;
    char beside[PATH_MAX + sizeof(TIMING)];
    snprintf(beside, sizeof(beside), "%s" TIMING, path);
    fds[1] = open_one(beside, existing);
    if (fds[1] >= 0)
        return 0;
    int why = errno;
    close(steal_fd(&fds[0]));
    errno = why;
    return -1;
}

static int open_numbered(const char *path, bool existing, bool timing, int fds[2]) {
    for (int n = 0; n <= SUFFIX_MAX; n++) {
        char numbered[PATH_MAX];
        int len = n ? snprintf(numbered, sizeof(numbered), "%s.%d", path, n)
                    : snprintf(numbered, sizeof(numbered), "%s", path);
        if (len >= (int)sizeof(numbered)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        if (open_pair(numbered, existing, timing, fds) == 0)
            return 0;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

static int serve(const json_t *msg, int fds[2], struct err *e) {
    const char *folder = json_str(msg, "folder", ""), *name = json_str(msg, "name", "");
    char path[PATH_MAX];
    if (folder[0] != '/')
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "the folder %.200s is no absolute path",
                       folder);
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "its path is too long");
    if (json_flag(msg, "make", false) && mkdir(folder, 0750) < 0 && errno != EEXIST)
        return err_errno(e, STATUS_SERVER_ERROR, "the folder %.200s cannot be made", folder);
    if (open_numbered(path, json_flag(msg, "existing", false), json_flag(msg, "timing", false),
                      fds) == 0)
        return 0;
    if (errno == EINVAL)
        return err_set(e, STATUS_SERVER_ERROR, "%.200s is no plain file", path);
    return err_errno(e, STATUS_SERVER_ERROR, "%.200s cannot be made", path);
}

static void answer(const json_t *msg, int channel) {
    _close_ int data = -1, timing = -1;
    int fds[2] = { -1, -1 };
    struct err e = { 0 };
    int r = serve(msg, fds, &e);
    data = fds[0];
    timing = fds[1];
    _json_ json_t *out = r == 0 ? json_pack("{s:s}", "op", CHILD_OP_SOCKET)
                                : json_pack("{s:s,s:s}", "op", CHILD_OP_REFUSED, "text", e.text);
    if (out)
        (void)ctl_send(channel, out, fds, r < 0 ? 0 : timing < 0 ? 1 : 2, NULL);
}

/* ---- the process ------------------------------------------------------------------------------
 */

static int seal(struct err *e) {
    const struct sandbox_path paths[] = { { "/", SANDBOX_CREATE } };
    const struct sandbox_profile profile = { .paths = paths, .path_count = ARRAY_LEN(paths) };
    /* guacd itself refuses to run without seccomp unless it was told to. */
    const struct sandbox_options options = { .allow_no_seccomp = true };
    return sandbox_begin(e) < 0 || sandbox_enter(&profile, &options, e) < 0 ? -1 : 0;
}

/* It keeps nothing of guacd's: no listener, no pipe that somebody waits on, no terminal. */
static void let_go(int keep) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    if (keep > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)keep - 1, 0);
    close_range((unsigned)keep + 1, ~0u, 0);
}

static _Noreturn void run(int sock) {
    static const int shared[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE }; /* a terminal tells us all */
    struct err e = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        signal(shared[i], SIG_IGN);
    prctl(PR_SET_NAME, "guacd-opener");
    setsid();
    let_go(sock);
    if (chdir("/") < 0 || seal(&e) < 0 || write(sock, "", 1) != 1)
        _exit(EXIT_FAILURE);
    for (;;) {
        int channel = -1;
        size_t fds = 1;
        _json_ json_t *msg = ctl_recv(sock, &channel, &fds, &e);
        if (!msg)
            _exit(EXIT_SUCCESS);
        if (fds == 1) {
            answer(msg, channel);
            close(channel);
        }
    }
}

int opener_start(struct err *e) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(e, 0, "cannot make a socket pair");
    _close_ int ours = ends[0], theirs = ends[1];
    /* Not our child: whoever looks at those sees sessions. */
    pid_t pid = fork();
    if (pid == 0) {
        pid_t second = fork();
        if (second != 0)
            _exit(second < 0);
        run(theirs);
    }
    int status = 1;
    char ready;
    close(steal_fd(&theirs));
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 ||
        recv(ours, &ready, 1, 0) != 1 || fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
        return err_set(e, 0, "the process that makes files for stock clients does not start");
    return steal_fd(&ours);
}

int opener_ask(int opener, json_t *request, int channel, struct err *e) {
    if (opener < 0)
        return err_set(e, STATUS_CLIENT_FORBIDDEN, "no files are made in gateway mode");
    if (ctl_send(opener, request, &channel, 1, e) < 0)
        return err_set(e, STATUS_SERVER_ERROR, "guacd cannot make files: its helper is %s",
                       errno == EAGAIN ? "busy" : "gone");
    return 0;
}
