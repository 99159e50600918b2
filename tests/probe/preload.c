/* Loaded by LD_PRELOAD into a program under test. It does nothing until the test sends
 * PROBE_SIGNAL to one of its threads, when the program is up and sealed: then that thread itself
 * serves probes, over the inherited socket whose number is in GUAC_PROBE_FD. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/probe/probes.h"

static int kept = -1;

/* A program that closes all it does not know would close the probe's socket, too. */
__attribute__((visibility("default"))) int close_range(unsigned first, unsigned last, int flags) {
    unsigned fd = (unsigned)kept;
    if (kept < 0 || fd < first || fd > last)
        return (int)syscall(SYS_close_range, first, last, flags);
    if (fd > first && syscall(SYS_close_range, first, fd - 1, flags) < 0)
        return -1;
    return fd < last ? (int)syscall(SYS_close_range, fd + 1, last, flags) : 0;
}

__attribute__((constructor)) static void start(void) {
    const char *fd = getenv("GUAC_PROBE_FD");
    if (fd)
        probes_arm(kept = atoi(fd));
}
