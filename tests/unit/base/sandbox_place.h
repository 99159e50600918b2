/* Where the sandbox tests play: a folder with a secret, a sibling of the same uid with its sockets,
 * two TCP ports, and children to probe from. */
#ifndef GUAC_TESTS_SANDBOX_PLACE_H
#define GUAC_TESTS_SANDBOX_PLACE_H

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/guac-sandbox-XXXXXX";
static char secret[80], run[80], drives[80], drive[100], other_drive[100], sibling_socket[100],
    own_socket[100], abstract[64];
static uint16_t port, other_port; /* both listen; `port` is the one allowed */
static pid_t sibling;

static int made_before;    /* a TCP socket from before the stage */
static int storage_before; /* a file of nobody's, open for writing */
static int pair_before[2]; /* as a session's control sockets are */

static inline struct sockaddr_in loopback(uint16_t p) {
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(p),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static inline int listen_tcp(uint16_t *p) {
    struct sockaddr_in sa = loopback(0);
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(fd, 200), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *p = ntohs(sa.sin_port);
    return fd;
}

static int held[4];

static inline void setup(void) {
    struct err e = { 0 };
    char kept[120];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(secret, sizeof secret, "%s/secret", folder);
    snprintf(run, sizeof run, "%s/run", folder);
    snprintf(drives, sizeof drives, "%s/drives", folder);
    snprintf(drive, sizeof drive, "%s/one", drives);
    snprintf(other_drive, sizeof other_drive, "%s/other", drives);
    snprintf(sibling_socket, sizeof sibling_socket, "%s/sibling.sock", run);
    snprintf(own_socket, sizeof own_socket, "%s/own.sock", run);
    snprintf(kept, sizeof kept, "%s.kept", sibling_socket);
    snprintf(abstract, sizeof abstract, "guac-sandbox-%d", getpid());
    mkdir(run, 0700);
    mkdir(drives, 0700);
    mkdir(drive, 0700);
    mkdir(other_drive, 0700);
    close(open(secret, O_CREAT | O_WRONLY, 0600));
    held[0] = ctl_listen(sibling_socket, 0600, &e);
    ck_assert_msg(held[0] >= 0, "%s", e.text);
    ck_assert_int_eq(link(sibling_socket, kept), 0);
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    strcpy(sa.sun_path + 1, abstract);
    held[1] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(
        bind(held[1], (struct sockaddr *)&sa,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(abstract) + 1)),
        0);
    ck_assert_int_eq(listen(held[1], 200), 0);
    held[2] = listen_tcp(&port);
    held[3] = listen_tcp(&other_port);
    sibling = fork();
    if (sibling == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
}

static inline void teardown(void) {
    kill(sibling, SIGKILL);
    waitpid(sibling, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        close(held[i]);
    char command[120];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

static inline void fatal(const struct err *e) {
    fprintf(stderr, "stage: %s\n", e->text);
    _exit(125);
}

/* Run fn in a child that first went through prepare(stage); its exit status, or 128 + signal. */
static inline int in_child_after(void (*prepare)(int stage), int stage, int (*fn)(void)) {
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        alarm(20);
        made_before = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        storage_before = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (storage_before < 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_before) < 0)
            _exit(124);
        if (prepare)
            prepare(stage);
        _exit(fn());
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int in_child(int (*fn)(void)) {
    return in_child_after(NULL, 0, fn);
}

#endif
