/* Files and folders. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/probe/probes_parts.h"

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

const struct probe probes_files[] = {
    { "read", read_file, 1 },    { "open", open_file, 1 },     { "list", list_folder, 1 },
    { "write", write_file, 1 },  { "create", create_file, 1 }, { "mkdir", make_folder, 1 },
    { "symlink", make_link, 1 }, { "link", hard_link, 2 },     { "truncate", truncate_file, 1 },
    { "chmod", change_mode, 1 }, { "unlink", remove_file, 1 }, { 0 },
};
