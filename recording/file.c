/* Reading with a bound; writing so that a crash leaves the old file or the new one, never half. */
#include "recording/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/util.h"

int file_read(const char *path, struct buf *out, struct err *e) {
    return file_read_at(AT_FDCWD, path, out, e);
}

int file_read_at(int dir, const char *name, struct buf *out, struct err *e) {
    _close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(e, 0, "%s", name);
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return err_set(e, 0, "%s: not a regular file", name);
    }
    for (;;) {
        size_t want = MIN_OF(out->max - out->len, (size_t)1 << 16);
        char extra, *room = want ? buf_reserve(out, want) : &extra;
        ssize_t n = room ? read(fd, room, want ? want : 1) : -1;
        if (n < 0 && room && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, 0, "%s", name);
        if (n == 0)
            return 0;
        if (!want) {
            errno = EFBIG;
            return err_set(e, 0, "%s: more than %zu bytes", name, out->max);
        }
        out->len += (size_t)n;
    }
}

int file_write_all(int fd, const void *data, size_t len) {
    for (const char *p = data; len > 0;) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_new(int dir, const char *name, const void *data, size_t len, mode_t mode) {
    _close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -1;
    if (file_write_all(fd, data, len) == 0 && fsync(fd) == 0)
        return 0;
    int saved = errno;
    unlinkat(dir, name, 0);
    errno = saved;
    return -1;
}

int file_create(const char *path, const void *data, size_t len, mode_t mode, struct err *e) {
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return err_set(e, 0, "%s: name too long", path);
    _close_ int dir = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || write_new(AT_FDCWD, path, data, len, mode) < 0 || fsync(dir) < 0)
        return err_errno(e, 0, "%s", path);
    return 0;
}

int file_replace_at(int dir, const char *name, const void *data, size_t len, mode_t mode,
                    struct err *e) {
    char fresh[NAME_MAX + 1];
    if (snprintf(fresh, sizeof fresh, "%s.new", name) >= (int)sizeof fresh)
        return err_set(e, 0, "%s: name too long", name);
    unlinkat(dir, fresh, 0);
    if (write_new(dir, fresh, data, len, mode) < 0 || renameat(dir, fresh, dir, name) < 0 ||
        fsync(dir) < 0)
        return err_errno(e, 0, "%s", name);
    return 0;
}
