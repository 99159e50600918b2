/* Loaded by LD_PRELOAD into a program under test. It does nothing until the test sends
 * PROBE_SIGNAL to one of its threads, when the program is up and sealed: then that thread itself
 * serves probes, over the inherited socket whose number is in GUAC_PROBE_FD. */
#include <stdlib.h>

#include "tests/probe/probes.h"

__attribute__((constructor)) static void start(void) {
    const char *fd = getenv("GUAC_PROBE_FD");
    if (fd)
        probes_arm(atoi(fd));
}
