/* fork(2) belongs here and to opener.c: at this point nothing but listening sockets exists. */
#include "guacd/daemon/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "guacd/base/util.h"

static int parent = -1; /* our end of the pipe it waits on */

int background(struct err *e) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(e, 0, "cannot go into the background");
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(e, 0, "cannot go into the background");
    if (pid > 0) {
        char ok;
        close(ends[1]);
        _exit(read(ends[0], &ok, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[0]);
    parent = ends[1];
    setsid();
    return 0;
}

/* What a person or a pipe's reader would wait on goes; a log file that stderr was sent to stays. */
static void let_go(int fd, int null) {
    struct stat st;
    if (fd == STDIN_FILENO || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        dup2(null, fd);
}

void background_ready(void) {
    if (parent < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        let_go(fd, null);
    if (null > STDERR_FILENO)
        close(null);
    if (write(parent, "", 1) < 0)
        errno = 0; /* nobody waits any more */
    close(parent);
    parent = -1;
}

int pid_file_write(const char *path, struct err *e) {
    _fclose_ FILE *f = fopen(path, "we");
    if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fflush(f) != 0)
        return err_errno(e, 0, "cannot write the pid file %s", path);
    return 0;
}
