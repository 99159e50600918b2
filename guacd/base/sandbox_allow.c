/* Stage B: the allow-list. Its base is more than was seen in use, since libraries and distributions
 * differ in which of two like calls they make; its needs are rows of their own. */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/sandbox_parts.h"
#include "guacd/base/sandbox_trap.h"
#include "guacd/base/util.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const char *const base[] = {
    /* files that are open, or may be opened for reading (openat below) */
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "preadv",
    "lseek",
    "_llseek",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "pipe2",
    "fstat",
    "fstat64",
    "newfstatat",
    "fstatat64",
    "stat",
    "lstat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "getdents",
    "getdents64",
    "readlink",
    "readlinkat",
    "getcwd",
    "fadvise64",
    "umask",
    /* waiting */
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "nanosleep",
    "clock_nanosleep",
    "restart_syscall",
    "pause",
    /* sockets that are there already */
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "accept4",
    "accept",
    "shutdown",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
    /* memory and threads */
    "munmap",
    "mremap",
    "madvise",
    "mincore",
    "brk",
    "futex",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "membarrier",
    "mlock",
    "munlock",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getcpu",
    "exit",
    "exit_group",
    /* signals */
    "rt_sigprocmask",
    "rt_sigaction",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigsuspend",
    "sigaltstack",
    /* facts */
    "getrandom",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "times",
    "getpid",
    "getppid",
    "gettid",
    "getpgrp",
    "getpgid",
    "getsid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "getrusage",
    "getrlimit",
    "sysinfo",
    "uname",
    NULL,
};

/* No file is made, opened for writing or named: what may be written is open before. */
static const char *const file_names[] = { "pwrite64", "fallocate", NULL };

static const uint64_t prctls[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE };
static const uint64_t fcntls[] = { F_GETFL, F_SETFL,         F_GETFD,      F_SETFD,
                                   F_DUPFD, F_DUPFD_CLOEXEC, F_SETLK,      F_SETLKW,
                                   F_GETLK, F_OFD_SETLK,     F_OFD_SETLKW, F_OFD_GETLK };
static const uint64_t ioctls[] = { FIONREAD, FIONBIO, TCGETS };

#define ALLOW SCMP_ACT_ALLOW

static int allow_values(scmp_filter_ctx f, const char *name, unsigned arg, const uint64_t *values,
                        size_t count, int r) {
    for (size_t i = 0; i < count; i++)
        r = sandbox_filter_arg(f, ALLOW, name, SCMP_CMP64(arg, SCMP_CMP_EQ, values[i]), r);
    return r;
}

/* Reading only. Refusals answer EACCES: libgcrypt aborts when a file answers EPERM. */
static int allow_open(scmp_filter_ctx f, const char *name, unsigned arg, int r) {
    static const uint64_t refused[] = { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC };
    uint64_t all = 0;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        all |= refused[i];
        r = sandbox_filter_arg(f, SCMP_ACT_ERRNO(EACCES), name,
                               SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, refused[i], refused[i]), r);
    }
    return sandbox_filter_arg(f, ALLOW, name, SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, all, 0), r);
}

static int allow_memory(scmp_filter_ctx f, int r) {
    r = sandbox_filter_arg(f, ALLOW, "mmap", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0), r);
    r = sandbox_filter_arg(f, ALLOW, "mmap2", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0), r);
    return sandbox_filter_arg(f, ALLOW, "mprotect", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                              r);
}

static int allow_threads(scmp_filter_ctx f, int r) {
    const uint64_t thread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
    const uint64_t never = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                           CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    static const char *const clone3[] = { "clone3", NULL };
    r = sandbox_filter_arg(f, ALLOW, "clone",
                           SCMP_A0_64(SCMP_CMP_MASKED_EQ, thread | never, thread), r);
    r = sandbox_filter_names(f, SCMP_ACT_ERRNO(ENOSYS), clone3, r);
    r = sandbox_filter_arg(f, ALLOW, "tgkill", SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)getpid()), r);
    /* reading limits, one's own */
    const struct scmp_arg_cmp own[] = { SCMP_A0_64(SCMP_CMP_EQ, 0), SCMP_A2_64(SCMP_CMP_EQ, 0) };
    return sandbox_filter_args(f, ALLOW, "prlimit64", ARRAY_LEN(own), own, r);
}

/* Sending on what is connected. Fast open would connect, so its flag stays refused here too. */
static int allow_sends(scmp_filter_ctx f, unsigned needs, int r) {
    const struct scmp_arg_cmp to[] = { SCMP_A3_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0),
                                       SCMP_A4_64(SCMP_CMP_EQ, 0) };
    bool sockets = needs & SANDBOX_NEED_SOCKETS;
    r = sandbox_filter_args(f, ALLOW, "sendto", sockets ? 1 : 2, to, r);
    return sandbox_filter_arg(f, ALLOW, "sendmsg", SCMP_A2_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0),
                              r);
}

static int allow_sockets(scmp_filter_ctx f, int r) {
    static const char *const names[] = { "connect", NULL };
    static const uint64_t families[] = { AF_INET, AF_INET6 };
    static const uint64_t protocols[] = { 0, IPPROTO_TCP, IPPROTO_UDP };
    const struct scmp_arg_cmp route[] = { SCMP_A0_64(SCMP_CMP_EQ, AF_NETLINK),
                                          SCMP_A2_64(SCMP_CMP_EQ, NETLINK_ROUTE) };
    r = sandbox_filter_names(f, ALLOW, names, r);
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        for (size_t n = 0; n < ARRAY_LEN(protocols); n++) {
            const struct scmp_arg_cmp rule[] = { SCMP_A0_64(SCMP_CMP_EQ, families[i]),
                                                 SCMP_A2_64(SCMP_CMP_EQ, protocols[n]) };
            r = sandbox_filter_args(f, ALLOW, "socket", ARRAY_LEN(rule), rule, r);
        }
    }
    r = sandbox_filter_args(f, ALLOW, "socket", ARRAY_LEN(route), route, r);
    return sandbox_filter_arg(f, ALLOW, "sendmmsg", SCMP_A3_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0),
                              r);
}

/* To the ports that Landlock leaves, where the kernel knows ports. */
static int allow_tcp(scmp_filter_ctx f, int r) {
    static const char *const names[] = { "connect", NULL };
    static const uint64_t families[] = { AF_INET, AF_INET6 };
    static const uint64_t protocols[] = { 0, IPPROTO_TCP };
    const uint64_t type = ~(uint64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC);
    r = sandbox_filter_names(f, ALLOW, names, r);
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        for (size_t n = 0; n < ARRAY_LEN(protocols); n++) {
            const struct scmp_arg_cmp rule[] = {
                SCMP_A0_64(SCMP_CMP_EQ, families[i]),
                SCMP_A1_64(SCMP_CMP_MASKED_EQ, type, SOCK_STREAM),
                SCMP_A2_64(SCMP_CMP_EQ, protocols[n]),
            };
            r = sandbox_filter_args(f, ALLOW, "socket", ARRAY_LEN(rule), rule, r);
        }
    }
    return r;
}

int sandbox_allow(unsigned needs, bool trap, struct err *e) {
    if (trap && sandbox_trap(e) < 0)
        return -1;
    scmp_filter_ctx f = seccomp_init(trap ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM));
    int r = f ? 0 : -ENOMEM;
    r = sandbox_filter_names(f, ALLOW, base, r);
    r = allow_memory(f, r);
    r = allow_threads(f, r);
    r = allow_sends(f, needs, r);
    r = allow_values(f, "prctl", 0, prctls, ARRAY_LEN(prctls), r);
    r = allow_values(f, "fcntl", 1, fcntls, ARRAY_LEN(fcntls), r);
    r = allow_values(f, "ioctl", 1, ioctls, ARRAY_LEN(ioctls), r);
    r = allow_open(f, "openat", 2, r);
    r = allow_open(f, "open", 1, r);
    if (needs & SANDBOX_NEED_FILES)
        r = sandbox_filter_names(f, ALLOW, file_names, r);
    if (needs & SANDBOX_NEED_SOCKETS)
        r = allow_sockets(f, r);
    else if (needs & SANDBOX_NEED_TCP)
        r = allow_tcp(f, r);
    return sandbox_filter_finish(f, true, r, e);
}
