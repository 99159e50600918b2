/* The probes, one row each. */
#include "tests/probe/probes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

#define WORDS 4
#define CONNECT_MS 2000
#define ANSWER_MS 500 /* a listener that turns us away by our uid does so at once */

static char *no_words[] = { NULL };

/* 0 for any result that is none of an error; closes a descriptor. */
static int close_after(long fd) {
    if (fd < 0)
        return errno;
    close((int)fd);
    return 0;
}

static int result(long r) {
    return r < 0 ? errno : 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int read_file(char **w, long *value) {
    char c[16];
    int fd = open(w[0], O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno;
    ssize_t n = read(fd, c, sizeof c);
    int e = n < 0 ? errno : 0;
    *value = n;
    close(fd);
    return e;
}

/* Another's memory: opening it is the permission, its first page is not mapped. */
static int open_file(char **w, long *value) {
    (void)value;
    return close_after(open(w[0], O_RDONLY | O_CLOEXEC));
}

static int list_folder(char **w, long *value) {
    char entries[1024];
    int fd = open(w[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    *value = syscall(SYS_getdents64, fd, entries, sizeof entries);
    int e = *value < 0 ? errno : 0;
    close(fd);
    return e;
}

static int write_file(char **w, long *value) {
    (void)value;
    return close_after(open(w[0], O_WRONLY | O_APPEND | O_CLOEXEC));
}

static int create_file(char **w, long *value) {
    (void)value;
    int e = close_after(open(w[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (e == 0)
        unlink(w[0]);
    return e;
}

static int make_folder(char **w, long *value) {
    (void)value;
    int e = result(mkdir(w[0], 0700));
    if (e == 0)
        rmdir(w[0]);
    return e;
}

static int make_link(char **w, long *value) {
    (void)value;
    int e = result(symlink("/etc/shadow", w[0]));
    if (e == 0)
        unlink(w[0]);
    return e;
}

static int hard_link(char **w, long *value) {
    (void)value;
    int e = result(link(w[0], w[1]));
    if (e == 0)
        unlink(w[1]);
    return e;
}

static int truncate_file(char **w, long *value) {
    (void)value;
    struct stat st;
    return stat(w[0], &st) < 0 ? errno : result(truncate(w[0], st.st_size));
}

static int change_mode(char **w, long *value) {
    (void)value;
    struct stat st;
    return stat(w[0], &st) < 0 ? errno : result(chmod(w[0], st.st_mode & 07777));
}

static int remove_file(char **w, long *value) {
    (void)value;
    return result(unlink(w[0]));
}

/* ---- programs -------------------------------------------------------------------------------- */

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

/* ---- network --------------------------------------------------------------------------------- */

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t len;
};

static struct place place_of(char **w) {
    struct place p = { 0 };
    uint16_t port = htons((uint16_t)atoi(w[1]));
    if (strchr(w[0], ':')) {
        p.at.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
        inet_pton(AF_INET6, w[0], &p.at.v6.sin6_addr);
        p.len = sizeof p.at.v6;
    } else {
        p.at.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
        inet_pton(AF_INET, w[0], &p.at.v4.sin_addr);
        p.len = sizeof p.at.v4;
    }
    return p;
}

static int finish_connect(int fd, int r) {
    int e = r < 0 ? errno : 0;
    if (e == EINPROGRESS) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        socklen_t len = sizeof e;
        if (poll(&p, 1, CONNECT_MS) != 1)
            e = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
            e = errno;
    }
    close(fd);
    return e;
}

static int connect_by(char **w, int protocol, bool lazily) {
    struct place p = place_of(w);
    int one = 1,
        fd = socket(p.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0)
        return errno;
    if (lazily)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one);
    return finish_connect(fd, connect(fd, &p.at.any, p.len));
}

static int connect_tcp(char **w, long *value) {
    (void)value;
    return connect_by(w, IPPROTO_TCP, false);
}

static int connect_mptcp(char **w, long *value) {
    (void)value;
    return connect_by(w, IPPROTO_MPTCP, false);
}

static int connect_lazily(char **w, long *value) {
    (void)value;
    return connect_by(w, IPPROTO_TCP, true);
}

static int fast_open(char **w, long *value) {
    (void)value;
    struct place p = place_of(w);
    int fd = socket(p.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    ssize_t n = sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &p.at.any, p.len);
    return finish_connect(fd, n < 0 ? -1 : 0);
}

static int send_udp(char **w, long *value) {
    (void)value;
    struct place p = place_of(w);
    int fd = socket(p.at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int e = result(sendto(fd, "x", 1, MSG_NOSIGNAL, &p.at.any, p.len));
    close(fd);
    return e;
}

static int bind_tcp(char **w, long *value) {
    (void)value;
    struct place p = place_of(w);
    int fd = socket(p.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int e = result(bind(fd, &p.at.any, p.len));
    close(fd);
    return e;
}

static int make_socket(char **w, long *value) {
    (void)value;
    return close_after(socket(atoi(w[0]), atoi(w[1]) | SOCK_CLOEXEC, atoi(w[2])));
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

static socklen_t unix_address(struct sockaddr_un *sa, const char *path) {
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(sa->sun_path, sizeof sa->sun_path, "%s", path);
    if (path[0] != '@')
        return sizeof *sa;
    sa->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

/* value: 1 the listener hung up on us, 0 it keeps us. */
static int connect_unix(char **w, long *value) {
    struct sockaddr_un sa;
    socklen_t len = unix_address(&sa, w[1]);
    int type = strcmp(w[0], "stream") == 0 ? SOCK_STREAM : SOCK_SEQPACKET;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int e = result(connect(fd, (struct sockaddr *)&sa, len));
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char c;
    if (e == 0 && poll(&p, 1, ANSWER_MS) == 1)
        *value = recv(fd, &c, 1, 0) <= 0;
    close(fd);
    return e;
}

static int bind_unix(char **w, long *value) {
    (void)value;
    struct sockaddr_un sa;
    socklen_t len = unix_address(&sa, w[0]);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int e = result(bind(fd, (struct sockaddr *)&sa, len));
    close(fd);
    return e;
}

/* ---- other processes ------------------------------------------------------------------------- */

static int trace(char **w, long *value) {
    (void)value;
    pid_t pid = atoi(w[0]);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
        return errno;
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0)
        waitpid(pid, NULL, __WALL);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return 0;
}

/* Permission is looked at before the address, which is of no use in the other process. */
static int read_memory(char **w, long *value) {
    (void)value;
    char c;
    struct iovec own = { &c, 1 }, other = { &c, 1 };
    int e = result(process_vm_readv(atoi(w[0]), &own, 1, &other, 1, 0));
    return e == EFAULT ? 0 : e;
}

static int take_descriptor(char **w, long *value) {
    (void)value;
    long fd = syscall(SYS_pidfd_open, atoi(w[0]), 0);
    if (fd < 0)
        return errno;
    int e = close_after(syscall(SYS_pidfd_getfd, fd, 0, 0));
    close((int)fd);
    return e;
}

static int send_signal(char **w, long *value) {
    (void)value;
    return result(kill(atoi(w[0]), 0));
}

static int send_thread_signal(char **w, long *value) {
    (void)value;
    return result(syscall(SYS_tgkill, atoi(w[0]), atoi(w[0]), 0));
}

/* ---- the kernel, and ourselves --------------------------------------------------------------- */

static int user_namespace(char **w, long *value) {
    (void)w;
    (void)value;
    return result(syscall(SYS_unshare, CLONE_NEWUTS | CLONE_NEWUSER));
}

static int io_ring(char **w, long *value) {
    (void)w;
    (void)value;
    struct io_uring_params p = { 0 };
    return close_after(syscall(SYS_io_uring_setup, 1, &p));
}

static int dumpable(char **w, long *value) {
    (void)w;
    *value = prctl(PR_GET_DUMPABLE);
    return result(*value);
}

static const struct probe {
    const char *name;
    int (*fn)(char **words, long *value); /* 0 or an errno; value is told with it */
    int words;
} table[] = {
    { "read", read_file, 1 },
    { "open", open_file, 1 },
    { "list", list_folder, 1 },
    { "write", write_file, 1 },
    { "create", create_file, 1 },
    { "mkdir", make_folder, 1 },
    { "symlink", make_link, 1 },
    { "link", hard_link, 2 },
    { "truncate", truncate_file, 1 },
    { "chmod", change_mode, 1 },
    { "unlink", remove_file, 1 },
    { "spawn", spawn_program, 1 },
    { "execve", execute, 1 },
    { "execveat", execute_at, 1 },
    { "memfd", memory_file, 0 },
    { "memfd-execve", execute_memory, 0 },
    { "memfd-execveat", execute_memory_at, 0 },
    { "fork", fork_process, 0 },
    { "map-exec", executable_memory, 0 },
    { "tcp", connect_tcp, 2 },
    { "mptcp", connect_mptcp, 2 },
    { "fastopen", fast_open, 2 },
    { "fastopen-connect", connect_lazily, 2 },
    { "udp", send_udp, 2 },
    { "bind-tcp", bind_tcp, 2 },
    { "socket", make_socket, 3 },
    { "unix", connect_unix, 2 },
    { "bind-unix", bind_unix, 1 },
    { "ptrace", trace, 1 },
    { "vm-read", read_memory, 1 },
    { "pidfd-getfd", take_descriptor, 1 },
    { "kill", send_signal, 1 },
    { "tgkill", send_thread_signal, 1 },
    { "userns", user_namespace, 0 },
    { "io-uring", io_ring, 0 },
    { "dumpable", dumpable, 0 },
};

/* ---- serving --------------------------------------------------------------------------------- */

/* A handler has little stack, and one serves at a time. */
static char request[1024], words_said[1024], answer[2048];

static void say(int fd) {
    (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
}

static const struct probe *find(const char *name) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* False: no more is asked for. */
static bool serve_one(int fd, int (*other)(const char *, char **, long *)) {
    ssize_t n;
    do
        n = recv(fd, request, sizeof request - 1, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    request[n] = '\0';
    if (strcmp(request, "done") == 0)
        return false;
    char *words[WORDS + 1] = { 0 };
    int count = 0;
    for (char *tab = strchr(request, '\t'); tab && count < WORDS; tab = strchr(tab, '\t')) {
        *tab++ = '\0';
        words[count++] = tab;
    }
    words_said[0] = '\0';
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(words_said + len, sizeof words_said - len, "%s\"%s\"", i ? "," : "",
                                words[i]);
    const struct probe *p = find(request);
    long value = 0;
    int e = EINVAL;
    if (p && p->words == count)
        e = p->fn(words, &value);
    else if (!p && other)
        e = other(request, words, &value);
    const char *name = e ? strerrorname_np(e) : "";
    snprintf(answer, sizeof answer,
             "{\"probe\":\"%s\",\"words\":[%s],\"error\":\"%s\",\"value\":%ld}", request,
             words_said, name ? name : "?", value);
    say(fd);
    return true;
}

void probes_serve(int fd, const char *stage, int (*other)(const char *, char **, long *)) {
    snprintf(answer, sizeof answer, "{\"stage\":\"%s\",\"thread\":%ld}", stage,
             (long)syscall(SYS_gettid));
    say(fd);
    while (serve_one(fd, other))
        ;
}

static int armed = -1;

static void on_signal(int signo) {
    (void)signo;
    int saved = errno;
    probes_serve(armed, "signal", NULL);
    errno = saved;
}

void probes_arm(int fd) {
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigfillset(&act.sa_mask);
    armed = fd;
    sigaction(PROBE_SIGNAL, &act, NULL);
}
