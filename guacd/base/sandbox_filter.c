/* The rows of both filters, put into libseccomp, and the loading. */
#include <errno.h>

#include "guacd/base/sandbox_parts.h"

static int number(const char *name) {
    return seccomp_syscall_resolve_name(name);
}

int sandbox_filter_names(scmp_filter_ctx f, uint32_t action, const char *const *names, int r) {
    for (; r == 0 && *names; names++)
        if (number(*names) != __NR_SCMP_ERROR)
            r = seccomp_rule_add_array(f, action, number(*names), 0, NULL);
    return r;
}

int sandbox_filter_args(scmp_filter_ctx f, uint32_t action, const char *name, unsigned count,
                        const struct scmp_arg_cmp *cmp, int r) {
    if (r == 0 && number(name) != __NR_SCMP_ERROR)
        r = seccomp_rule_add_array(f, action, number(name), count, cmp);
    return r;
}

int sandbox_filter_arg(scmp_filter_ctx f, uint32_t action, const char *name,
                       struct scmp_arg_cmp cmp, int r) {
    return sandbox_filter_args(f, action, name, 1, &cmp, r);
}

int sandbox_filter_finish(scmp_filter_ctx f, bool all_threads, int r, struct err *e) {
    if (r == 0)
        r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0); /* sandbox_begin() did it */
    if (r == 0)
        r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
    if (r == 0 && all_threads)
        r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_load(f);
    seccomp_release(f);
    if (r == 0)
        return 0;
    errno = -r;
    return err_errno(e, 0, "cannot load the filter");
}
