/* Other programs, from a file and from memory. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/probe/probes_parts.h"

static char *no_words[] = { NULL };

static int spawn_program(char **w, long *value) {
    char help[] = "--help";
    char *argv[] = { w[0], help, NULL };
    pid_t pid;
    int status, r = posix_spawn(&pid, w[0], NULL, NULL, argv, no_words);
    if (r)
        return r;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 0; /* the program's own loop was quicker */
    *value = status;
    return 0;
}

/* All of these end the program when they succeed, which the test sees as the end of the socket. */
static int execute(char **w, long *value) {
    (void)value;
    char *argv[] = { w[0], NULL };
    return result(execve(w[0], argv, no_words));
}

static int execute_at(char **w, long *value) {
    (void)value;
    char *argv[] = { w[0], NULL };
    return result(syscall(SYS_execveat, AT_FDCWD, w[0], argv, no_words, 0));
}

static int memory_file(char **w, long *value) {
    (void)w;
    (void)value;
    return close_after(syscall(SYS_memfd_create, "probe", 0));
}

/* The loader itself, since every program may read that one. */
static int loader_in_memory(void) {
    static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2",
                                           "/lib/ld-linux-aarch64.so.1" };
    int fd = (int)syscall(SYS_memfd_create, "probe", 0), from = -1;
    for (size_t i = 0; fd >= 0 && from < 0 && i < sizeof loaders / sizeof loaders[0]; i++)
        from = open(loaders[i], O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -1;
    while (sendfile(fd, from, NULL, 1 << 20) > 0)
        ;
    close(from);
    return fd;
}

static int execute_memory(char **w, long *value) {
    (void)w;
    (void)value;
    char path[64], help[] = "--help", *argv[] = { help, help, NULL };
    int fd = loader_in_memory();
    if (fd < 0)
        return errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int e = result(execve(path, argv, no_words));
    close(fd);
    return e;
}

static int execute_memory_at(char **w, long *value) {
    (void)w;
    (void)value;
    char help[] = "--help", *argv[] = { help, help, NULL };
    int fd = loader_in_memory();
    if (fd < 0)
        return errno;
    int e = result(syscall(SYS_execveat, fd, "", argv, no_words, AT_EMPTY_PATH));
    close(fd);
    return e;
}

static int fork_process(char **w, long *value) {
    (void)w;
    (void)value;
    long pid = syscall(SYS_fork);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return result(pid);
}

static int executable_memory(char **w, long *value) {
    (void)w;
    (void)value;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return errno;
    munmap(p, 4096);
    return 0;
}

const struct probe probes_programs[] = {
    { "spawn", spawn_program, 1 },
    { "execve", execute, 1 },
    { "execveat", execute_at, 1 },
    { "memfd", memory_file, 0 },
    { "memfd-execve", execute_memory, 0 },
    { "memfd-execveat", execute_memory_at, 0 },
    { "fork", fork_process, 0 },
    { "map-exec", executable_memory, 0 },
    { 0 },
};
