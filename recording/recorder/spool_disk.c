/* Files of the spool. A log is cut back to its last whole lot when one could not be written. */
#include "recording/recorder/spool_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/util.h"
#include "recording/file.h"

#define LOG_BYTES (4u << 20)    /* a log larger than this is followed by a new one */
#define IDLE_BYTES (512u << 10) /* one with nothing to keep goes when it is larger than this */

static void file_name(const struct spool_disk *d, const char *suffix, char out[NAME_MAX]) {
    snprintf(out, NAME_MAX, "%s%s", d->id, suffix);
}

static void log_name(const struct spool_disk *d, uint32_t k, char out[NAME_MAX]) {
    snprintf(out, NAME_MAX, "%s.%08u.log", d->id, k);
}

static void close_fd(int *fd) {
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

void spool_disk_init(struct spool_disk *d, int folder, const char *id,
                     atomic_uint_fast64_t *bytes) {
    *d = (struct spool_disk){ .folder = folder, .bytes = bytes, .log_fd = -1, .list_fd = -1 };
    snprintf(d->id, sizeof d->id, "%s", id);
}

void spool_disk_fini(struct spool_disk *d) {
    close_fd(&d->log_fd);
    close_fd(&d->list_fd);
    free(d->logs);
}

int spool_disk_add(struct spool_disk *d, struct spool_log log) {
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 4;
        struct spool_log *more = realloc(d->logs, cap * sizeof *more);
        if (!more)
            return -1;
        d->logs = more;
        d->cap = cap;
    }
    d->next = log.k + 1;
    d->logs[d->count++] = log;
    atomic_fetch_add(d->bytes, log.bytes);
    return 0;
}

/* ---- logs ----------------------------------------------------------------------------------- */

static int next_log(struct spool_disk *d) {
    char name[NAME_MAX];
    close_fd(&d->log_fd);
    log_name(d, d->next, name);
    d->log_fd = openat(d->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (d->log_fd >= 0 && fsync(d->folder) == 0 &&
        spool_disk_add(d, (struct spool_log){ .k = d->next }) == 0)
        return 0;
    close_fd(&d->log_fd);
    return -1;
}

int spool_disk_append(struct spool_disk *d, const void *data, size_t len, uint64_t last_seq,
                      uint64_t last_object) {
    if ((d->log_fd < 0 || d->logs[d->count - 1].bytes > LOG_BYTES) && next_log(d) < 0)
        return -1;
    struct spool_log *log = &d->logs[d->count - 1];
    if (file_write_all(d->log_fd, data, len) < 0 || fdatasync(d->log_fd) < 0) {
        int saved = errno;
        if (ftruncate(d->log_fd, (off_t)log->bytes) < 0)
            close_fd(&d->log_fd); /* its tail is unknown: a new log next time */
        errno = saved;
        return -1;
    }
    log->bytes += len;
    log->last_seq = last_seq;
    log->last_object = last_object;
    atomic_fetch_add(d->bytes, len);
    return 0;
}

static int remove_log(struct spool_disk *d, const struct spool_log *log) {
    char name[NAME_MAX];
    log_name(d, log->k, name);
    if (unlinkat(d->folder, name, 0) < 0 && errno != ENOENT)
        return -1;
    atomic_fetch_sub(d->bytes, log->bytes);
    return 0;
}

int spool_disk_drop(struct spool_disk *d, uint64_t acked, uint64_t stored) {
    size_t n = 0, gone = 0;
    while (n < d->count && d->logs[n].last_seq <= acked && d->logs[n].last_object <= stored)
        n++;
    /* Not a new file for each key that is pressed. */
    if (n > 0 && n == d->count && d->log_fd >= 0 && d->logs[n - 1].bytes < IDLE_BYTES)
        n--;
    if (n == 0)
        return 0;
    if (d->list_fd >= 0 && fdatasync(d->list_fd) < 0)
        return -1;
    if (n == d->count)
        close_fd(&d->log_fd);
    while (gone < n && remove_log(d, &d->logs[gone]) == 0)
        gone++;
    d->count -= gone;
    memmove(d->logs, d->logs + gone, d->count * sizeof *d->logs);
    return gone == n ? 0 : -1;
}

/* ---- the other files ------------------------------------------------------------------------ */

int spool_disk_list(struct spool_disk *d, const void *data, size_t len) {
    char name[NAME_MAX];
    file_name(d, ".list", name);
    if (d->list_fd < 0)
        d->list_fd = openat(d->folder, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    off_t size = d->list_fd >= 0 ? lseek(d->list_fd, 0, SEEK_END) : -1;
    if (size < 0)
        return -1;
    if (file_write_all(d->list_fd, data, len) == 0)
        return 0;
    int saved = errno;
    if (ftruncate(d->list_fd, size) < 0)
        close_fd(&d->list_fd);
    errno = saved;
    return -1;
}

/* Zeros over a file that has lost its name: it held a key. */
static int wipe(int fd) {
    static const uint8_t zeros[4096];
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof zeros)
        if (pwrite(fd, zeros, MIN_OF(sizeof zeros, (size_t)(st.st_size - at)), at) < 0)
            return -1;
    return fdatasync(fd);
}

int spool_disk_state(struct spool_disk *d, const void *data, size_t len) {
    char name[NAME_MAX];
    file_name(d, ".json", name);
    _close_ int old = openat(d->folder, name, O_WRONLY | O_CLOEXEC);
    if (file_replace_at(d->folder, name, data, len, 0600, NULL) < 0)
        return -1;
    return old >= 0 ? wipe(old) : 0;
}

int spool_disk_remove(struct spool_disk *d) {
    static const char *const suffixes[] = { ".list", ".json.new", ".json" }; /* the state last */
    char name[NAME_MAX];
    close_fd(&d->log_fd);
    close_fd(&d->list_fd);
    while (d->count > 0 && remove_log(d, &d->logs[d->count - 1]) == 0)
        d->count--;
    if (d->count > 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        file_name(d, suffixes[i], name);
        if (unlinkat(d->folder, name, 0) < 0 && errno != ENOENT)
            return -1;
    }
    return fsync(d->folder);
}
