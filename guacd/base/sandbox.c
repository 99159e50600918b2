/* The stages, put together. */
#include "guacd/base/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "guacd/base/log.h"
#include "guacd/base/sandbox_parts.h"

static bool entered;

int sandbox_begin(struct err *e) {
    /* pthread_exit and pthread_cancel load it when first needed, and glibc aborts when the sandbox
     * says no to that. */
    (void)dlopen("libgcc_s.so.1", RTLD_NOW);
    const struct rlimit none = { 0 };
    if (setrlimit(RLIMIT_CORE, &none) < 0)
        return err_errno(e, 0, "cannot switch core dumps off");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(e, 0, "cannot set no_new_privs");
#ifndef GUAC_SANITIZER /* LeakSanitizer attaches to its own process */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_errno(e, 0, "cannot become undumpable");
#endif
    return 0;
}

/* A filter that could not be loaded ends the program, unless a flag says it need not. */
static int judge(int r, const char *what, const struct sandbox_options *o, struct err *e) {
    if (r == 0)
        return 0;
    err_prefix(e, "%s", what);
    if (!o || !o->allow_no_seccomp)
        return -1;
    log_warning("going on without: %s", e ? e->text : what);
    if (e)
        *e = (struct err){ 0 };
    return 0;
}

int sandbox_enter(const struct sandbox_profile *p, const struct sandbox_options *o, struct err *e) {
    int abi = sandbox_landlock_abi();
    if (abi == 0)
        log_warning("this kernel has no Landlock: files and ports are not limited");
    else if (abi < 4)
        log_warning("this kernel's Landlock (ABI %d) knows no ports: they are not limited", abi);
    if (sandbox_landlock(p, abi, e) < 0)
        return -1;
    if (entered)
        return 0;
    if (judge(sandbox_deny(p, e), "seccomp deny-list", o, e) < 0)
        return -1;
    entered = true;
    return 0;
}

int sandbox_narrow(const struct sandbox_profile *p, struct err *e) {
    return sandbox_landlock(p, sandbox_landlock_abi(), e);
}

int sandbox_lock(unsigned needs, const struct sandbox_options *o, struct err *e) {
#ifdef GUAC_SANITIZER /* sanitizers map, clone and open as no allow-list expects */
    (void)needs;
    (void)o;
    (void)e;
    return 0;
#else
    if (o && o->denylist_only)
        return judge(sandbox_deny_late(needs, e), "seccomp deny-list", o, e);
    return judge(sandbox_allow(needs, o && o->trap, e), "seccomp allow-list", o, e);
#endif
}
