/* What the demo shell's and the demo desktop's jails have in common. */
#ifndef GUAC_DEMO_H
#define GUAC_DEMO_H

#include <grp.h>
#include <unistd.h>

#include "guacd/base/sandbox.h"

#define NOBODY 65534

/* Rows of a sandbox_path table: the system's programs may be listed, read and run. */
#define DEMO_SYSTEM_PATHS \
    { "/usr", SANDBOX_EXECUTE }, { "/usr", SANDBOX_READ }, { "/bin", SANDBOX_EXECUTE }, \
        { "/sbin", SANDBOX_EXECUTE }, { "/lib", SANDBOX_EXECUTE }, { "/lib64", SANDBOX_EXECUTE }, \
        { "/etc", SANDBOX_READ }, { "/proc", SANDBOX_READ }, { "/sys", SANDBOX_READ }, \
        { "/dev", SANDBOX_READ }, { \
        "/dev/null", SANDBOX_WRITE \
    }

/* From root to nobody, for good. 0, or -1 and errno. */
static inline int demo_become_nobody(void) {
    return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
                   setresuid(NOBODY, NOBODY, NOBODY)
               ? -1
               : 0;
}

#endif
