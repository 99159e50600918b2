/* The demo desktop's jail. Whoever opens the demo connection sits inside it, on the machine of the
 * person who tries the gateway, perhaps under his uid. So it gets namespaces of its own (mounts,
 * processes, network, IPC; as nobody where root starts it), where the gateway's folder, homes, /run
 * and /tmp are empty; Landlock leaves the system's programs to read and its own /tmp to write. The
 * one way in is a socket that listens before the network goes. Where a kernel refuses any of this
 * there is no demo desktop.
 *
 *   guac-demo-desktop HIDE PORT SCRIPT
 *
 * Runs SCRIPT (open before the jail, given to sh) until this is ended, again when it ends by itself
 * with 0; 127.0.0.1:PORT listens on descriptor 3. PORT 0: once, to see whether the jail works. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "deploy/run/demo.h"
#include "guacd/base/util.h"

#define LISTENER 3

static volatile pid_t outside, inside; /* who made the namespaces; the first in them */
static volatile sig_atomic_t ended;

static void on_end(int sig) {
    ended = 1;
    if (inside > 0)
        kill(inside, SIGKILL); /* all others go with it */
    else if (outside > 0)
        kill(outside, sig);
}

static int fail(const char *what) {
    fprintf(stderr, "guac-demo-desktop: %s: %s\n", what, strerror(errno));
    return -1;
}

static int put(const char *path, const char *text) {
    _close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : fail(path);
}

static int listen_on(const char *port) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 8) < 0)
        return fail("cannot listen");
    return fd;
}

static int part(uid_t uid, gid_t gid) {
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC;
    if (unshare(uid == 0 ? flags : flags | CLONE_NEWUSER) < 0)
        return fail("no namespaces");
    if (uid == 0)
        return 0;
    char text[64];
    snprintf(text, sizeof text, "%u %u 1", uid, uid);
    if (put("/proc/self/uid_map", text) < 0 || put("/proc/self/setgroups", "deny") < 0)
        return -1;
    snprintf(text, sizeof text, "%u %u 1", gid, gid);
    return put("/proc/self/gid_map", text);
}

/* ---- inside -------------------------------------------------------------------------------- */

static int empty(const char *path, const char *options) {
    struct stat st;
    if (stat(path, &st) < 0 && errno == ENOENT)
        return 0;
    return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ? fail(path) : 0;
}

static int furnish(const char *hide) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail("mounts stay shared");
    static const char *const others[] = { "/run", "/home", "/root", "/var/tmp" };
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (empty(others[i], "size=64k,mode=755") < 0)
            return -1;
    if (empty(hide, "size=64k,mode=700") < 0 || empty("/tmp", "size=128m,mode=1777") < 0 ||
        empty("/dev/shm", "size=64m,mode=1777") < 0)
        return -1;
    /* Terminals of its own; those of the person are not to be written to. */
    if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
              "newinstance,ptmxmode=0666,mode=0620") < 0 ||
        mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) < 0)
        return fail("no terminals");
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL); /* Landlock does, too */
    mode_t mask = umask(0);
    int r = mkdir("/tmp/.X11-unix", 01777) | mkdir("/tmp/home", 0777);
    umask(mask);
    return r ? fail("/tmp") : 0;
}

static int lock(struct err *e) {
    const struct sandbox_path paths[] = {
        DEMO_SYSTEM_PATHS,
        { "/dev/tty", SANDBOX_DEVICE },
        { "/dev/ptmx", SANDBOX_DEVICE },
        { "/dev/pts", SANDBOX_DEVICE },
        { "/dev/shm", SANDBOX_WRITE },
        { "/tmp", SANDBOX_WRITE },
        { "/tmp/.X11-unix", SANDBOX_SOCKETS },
    };
    const struct sandbox_profile profile = {
        .paths = paths, .path_count = ARRAY_LEN(paths), .libraries = true, .fonts = true
    };
    return sandbox_begin(e) < 0 ? -1 : sandbox_narrow(&profile, e);
}

static int live(const char *hide, uid_t uid, int script, int listener) {
    struct err e = { 0 };
    if (furnish(hide) < 0)
        return 1;
    if (uid == 0 && demo_become_nobody() < 0)
        return fail("cannot become nobody"), 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sandbox_landlock_abi() == 0 || lock(&e) < 0) {
        fprintf(stderr, "guac-demo-desktop: no Landlock: %s\n", e.text);
        return 1;
    }
    if (dup2(script, 0) < 0 || (listener != LISTENER && dup2(listener, LISTENER) < 0) ||
        fcntl(LISTENER, F_SETFD, 0) < 0 || chdir("/tmp/home") < 0)
        return fail("descriptors"), 1;
    char *const argv[] = { (char[]){ "sh" }, (char[]){ "-s" }, NULL };
    char *const env[] = { (char[]){ "HOME=/tmp/home" },
                          (char[]){ "PATH=/usr/local/bin:/usr/bin:/bin:/usr/games" },
                          (char[]){ "USER=demo" },
                          (char[]){ "LANG=C.UTF-8" },
                          (char[]){ "SHELL=/bin/bash" },
                          (char[]){ "DISPLAY=:1" },
                          NULL };
    execve("/bin/sh", argv, env);
    return fail("/bin/sh"), 1;
}

/* One desktop, from its namespaces to its end. 0: its script ended. */
static int once(char **argv, int script, int listener) {
    uid_t uid = geteuid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (lseek(script, 0, SEEK_SET) < 0 || part(uid, getegid()) < 0)
        return 1;
    inside = fork();
    if (inside == 0)
        return live(argv[1], uid, script, listener);
    if (inside < 0)
        return fail("fork"), 1;
    int status;
    while (waitpid(inside, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* Whoever sits in it may end it: then there is another one. */
int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: guac-demo-desktop HIDE PORT SCRIPT\n");
        return 2;
    }
    int script = open(argv[3], O_RDONLY | O_CLOEXEC);
    if (script < 0)
        return fail(argv[3]), 1;
    int listener = listen_on(argv[2]), status = 1;
    if (listener < 0)
        return 1;
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    do {
        if (!(outside = fork()))
            return once(argv, script, listener);
        while (waitpid(outside, &status, 0) < 0 && errno == EINTR)
            continue;
    } while (!ended && atoi(argv[2]) && WIFEXITED(status) && !WEXITSTATUS(status) && !sleep(1));
    return ended ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
