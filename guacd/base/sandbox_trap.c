/* The SIGSYS handler. The call answers EPERM and the program goes on, so that one run lists all
 * that is missing. Only what is safe in a signal handler is used. */
#include "guacd/base/sandbox_trap.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "guacd/base/util.h"

#define NUMBERS 512

static char *names[NUMBERS];

static void append(char *line, size_t size, size_t *len, const char *s) {
    while (*s && *len < size)
        line[(*len)++] = *s++;
}

static void append_number(char *line, size_t size, size_t *len, unsigned n) {
    char digits[12];
    size_t i = sizeof digits;
    digits[--i] = '\0';
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    append(line, size, len, digits + i);
}

static void on_sigsys(int signo, siginfo_t *info, void *context) {
    (void)signo;
    int saved = errno;
    unsigned number = (unsigned)info->si_syscall;
    char line[160], thread[17] = "";
    size_t len = 0;
    prctl(PR_GET_NAME, thread);
    append(line, sizeof line, &len, "sandbox: refused system call ");
    append(line, sizeof line, &len, number < NUMBERS && names[number] ? names[number] : "?");
    append(line, sizeof line, &len, " (");
    append_number(line, sizeof line, &len, number);
    append(line, sizeof line, &len, ") in thread ");
    append(line, sizeof line, &len, thread);
    append(line, sizeof line, &len, "\n");
    if (write(STDERR_FILENO, line, len) < 0) {
        /* nobody to tell */
    }
    ucontext_t *u = context;
#if defined(__x86_64__)
    u->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    u->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#else
#error "say here where this architecture returns a system call's result"
#endif
    errno = saved;
}

int sandbox_trap(struct err *e) {
    for (int i = 0; i < NUMBERS; i++)
        if (!names[i])
            names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
    struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
    if (sigaction(SIGSYS, &action, NULL) < 0)
        return err_errno(e, 0, "SIGSYS");
    return 0;
}
