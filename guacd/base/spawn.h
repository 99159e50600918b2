/* posix_spawn with exactly the descriptors, environment and signals we name. */
#ifndef GUAC_BASE_SPAWN_H
#define GUAC_BASE_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "guacd/base/err.h"

struct spawn_fd {
    int source; /* ours; stays open here */
    int target; /* its number there: 0-2, or 3 and up without gaps */
};

/* Starts `path` in a process group of its own; descriptors above the highest target are closed,
 * all signals default and unmasked. stdin defaults to /dev/null, 1 and 2 are inherited unless
 * named. Returns the pid. */
pid_t spawn_process(const char *path, char *const argv[], char *const envp[],
                    const struct spawn_fd *fds, size_t nfds, struct err *e);

#endif
