/* Other processes, the kernel, and the process itself. */
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/probe/probes_parts.h"

static int trace(char **w, long *value) {
    (void)value;
    pid_t pid = atoi(w[0]);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
        return errno;
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0)
        waitpid(pid, NULL, __WALL);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return 0;
}

/* Permission is looked at before the address, which is of no use in the other process. */
static int read_memory(char **w, long *value) {
    (void)value;
    char c;
    struct iovec own = { &c, 1 }, other = { &c, 1 };
    int e = result(process_vm_readv(atoi(w[0]), &own, 1, &other, 1, 0));
    return e == EFAULT ? 0 : e;
}

static int take_descriptor(char **w, long *value) {
    (void)value;
    long fd = syscall(SYS_pidfd_open, atoi(w[0]), 0);
    if (fd < 0)
        return errno;
    int e = close_after(syscall(SYS_pidfd_getfd, fd, 0, 0));
    close((int)fd);
    return e;
}

static int send_signal(char **w, long *value) {
    (void)value;
    return result(kill(atoi(w[0]), 0));
}

static int send_thread_signal(char **w, long *value) {
    (void)value;
    return result(syscall(SYS_tgkill, atoi(w[0]), atoi(w[0]), 0));
}

/* ---- the kernel, and ourselves --------------------------------------------------------------- */

static int user_namespace(char **w, long *value) {
    (void)w;
    (void)value;
    return result(syscall(SYS_unshare, CLONE_NEWUTS | CLONE_NEWUSER));
}

static int io_ring(char **w, long *value) {
    (void)w;
    (void)value;
    struct io_uring_params p = { 0 };
    return close_after(syscall(SYS_io_uring_setup, 1, &p));
}

static int dumpable(char **w, long *value) {
    (void)w;
    *value = prctl(PR_GET_DUMPABLE);
    return result(*value);
}

const struct probe probes_processes[] = {
    { "ptrace", trace, 1 },
    { "vm-read", read_memory, 1 },
    { "pidfd-getfd", take_descriptor, 1 },
    { "kill", send_signal, 1 },
    { "tgkill", send_thread_signal, 1 },
    { "userns", user_namespace, 0 },
    { "io-uring", io_ring, 0 },
    { "dumpable", dumpable, 0 },
    { 0 },
};
