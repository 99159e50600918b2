/* What each stage stops and what it lets through, probed from inside: every probe runs in a child
 * of its own that went through the stage, and answers with its errno. The target is a sibling of
 * the same uid, so nothing here rests on file modes. */
#include "guacd/base/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/sandbox_parts.h"
#include "guacd/base/spawn.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/guac-sandbox-XXXXXX";
static char secret[80], run[80], drives[80], drive[100], other_drive[100], sibling_socket[100],
    own_socket[100], abstract[64];
static uint16_t port, other_port; /* both listen; `port` is the one allowed */
static pid_t sibling;

enum stage { NONE, A, A2, B, B_DENYLIST, B_SOCKETS, B_FILES, STAGES };
static const char *const stage_names[] = {
    "none", "A", "A2", "B", "B as deny-list", "B with sockets", "B with files"
};

/* ---- probes: 0 or an errno --------------------------------------------------------------------
 */

static int result(long r) {
    return r < 0 ? errno : 0;
}

static int open_for(const char *path, int flags) {
    return result(open(path, flags | O_CLOEXEC, 0600));
}

static int read_secret(void) {
    return open_for(secret, O_RDONLY);
}

static int read_shadow(void) {
    return open_for("/etc/shadow", O_RDONLY);
}

static int write_own_memory(void) {
    return open_for("/proc/self/mem", O_RDWR);
}

static int create_in_tmp(void) {
    char path[120];
    snprintf(path, sizeof path, "%s/made", folder);
    int r = open_for(path, O_WRONLY | O_CREAT);
    unlink(path);
    return r;
}

static int create_below(const char *place) {
    char path[120], to[120];
    snprintf(path, sizeof path, "%s/made", place);
    snprintf(to, sizeof to, "%s/renamed", place);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, "x", 1, 5) != 1 || ftruncate(fd, 3) < 0 || fsync(fd) < 0 ||
        rename(path, to) < 0 || unlink(to) < 0 || mkdir(path, 0700) < 0 || rmdir(path) < 0)
        return errno;
    return 0;
}

static int create_in_drive(void) {
    return create_below(drive);
}

static int create_in_other_drive(void) {
    return create_below(other_drive);
}

static int fifo_in_drive(void) {
    char path[120];
    snprintf(path, sizeof path, "%s/fifo", drive);
    int r = result(mknod(path, S_IFIFO | 0600, 0));
    unlink(path);
    return r;
}

static int list_library(void) {
    return open_for("/etc/ld.so.cache", O_RDONLY);
}

static int execute(void) {
    char name[] = "true";
    char *argv[] = { name, NULL }, *envp[] = { NULL };
    return result(execve("/bin/true", argv, envp));
}

/* The smallest program that ends with 0: one loadable segment and six bytes of code. */
static int execute_memory(void) {
#ifdef __x86_64__
    static const unsigned char
        elf[] = {
            0x7f, 'E',  'L',  'F',  2,  1,    1, 0,    0,    0,    0, 0,    0, 0, 0,    0,  2,
            0,    62,   0,    1,    0,  0,    0, 0x78, 0,    0x40, 0, 0,    0, 0, 0,    64, 0,
            0,    0,    0,    0,    0,  0,    0, 0,    0,    0,    0, 0,    0, 0, 0,    0,  0,
            0,    64,   0,    56,   0,  1,    0, 0,    0,    0,    0, 0,    0, 1, 0,    0,  0,
            5,    0,    0,    0,    0,  0,    0, 0,    0,    0,    0, 0,    0, 0, 0x40, 0,  0,
            0,    0,    0,    0,    0,  0x40, 0, 0,    0,    0,    0, 0x81, 0, 0, 0,    0,  0,
            0,    0,    0x81, 0,    0,  0,    0, 0,    0,    0,    0, 0x10, 0, 0, 0,    0,  0,
            0,    0x31, 0xff, 0xb8, 60, 0,    0, 0,    0x0f, 0x05, /* xor edi,edi; mov eax,60;
                                                                      syscall */
        };
    char name[] = "x";
    char *argv[] = { name, NULL }, *envp[] = { NULL };
    int fd = memfd_create("x", MFD_CLOEXEC);
    if (fd < 0 || write(fd, elf, sizeof elf) != (ssize_t)sizeof elf)
        return errno;
    return result(syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH));
#else
    return result(memfd_create("x", MFD_CLOEXEC)) ? errno : ENOSYS;
#endif
}

#ifndef GUAC_SANITIZER
static int fork_process(void) {
    return result(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) ? errno : 0;
}
#endif

static struct sockaddr_in loopback(uint16_t p) {
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(p),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int connect_tcp(uint16_t p) {
    struct sockaddr_in sa = loopback(p);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&sa, sizeof sa));
}

static int connect_allowed(void) {
    return connect_tcp(port);
}

static int connect_elsewhere(void) {
    return connect_tcp(other_port);
}

static int made_before; /* a TCP socket from before the stage */

static int fast_open(void) {
    struct sockaddr_in sa = loopback(other_port);
    return result(sendto(made_before, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&sa, sizeof sa));
}

static int fast_open_message(void) {
    struct sockaddr_in sa = loopback(other_port);
    struct iovec iov = { .iov_base = &sa, .iov_len = 1 };
    struct msghdr m = {
        .msg_name = &sa, .msg_namelen = sizeof sa, .msg_iov = &iov, .msg_iovlen = 1
    };
    return result(sendmsg(made_before, &m, MSG_FASTOPEN));
}

static int bind_tcp(void) {
    struct sockaddr_in sa = loopback(0);
    return result(bind(made_before, (struct sockaddr *)&sa, sizeof sa));
}

static int udp(void) {
    return result(socket(AF_INET, SOCK_DGRAM, 0));
}

/* Talks to any TCP server, but is no TCP to Landlock. */
static int multipath_tcp(void) {
    struct sockaddr_in sa = loopback(other_port);
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&sa, sizeof sa));
}

static int sctp(void) {
    return result(socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP));
}

static int raw_packets(void) {
    return result(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int tcp_by_number(void) {
    return result(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP));
}

static int netlink_route(void) {
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int netlink_audit(void) {
    return result(socket(AF_NETLINK, SOCK_RAW, 9));
}

static int vsock(void) {
    int r = result(socket(AF_VSOCK, SOCK_STREAM, 0));
    return r == EAFNOSUPPORT || r == ENODEV ? 0 : r; /* the kernel may be without it */
}

static int connect_unix(const char *name, bool hidden) {
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    strcpy(sa.sun_path + (hidden ? 1 : 0), name);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&sa, len));
}

static int connect_abstract(void) {
    return connect_unix(abstract, true);
}

static int connect_sibling(void) {
    return connect_unix(sibling_socket, false);
}

static int unlink_sibling(void) {
    char link_name[120];
    if (unlink(sibling_socket) < 0)
        return errno;
    snprintf(link_name, sizeof link_name, "%s.kept", sibling_socket);
    return result(rename(link_name, sibling_socket)); /* the next probe needs it */
}

static int bind_own(void) {
    struct err e = { 0 };
    int r = result(ctl_listen(own_socket, 0600, &e));
    return r;
}

static int stat_secret(void) {
    struct stat st;
    return result(stat(secret, &st));
}

static int truncate_secret(void) {
    return result(truncate(secret, 0));
}

static int trace_sibling(void) {
    return result(ptrace(PTRACE_SEIZE, sibling, 0, 0));
}

static int read_sibling_memory(void) {
    char c;
    struct iovec here = { &c, 1 }, there = { &sibling, 1 };
    return result(process_vm_readv(sibling, &here, 1, &there, 1, 0));
}

static int read_sibling_environ(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", sibling);
    return open_for(path, O_RDONLY);
}

static int kill_sibling(void) {
    return result(kill(sibling, 0));
}

static int open_sibling(void) {
    return result(syscall(SYS_pidfd_open, sibling, 0));
}

static int user_namespace(void) {
    return result(unshare(CLONE_NEWUSER));
}

/* Bad arguments: without a filter the kernel says EFAULT or EINVAL, which counts as open. */
static int reached(long r) {
    return r >= 0 || errno == EFAULT || errno == EINVAL || errno == ENOKEY ? 0 : errno;
}

static int io_uring(void) {
    return reached(syscall(SYS_io_uring_setup, 1, NULL));
}

static int key_ring(void) {
    return reached(syscall(SYS_keyctl, 9999, 0, 0, 0, 0));
}

static int bpf_program(void) {
    return reached(syscall(SYS_bpf, 5, NULL, 0));
}

static int set_root(void) {
    return result(syscall(SYS_setresuid, getuid(), getuid(), getuid()));
}

static int executable_memory(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int load_library(void) {
    /* EPERM for "no": dlopen keeps its reasons in words */
    return dlopen("libBrokenLocale.so.1", RTLD_NOW) ? 0 : EPERM;
}

/* ---- what must go on working */

static void *thread_main(void *arg) {
    prctl(PR_SET_NAME, "probe");
    free(malloc(1 << 20));
    *(int *)arg = 1;
    pthread_exit(NULL); /* wants libgcc_s */
}

static void *sleeper(void *arg) {
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static int threads(void) {
    pthread_t t;
    int ran = 0, r = pthread_create(&t, NULL, thread_main, &ran);
    if (r != 0)
        return r;
    pthread_join(t, NULL);
    if (!ran)
        return ECHILD;
    r = pthread_create(&t, NULL, sleeper, NULL);
    if (r == 0)
        r = pthread_cancel(t);
    if (r == 0)
        r = pthread_join(t, NULL);
    return r;
}

static int raise_signal(void) {
    signal(SIGUSR1, SIG_IGN);
    return result(raise(SIGUSR1));
}

static int resolve_name(void) {
    struct addrinfo *list = NULL;
    int r = getaddrinfo("localhost", "22", NULL, &list);
    if (r == 0)
        freeaddrinfo(list);
    return r == 0 ? 0 : EHOSTUNREACH;
}

static int pair_before[2]; /* as a session's control sockets are */

static int pass_descriptor(void) {
    int fd = -1;
    char c;
    size_t n = 1;
    if (fdpass_send(pair_before[0], "x", 1, pair_before, 1) != 1 ||
        fdpass_recv(pair_before[1], &c, 1, &fd, &n) != 1)
        return errno;
    return n == 1 ? 0 : ENODATA;
}

/* ---- the table --------------------------------------------------------------------------------
 */

#define ANY (-1)

static const struct probe {
    const char *name;
    int (*fn)(void);
    int abi;            /* Landlock's that the A columns rest on */
    int expect[STAGES]; /* none, A, A2, B, deny-list, sockets, files */
} probes[] = {
    { "read a secret", read_secret, 1, { 0, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES } },
    { "read /etc/shadow", read_shadow, 1, { ANY, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES } },
    { "write /proc/self/mem",
      write_own_memory,
      1,
      { 0, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES } },
    { "create in /tmp", create_in_tmp, 1, { 0, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES } },
    { "use the drive", create_in_drive, 1, { 0, 0, 0, EACCES, 0, EACCES, 0 } },
    { "use another's drive",
      create_in_other_drive,
      1,
      { 0, 0, EACCES, EACCES, EACCES, EACCES, EACCES } },
    { "make a fifo in the drive",
      fifo_in_drive,
      0,
      { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "read a library's file", list_library, 1, { 0, 0, 0, 0, 0, 0, 0 } },
    { "execute", execute, 1, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "execute memory", execute_memory, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
#ifndef GUAC_SANITIZER
    { "fork", fork_process, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
#endif
    { "connect where allowed", connect_allowed, 4, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "connect elsewhere", connect_elsewhere, 4, { 0, 0, EACCES, EPERM, EPERM, EACCES, EPERM } },
    { "fast open", fast_open, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "fast open by sendmsg",
      fast_open_message,
      0,
      { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "bind TCP", bind_tcp, 4, { 0, EACCES, EACCES, EPERM, EPERM, EPERM, EPERM } },
    { "UDP", udp, 0, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "multipath TCP", multipath_tcp, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "SCTP", sctp, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "raw packets", raw_packets, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "TCP by number", tcp_by_number, 0, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "netlink route", netlink_route, 0, { 0, 0, 0, EPERM, EPERM, 0, EPERM } },
    { "netlink audit", netlink_audit, 0, { ANY, ANY, ANY, EPERM, EPERM, EPERM, EPERM } },
    { "vsock", vsock, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "abstract socket", connect_abstract, 6, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "another's socket", connect_sibling, 0, { 0, 0, 0, EPERM, EPERM, EPERM, EPERM } },
    { "unlink another's socket",
      unlink_sibling,
      1,
      { 0, EACCES, EACCES, EPERM, EACCES, EPERM, EACCES } },
    { "bind in run/s", bind_own, 1, { 0, 0, EACCES, EPERM, EPERM, EPERM, EPERM } },
    { "stat", stat_secret, 0, { 0, 0, 0, 0, 0, 0, 0 } },
    { "truncate by path", truncate_secret, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "ptrace", trace_sibling, 1, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "read memory", read_sibling_memory, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "read environ",
      read_sibling_environ,
      1,
      { 0, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES } },
    { "kill", kill_sibling, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "pidfd", open_sibling, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "user namespace", user_namespace, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "io_uring", io_uring, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "keyctl", key_ring, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "bpf", bpf_program, 0, { ANY, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "setresuid", set_root, 0, { 0, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM } },
    { "executable memory", executable_memory, 0, { 0, 0, 0, EPERM, EPERM, EPERM, EPERM } },
    { "load a library", load_library, 0, { 0, 0, 0, EPERM, EPERM, EPERM, EPERM } },
    { "threads", threads, 0, { 0, 0, 0, 0, 0, 0, 0 } },
    { "raise", raise_signal, 0, { 0, 0, 0, 0, 0, 0, 0 } },
    { "resolve", resolve_name, 0, { 0, 0, 0, 0, 0, 0, 0 } },
    { "pass a descriptor", pass_descriptor, 0, { 0, 0, 0, 0, 0, 0, 0 } },
};

/* ---- stages -----------------------------------------------------------------------------------
 */

static void fatal(const struct err *e) {
    fprintf(stderr, "stage: %s\n", e->text);
    _exit(125);
}

static void go_through(enum stage stage) {
    struct err e = { 0 };
    const struct sandbox_path session[] = { { run, SANDBOX_SOCKETS }, { drives, SANDBOX_WRITE } };
    const struct sandbox_path connection[] = { { drive, SANDBOX_WRITE },
                                               { "/missing", SANDBOX_READ } };
    const struct sandbox_profile a = { .paths = session,
                                       .path_count = ARRAY_LEN(session),
                                       .any_connect = true,
                                       .libraries = true,
                                       .fonts = true,
                                       .tls = true };
    const struct sandbox_profile a2 = { .paths = connection,
                                        .path_count = ARRAY_LEN(connection),
                                        .connect_ports = &port,
                                        .connect_port_count = 1,
                                        .libraries = true };
    const struct sandbox_options o = { .denylist_only = stage == B_DENYLIST };
    if (stage == NONE)
        return;
    if (sandbox_begin(&e) < 0 || sandbox_enter(&a, &o, &e) < 0)
        fatal(&e);
    if (stage != A && sandbox_narrow(&a2, &e) < 0)
        fatal(&e);
    unsigned needs = stage == B_SOCKETS ? SANDBOX_NEED_SOCKETS
                     : stage == B_FILES ? SANDBOX_NEED_FILES
                                        : 0;
    if (stage >= B && sandbox_lock(needs, &o, &e) < 0)
        fatal(&e);
}

/* Run fn in a child behind a stage; its exit status, or 128 + signal. */
static int in_child(enum stage stage, int (*fn)(void)) {
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        alarm(20);
        made_before = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_before) < 0)
            _exit(124);
        go_through(stage);
        _exit(fn());
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the place: a sibling, its sockets, a secret ----------------------------------------------
 */

static int listen_tcp(uint16_t *p) {
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

static void setup(void) {
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

static void teardown(void) {
    kill(sibling, SIGKILL);
    waitpid(sibling, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        close(held[i]);
    char command[120];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

START_TEST(the_table) {
    int wrong = 0, abi = sandbox_landlock_abi();
    for (enum stage stage = NONE; stage < STAGES; stage++) {
#ifdef GUAC_SANITIZER
        if (stage >= B)
            continue; /* left out of these builds */
#endif
        for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
            const struct probe *p = &probes[i];
            int want = p->expect[stage];
            if (want == ANY || (stage != NONE && abi < p->abi))
                continue;
            int got = in_child(stage, p->fn);
            unlink(own_socket);
            if (got != want) {
                wrong++;
                fprintf(stderr, "stage %s: %s: %s instead of %s\n", stage_names[stage], p->name,
                        got ? strerror(got) : "open", want ? strerror(want) : "open");
            }
        }
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

/* Older kernels' rules, on this one. */
static int simulated_abi;

static int old_landlock(void) {
    struct err e = { 0 };
    const struct sandbox_path paths[] = { { drive, SANDBOX_WRITE }, { secret, SANDBOX_WRITE } };
    const struct sandbox_profile p = { .paths = paths,
                                       .path_count = ARRAY_LEN(paths),
                                       .libraries = true };
    if (sandbox_begin(&e) < 0 || sandbox_landlock(&p, simulated_abi, &e) < 0)
        fatal(&e);
    if (read_shadow() != EACCES || create_in_tmp() != EACCES || list_library() != 0 ||
        read_secret() != 0)
        return 101;
    if (create_in_drive() != 0)
        return 102;
    if ((kill_sibling() == 0) != (simulated_abi < 6))
        return 103;
    if ((connect_elsewhere() == 0) != (simulated_abi < 4))
        return 104;
    return 0;
}

START_TEST(every_abi) {
    int abi = sandbox_landlock_abi();
    for (simulated_abi = 1; simulated_abi <= abi && simulated_abi <= 7; simulated_abi++)
        ck_assert_msg(in_child(NONE, old_landlock) == 0, "ABI %d: %d", simulated_abi,
                      in_child(NONE, old_landlock));
}
END_TEST

static int say_wrong_access(void) {
    struct err e = { 0 };
    /* A file with a folder's access: masked, not an error. */
    const struct sandbox_path paths[] = { { secret, SANDBOX_SOCKETS_OWN },
                                          { run, SANDBOX_EXECUTE } };
    const struct sandbox_profile p = { .paths = paths, .path_count = 2 };
    return sandbox_begin(&e) < 0 || sandbox_narrow(&p, &e) < 0 ? 101 : read_secret();
}

START_TEST(files_and_folders_differ) {
    if (sandbox_landlock_abi() > 0)
        ck_assert_int_eq(in_child(NONE, say_wrong_access), 0);
}
END_TEST

/* 16 layers at most: the one too many is an error, not a hole. */
static int too_many_layers(void) {
    struct err e = { 0 };
    const struct sandbox_profile p = { .libraries = true };
    if (sandbox_begin(&e) < 0)
        return 101;
    for (int i = 0; i < 16; i++)
        if (sandbox_narrow(&p, &e) < 0)
            return 102;
    return sandbox_narrow(&p, &e) == -1 && e.status ? 0 : 103;
}

START_TEST(failures_are_errors) {
    if (sandbox_landlock_abi() > 0)
        ck_assert_int_eq(in_child(NONE, too_many_layers), 0);
}
END_TEST

/* A kernel without seccomp, played by a filter that refuses seccomp. */
static void lose_seccomp(void) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 0);
    seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
    seccomp_load(f);
    seccomp_release(f);
}

static int without_seccomp(void) {
    struct err e = { 0 };
    const struct sandbox_profile p = { .libraries = true };
    struct sandbox_options o = { 0 };
    lose_seccomp();
    if (sandbox_begin(&e) < 0)
        return 101;
    if (sandbox_enter(&p, &o, &e) != -1 || !e.status)
        return 102;
    o.allow_no_seccomp = true;
    e = (struct err){ 0 };
    fclose(stderr);
    close(STDERR_FILENO); /* it warns */
    if (sandbox_enter(&p, &o, &e) < 0 || e.status || sandbox_lock(0, &o, &e) < 0)
        return 103;
    return 0;
}

START_TEST(missing_seccomp_is_an_error_unless_allowed) {
    ck_assert_int_eq(in_child(NONE, without_seccomp), 0);
}
END_TEST

static int dumpable_and_core(void) {
    struct err e = { 0 };
    struct rlimit {
        unsigned long cur, max;
    } limit = { 1, 1 };
    if (sandbox_begin(&e) < 0 || syscall(SYS_prlimit64, 0, 4 /* CORE */, NULL, &limit) < 0)
        return 101;
#ifndef GUAC_SANITIZER
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 102;
#endif
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && limit.max == 0 ? 0 : 103;
}

START_TEST(begins) {
    ck_assert_int_eq(in_child(NONE, dumpable_and_core), 0);
}
END_TEST

#ifndef GUAC_SANITIZER
/* All threads, those that exist already among them. */
static int thread_result = -1;
static pthread_barrier_t loaded;

static void *early_thread(void *arg) {
    (void)arg;
    pthread_barrier_wait(&loaded);
    pthread_barrier_wait(&loaded);
    thread_result = udp();
    return NULL;
}

static int lock_with_threads(void) {
    struct err e = { 0 };
    struct sandbox_options o = { 0 };
    const struct sandbox_profile p = { .any_connect = true, .libraries = true };
    pthread_t t;
    if (sandbox_begin(&e) < 0 || sandbox_enter(&p, &o, &e) < 0)
        return 101;
    pthread_barrier_init(&loaded, NULL, 2);
    if (pthread_create(&t, NULL, early_thread, NULL) != 0)
        return 102;
    pthread_barrier_wait(&loaded);
    if (sandbox_lock(0, &o, &e) < 0)
        fatal(&e);
    pthread_barrier_wait(&loaded);
    pthread_join(t, NULL);
    return thread_result;
}

START_TEST(the_lock_binds_all_threads) {
    ck_assert_int_eq(in_child(NONE, lock_with_threads), EPERM);
}
END_TEST

static int trap_says_names(void) {
    int p[2];
    struct err e = { 0 };
    struct sandbox_options o = { .trap = true };
    const struct sandbox_profile profile = { .any_connect = true, .libraries = true };
    if (pipe(p) < 0 || dup2(p[1], STDERR_FILENO) < 0 || sandbox_begin(&e) < 0 ||
        sandbox_enter(&profile, &o, &e) < 0 || sandbox_lock(0, &o, &e) < 0)
        return 101;
    if (udp() != EPERM || user_namespace() != EPERM || read_secret() != EACCES)
        return 102;
    char text[512] = "";
    ssize_t n = read(p[0], text, sizeof text - 1);
    if (n <= 0 || !strstr(text, "sandbox: refused system call socket (") ||
        !strstr(text, "sandbox: refused system call unshare ("))
        return 103;
    return 0;
}

START_TEST(trap_mode_names_what_is_missing) {
    ck_assert_int_eq(in_child(NONE, trap_says_names), 0);
}
END_TEST
#endif

/* ---- guacd's case: execute one file, which seals itself further -------------------------------
 */

static char self[256];
#define WORD(text) ((char[]){ text })

static int wait_for(pid_t pid) {
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 120;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int execute_one(void) {
    struct err e = { 0 };
    const struct sandbox_path paths[] = { { self, SANDBOX_EXECUTE },
                                          { "/etc", SANDBOX_READ },
                                          { "/proc", SANDBOX_READ },
                                          { folder, SANDBOX_WRITE } };
    const struct sandbox_profile p = { .paths = paths,
                                       .path_count = ARRAY_LEN(paths),
                                       .any_connect = true,
                                       .allow_exec = true,
                                       .libraries = true };
    const struct sandbox_options o = { 0 };
    char *argv[] = { self, WORD("child"), secret, NULL }, *envp[] = { NULL };
    if (sandbox_begin(&e) < 0 || sandbox_enter(&p, &o, &e) < 0)
        fatal(&e);
    if (spawn_process("/bin/true", argv, envp, NULL, 0, &e) != -1 || errno != EACCES)
        return 101;
    if (execute_memory() != EPERM || user_namespace() != EPERM || io_uring() != EPERM)
        return 102;
    pid_t pid = spawn_process(self, argv, envp, NULL, 0, &e);
    if (pid < 0)
        fatal(&e);
    return wait_for(pid);
}

START_TEST(one_file_may_be_executed) {
    ck_assert_int_eq(in_child(NONE, execute_one), 0);
}
END_TEST

/* What execute_one() starts: a session that seals itself below guacd's layer. */
static int child_main(const char *readable) {
    struct err e = { 0 };
    const struct sandbox_profile p = { .any_connect = true, .libraries = true };
    const struct sandbox_options o = { 0 };
    int fd = open(readable, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || close(fd) < 0)
        return 110;
    if (sandbox_begin(&e) < 0 || sandbox_enter(&p, &o, &e) < 0)
        fatal(&e);
    if (open(readable, O_RDONLY | O_CLOEXEC) >= 0 || open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0)
        return 111;
    if (threads() != 0 || raise_signal() != 0 || resolve_name() != 0 || load_library() != 0)
        return 112;
    if (execute() != EPERM || syscall(SYS_setresuid, 0, 0, 0) == 0)
        return 113;
    if (sandbox_lock(0, &o, &e) < 0)
        fatal(&e);
#ifndef GUAC_SANITIZER
    if (udp() != EPERM)
        return 114;
#endif
    return threads();
}

static Suite *suite(void) {
    Suite *s = suite_create("base/sandbox");
    TCase *c = tcase_create("sandbox");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, begins);
    tcase_add_test(c, the_table);
    tcase_add_test(c, every_abi);
    tcase_add_test(c, files_and_folders_differ);
    tcase_add_test(c, failures_are_errors);
    tcase_add_test(c, missing_seccomp_is_an_error_unless_allowed);
#ifndef GUAC_SANITIZER
    tcase_add_test(c, the_lock_binds_all_threads);
    tcase_add_test(c, trap_mode_names_what_is_missing);
#endif
    tcase_add_test(c, one_file_may_be_executed);
    suite_add_tcase(s, c);
    return s;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        _exit(child_main(argv[2]));
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
