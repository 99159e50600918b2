/* posix_spawn, which costs the same however large the parent is. Sources are first copied above all
 * targets: dup2 straight onto 3 and 4 could overwrite one source by the other. */
#include "guacd/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <unistd.h>

#include "guacd/base/util.h"

#define FDS_MAX 16
#define TARGET_MAX 63

struct attempt {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int copies[FDS_MAX];
    size_t ncopies;
};

/* As posix_spawn's family: 0 or an errno. */
static int plan_fds(struct attempt *a, const struct spawn_fd *fds, size_t nfds) {
    int highest = STDERR_FILENO;
    bool stdin_named = false;
    for (size_t i = 0; i < nfds; i++) {
        if (fds[i].target < 0 || fds[i].target > TARGET_MAX)
            return EINVAL;
        highest = MAX_OF(highest, fds[i].target);
        stdin_named = stdin_named || fds[i].target == STDIN_FILENO;
    }
    int r = stdin_named ? 0
                        : posix_spawn_file_actions_addopen(&a->actions, STDIN_FILENO, "/dev/null",
                                                           O_RDONLY, 0);
    for (size_t i = 0; i < nfds && r == 0; i++) {
        int copy = fcntl(fds[i].source, F_DUPFD_CLOEXEC, highest + 1);
        if (copy < 0)
            return errno;
        a->copies[a->ncopies++] = copy;
        r = posix_spawn_file_actions_adddup2(&a->actions, copy, fds[i].target);
    }
    return r ? r : posix_spawn_file_actions_addclosefrom_np(&a->actions, highest + 1);
}

static int plan_signals(struct attempt *a) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int r = posix_spawnattr_setsigdefault(&a->attr, &all);
    if (r == 0)
        r = posix_spawnattr_setsigmask(&a->attr, &none);
    if (r == 0)
        r = posix_spawnattr_setpgroup(&a->attr, 0);
    if (r == 0)
        r = posix_spawnattr_setflags(&a->attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                   POSIX_SPAWN_SETPGROUP);
    return r;
}

pid_t spawn_process(const char *path, char *const argv[], char *const envp[],
                    const struct spawn_fd *fds, size_t nfds, struct err *e) {
    if (nfds > FDS_MAX)
        return err_set(e, 0, "cannot start %s: more than %d descriptors", path, FDS_MAX);
    struct attempt a = { .ncopies = 0 };
    pid_t pid = -1;
    int r = posix_spawn_file_actions_init(&a.actions);
    if (r == 0) {
        r = posix_spawnattr_init(&a.attr);
        if (r == 0) {
            r = plan_fds(&a, fds, nfds);
            if (r == 0)
                r = plan_signals(&a);
            if (r == 0)
                r = posix_spawn(&pid, path, &a.actions, &a.attr, argv, envp);
            posix_spawnattr_destroy(&a.attr);
        }
        posix_spawn_file_actions_destroy(&a.actions);
    }
    for (size_t i = 0; i < a.ncopies; i++)
        close(a.copies[i]);
    if (r != 0) {
        errno = r;
        return err_errno(e, 0, "cannot start %s", path);
    }
    return pid;
}
