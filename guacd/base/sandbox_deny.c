/* Stage A's seccomp filter: a deny-list of what no program here needs and what Landlock leaves open
 * (memfd execution, TCP fast open, io_uring, namespaces). EPERM, so that a library that merely
 * tries goes on. */
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/sandbox_parts.h"
#include "guacd/base/util.h"

#define DENY SCMP_ACT_ERRNO(EPERM)

static const char *const memory[] = { "memfd_create", NULL };
static const char *const always[] = {
    /* code from memory, other processes */
    "execveat",
    "memfd_secret",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "process_madvise",
    "process_mrelease",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "tkill",
    /* the kernel's larger surfaces */
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "request_key",
    "lookup_dcookie",
    "syslog",
    "acct",
    "fanotify_init",
    "fanotify_mark",
    "name_to_handle_at",
    "open_by_handle_at",
    "quotactl",
    "quotactl_fd",
    "nfsservctl",
    "vhangup",
    "uselib",
    "_sysctl",
    "sysfs",
    /* namespaces and mounts */
    "unshare",
    "setns",
    "mount",
    "umount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "pivot_root",
    "chroot",
    /* the machine */
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "vm86",
    "vm86old",
    "personality",
    /* ownership and kinds of files; path truncate is what Landlock before ABI 3 does not see */
    "mknod",
    "mknodat",
    "chmod", /* by name: fchmod is enough */
    "chown",
    "chown32",
    "fchown",
    "fchown32",
    "lchown",
    "lchown32",
    "fchownat",
    "fchmodat",
    "fchmodat2",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "truncate",
    "truncate64",
    /* memory policies, and a second way to PROT_EXEC */
    "mbind",
    "move_pages",
    "migrate_pages",
    "set_mempolicy",
    "set_mempolicy_home_node",
    "pkey_mprotect",
    "remap_file_pages",
    NULL,
};

/* What guacd needs to start its sessions, and they before they seal themselves. */
static const char *const unless_exec[] = {
    "execve",     "fork",      "vfork",       "kill",      "capset",      "setuid",
    "setuid32",   "setgid",    "setgid32",    "setreuid",  "setreuid32",  "setregid",
    "setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32", "setfsuid",
    "setfsuid32", "setfsgid",  "setfsgid32",  "setgroups", "setgroups32", NULL,
};

/* LeakSanitizer stops the process from a clone of its own, by ptrace. */
static const char *const unless_sanitizer[] = { "ptrace", NULL };

static const uint64_t namespaces[] = { CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                       CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET };

static int deny_clones(scmp_filter_ctx f, bool allow_exec, int r) {
    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
        r = sandbox_filter_arg(f, DENY, "clone",
                               SCMP_A0_64(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]), r);
#ifndef GUAC_SANITIZER
    if (!allow_exec)
        r = sandbox_filter_arg(f, DENY, "clone", SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0),
                               r);
#else
    (void)allow_exec;
#endif
    /* Its flags lie in memory, which a filter cannot read; ENOSYS makes glibc use clone. */
    static const char *const clone3[] = { "clone3", NULL };
    return sandbox_filter_names(f, SCMP_ACT_ERRNO(ENOSYS), clone3, r);
}

/* Families beyond Unix, IPv4, IPv6 and netlink: one row a number, since a rule has no "or". */
static int deny_families(scmp_filter_ctx f, int r) {
    for (unsigned family = 0; family < AF_NETLINK; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            r = sandbox_filter_arg(f, DENY, "socket", SCMP_A0_64(SCMP_CMP_EQ, family), r);
    return sandbox_filter_arg(f, DENY, "socket", SCMP_A0_64(SCMP_CMP_GT, AF_NETLINK), r);
}

/* Over IPv4 and IPv6 nothing but TCP and UDP: Landlock's port rule knows TCP alone, and an MPTCP
 * socket, which it does not look at, talks to any TCP server. */
static int deny_protocols(scmp_filter_ctx f, int r) {
    static const uint64_t families[] = { AF_INET, AF_INET6 };
    static const uint64_t numbers[] = { IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_UDPLITE };
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct scmp_arg_cmp rule[] = { SCMP_A0_64(SCMP_CMP_EQ, families[i]),
                                       SCMP_A2_64(SCMP_CMP_GE, 256) }; /* MPTCP, SMC */
        r = sandbox_filter_args(f, DENY, "socket", 2, rule, r);
        for (size_t n = 0; n < ARRAY_LEN(numbers); n++) {
            rule[1] = SCMP_A2_64(SCMP_CMP_EQ, numbers[n]);
            r = sandbox_filter_args(f, DENY, "socket", 2, rule, r);
        }
        rule[1] = SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW);
        r = sandbox_filter_args(f, DENY, "socket", 2, rule, r);
    }
    return r;
}

/* A connect that neither connect() nor Landlock's port rule sees. */
static int deny_fast_open(scmp_filter_ctx f, int r) {
    r = sandbox_filter_arg(f, DENY, "sendto",
                           SCMP_A3_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN), r);
    r = sandbox_filter_arg(f, DENY, "sendmsg",
                           SCMP_A2_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN), r);
    return sandbox_filter_arg(f, DENY, "sendmmsg",
                              SCMP_A3_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN), r);
}

/* What Landlock leaves open whatever its rules say: Unix sockets with a name, UDP, and listening
 * without bind(), where the kernel chooses the port. */
static int deny_sockets(scmp_filter_ctx f, const struct sandbox_profile *p, int r) {
    static const char *const servers[] = { "bind", "listen", NULL };
    static const uint64_t families[] = { AF_INET, AF_INET6 };
    if (!p->servers)
        r = sandbox_filter_names(f, DENY, servers, r);
    if (!p->unix_sockets)
        r = sandbox_filter_arg(f, DENY, "socket", SCMP_A0_64(SCMP_CMP_EQ, AF_UNIX), r);
    for (size_t i = 0; !p->datagrams && i < ARRAY_LEN(families); i++) {
        const struct scmp_arg_cmp rule[] = { SCMP_A0_64(SCMP_CMP_EQ, families[i]),
                                             SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM) };
        r = sandbox_filter_args(f, DENY, "socket", 2, rule, r);
    }
    return r;
}

int sandbox_deny(const struct sandbox_profile *p, struct err *e) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int r = f ? 0 : -ENOMEM;
    r = sandbox_filter_names(f, DENY, always, r);
#ifndef GUAC_SANITIZER
    r = sandbox_filter_names(f, DENY, unless_sanitizer, r);
#else
    (void)unless_sanitizer;
#endif
    if (!p->memory_files)
        r = sandbox_filter_names(f, DENY, memory, r);
    r = deny_clones(f, p->allow_exec, r);
    r = deny_families(f, r);
    r = deny_protocols(f, r);
    r = deny_fast_open(f, r);
    r = deny_sockets(f, p, r);
    if (!p->allow_exec) {
        r = sandbox_filter_names(f, DENY, unless_exec, r);
        /* Not for guacd: its children inherit the filter, and its pid in it would be theirs. */
        r = sandbox_filter_arg(f, DENY, "tgkill", SCMP_A0_64(SCMP_CMP_NE, (uint64_t)getpid()), r);
    }
    return sandbox_filter_finish(f, false, r, e);
}

int sandbox_deny_late(unsigned needs, struct err *e) {
    static const char *const servers[] = { "bind", "listen", "seccomp", NULL };
    static const char *const clients[] = { "socket", "socketpair", "connect", NULL };
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int r = f ? 0 : -ENOMEM;
    r = sandbox_filter_names(f, DENY, servers, r);
    if (needs & (SANDBOX_NEED_SOCKETS | SANDBOX_NEED_TCP))
        r = sandbox_filter_arg(f, DENY, "socket", SCMP_A0_64(SCMP_CMP_EQ, AF_UNIX), r);
    else
        r = sandbox_filter_names(f, DENY, clients, r);
    r = sandbox_filter_arg(f, DENY, "mmap", SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC),
                           r);
    r = sandbox_filter_arg(f, DENY, "mprotect",
                           SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC), r);
    return sandbox_filter_finish(f, true, r, e);
}

int sandbox_deny_rings(struct err *e) {
    static const char *const makers[] = { "io_uring_setup", NULL };
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int r = sandbox_filter_names(f, SCMP_ACT_ERRNO(ENOSYS), makers, f ? 0 : -ENOMEM);
    return sandbox_filter_finish(f, false, r, e);
}

int sandbox_deny_sockets(struct err *e) {
    /* io_uring would make one without the call. */
    static const char *const makers[] = { "socket", "io_uring_setup", NULL };
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int r = sandbox_filter_names(f, SCMP_ACT_ERRNO(EACCES), makers, f ? 0 : -ENOMEM);
    return sandbox_filter_finish(f, false, r, e);
}
