/* Probes: each tries one thing and answers 0 or an errno. */
#ifndef GUAC_TESTS_SANDBOX_PROBES_H
#define GUAC_TESTS_SANDBOX_PROBES_H

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/base/sandbox_place.h"

static inline int result(long r) {
    return r < 0 ? errno : 0;
}

static inline int open_for(const char *path, int flags) {
    return result(open(path, flags | O_CLOEXEC, 0600));
}

static inline int read_secret(void) {
    return open_for(secret, O_RDONLY);
}

static inline int read_shadow(void) {
    return open_for("/etc/shadow", O_RDONLY);
}

static inline int write_own_memory(void) {
    return open_for("/proc/self/mem", O_RDWR);
}

static inline int create_in_tmp(void) {
    char path[120];
    snprintf(path, sizeof path, "%s/made", folder);
    int r = open_for(path, O_WRONLY | O_CREAT);
    unlink(path);
    return r;
}

static inline int create_below(const char *place) {
    char path[120], to[120];
    snprintf(path, sizeof path, "%s/made", place);
    snprintf(to, sizeof to, "%s/renamed", place);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, "x", 1, 5) != 1 || ftruncate(fd, 3) < 0 || fsync(fd) < 0 ||
        rename(path, to) < 0 || unlink(to) < 0 || mkdir(path, 0700) < 0 || rmdir(path) < 0)
        return errno;
    return 0;
}

static inline int create_in_drive(void) {
    return create_below(drive);
}

static inline int create_in_other_drive(void) {
    return create_below(other_drive);
}

/* As the session's drive keeps its bytes. */
static inline int write_storage(void) {
    if (pwrite(storage_before, "x", 1, 5) != 1)
        return errno;
    return result(fallocate(storage_before, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
}

static inline int fifo_in_drive(void) {
    char path[120];
    snprintf(path, sizeof path, "%s/fifo", drive);
    int r = result(mknod(path, S_IFIFO | 0600, 0));
    unlink(path);
    return r;
}

static inline int list_library(void) {
    return open_for("/etc/ld.so.cache", O_RDONLY);
}

static inline int execute(void) {
    char name[] = "true";
    char *argv[] = { name, NULL }, *envp[] = { NULL };
    return result(execve("/bin/true", argv, envp));
}

/* The smallest program that ends with 0: one loadable segment and six bytes of code. */
static inline int execute_memory(void) {
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
static inline int fork_process(void) {
    return result(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) ? errno : 0;
}
#endif

static inline int connect_tcp(uint16_t p) {
    struct sockaddr_in sa = loopback(p);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&sa, sizeof sa));
}

static inline int connect_allowed(void) {
    return connect_tcp(port);
}

static inline int connect_elsewhere(void) {
    return connect_tcp(other_port);
}

static inline int fast_open(void) {
    struct sockaddr_in sa = loopback(other_port);
    return result(sendto(made_before, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&sa, sizeof sa));
}

static inline int fast_open_message(void) {
    struct sockaddr_in sa = loopback(other_port);
    struct iovec iov = { .iov_base = &sa, .iov_len = 1 };
    struct msghdr m = {
        .msg_name = &sa, .msg_namelen = sizeof sa, .msg_iov = &iov, .msg_iovlen = 1
    };
    return result(sendmsg(made_before, &m, MSG_FASTOPEN));
}

static inline int bind_tcp(void) {
    struct sockaddr_in sa = loopback(0);
    return result(bind(made_before, (struct sockaddr *)&sa, sizeof sa));
}

static inline int udp(void) {
    return result(socket(AF_INET, SOCK_DGRAM, 0));
}

/* Talks to any TCP server, but is no TCP to Landlock. */
static inline int multipath_tcp(void) {
    struct sockaddr_in sa = loopback(other_port);
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
    return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&sa, sizeof sa));
}

static inline int sctp(void) {
    return result(socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP));
}

static inline int raw_packets(void) {
    return result(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static inline int tcp_by_number(void) {
    return result(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP));
}

static inline int netlink_route(void) {
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static inline int netlink_audit(void) {
    return result(socket(AF_NETLINK, SOCK_RAW, 9));
}

static inline int vsock(void) {
    int r = result(socket(AF_VSOCK, SOCK_STREAM, 0));
    return r == EAFNOSUPPORT || r == ENODEV ? 0 : r; /* the kernel may be without it */
}

static inline int connect_unix(const char *name, bool hidden) {
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    strcpy(sa.sun_path + (hidden ? 1 : 0), name);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&sa, len));
}

static inline int connect_abstract(void) {
    return connect_unix(abstract, true);
}

static inline int connect_sibling(void) {
    return connect_unix(sibling_socket, false);
}

static inline int unlink_sibling(void) {
    char link_name[120];
    if (unlink(sibling_socket) < 0)
        return errno;
    snprintf(link_name, sizeof link_name, "%s.kept", sibling_socket);
    return result(rename(link_name, sibling_socket)); /* the next probe needs it */
}

static inline int bind_own(void) {
    struct err e = { 0 };
    int r = result(ctl_listen(own_socket, 0600, &e));
    return r;
}

static inline int stat_secret(void) {
    struct stat st;
    return result(stat(secret, &st));
}

static inline int truncate_secret(void) {
    return result(truncate(secret, 0));
}

static inline int trace_sibling(void) {
    return result(ptrace(PTRACE_SEIZE, sibling, 0, 0));
}

static inline int read_sibling_memory(void) {
    char c;
    struct iovec here = { &c, 1 }, there = { &sibling, 1 };
    return result(process_vm_readv(sibling, &here, 1, &there, 1, 0));
}

static inline int read_sibling_environ(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", sibling);
    return open_for(path, O_RDONLY);
}

static inline int kill_sibling(void) {
    return result(kill(sibling, 0));
}

static inline int open_sibling(void) {
    return result(syscall(SYS_pidfd_open, sibling, 0));
}

static inline int user_namespace(void) {
    return result(unshare(CLONE_NEWUSER));
}

/* Bad arguments: without a filter the kernel says EFAULT or EINVAL, which counts as open. */
static inline int reached(long r) {
    return r >= 0 || errno == EFAULT || errno == EINVAL || errno == ENOKEY ? 0 : errno;
}

static inline int io_uring(void) {
    return reached(syscall(SYS_io_uring_setup, 1, NULL));
}

static inline int key_ring(void) {
    return reached(syscall(SYS_keyctl, 9999, 0, 0, 0, 0));
}

static inline int bpf_program(void) {
    return reached(syscall(SYS_bpf, 5, NULL, 0));
}

static inline int set_root(void) {
    return result(syscall(SYS_setresuid, getuid(), getuid(), getuid()));
}

static inline int executable_memory(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static inline int load_library(void) {
    /* EPERM for "no": dlopen keeps its reasons in words */
    return dlopen("libBrokenLocale.so.1", RTLD_NOW) ? 0 : EPERM;
}

/* ---- what must go on working */

static inline void *thread_main(void *arg) {
    prctl(PR_SET_NAME, "probe");
    free(malloc(1 << 20));
    *(int *)arg = 1;
    pthread_exit(NULL); /* wants libgcc_s */
}

static inline void *sleeper(void *arg) {
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static inline int threads(void) {
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

static inline int raise_signal(void) {
    signal(SIGUSR1, SIG_IGN);
    return result(raise(SIGUSR1));
}

static inline int resolve_name(void) {
    struct addrinfo *list = NULL;
    int r = getaddrinfo("localhost", "22", NULL, &list);
    if (r == 0)
        freeaddrinfo(list);
    return r == 0 ? 0 : EHOSTUNREACH;
}

static inline int pass_descriptor(void) {
    int fd = -1;
    char c;
    size_t n = 1;
    if (fdpass_send(pair_before[0], "x", 1, pair_before, 1) != 1 ||
        fdpass_recv(pair_before[1], &c, 1, &fd, &n) != 1)
        return errno;
    return n == 1 ? 0 : ENODATA;
}

#endif
