/* A job's folder: read whole each time, since another process may have changed it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/exports_impl.h"
#include "recording/file.h"

#define NOTE_BYTES 65536

static json_t *read_json(int dir, const char *name) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, NOTE_BYTES);
    return file_read_at(dir, name, &b, NULL) == 0 ? json_parse(b.data, b.len, NOTE_BYTES, NULL)
                                                  : NULL;
}

int exports_job_write(int dir, const char *name, json_t *o, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    _json_ json_t *held = o;
    buf_init(&b, NOTE_BYTES);
    if (!held || json_write(held, &b) < 0)
        return err_set(e, 0, "%s: no memory, or too large", name);
    return file_replace_at(dir, name, b.data, b.len, 0600, e);
}

bool exports_job_begun(int dir) {
    return faccessat(dir, "begun", F_OK, 0) == 0;
}

int exports_job_open(struct exports *x, const char *id, struct exports_job *j, struct err *e) {
    struct stat st;
    *j = (struct exports_job){ .dir = -1 };
    if (uuid_valid(id, strlen(id)))
        j->dir = openat(x->dir, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (j->dir >= 0)
        j->job = read_json(j->dir, "job.json");
    if (!j->job) {
        exports_job_fini(j);
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "There is no such export.");
    }
    memcpy(j->id, id, sizeof j->id);
    j->begun = exports_job_begun(j->dir);
    j->progress = read_json(j->dir, "progress.json");
    j->done = read_json(j->dir, "done.json");
    j->bytes = fstatat(j->dir, BAG_TAR, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

void exports_job_fini(struct exports_job *j) {
    if (j->dir >= 0)
        close(j->dir);
    json_decref(j->job);
    json_decref(j->progress);
    json_decref(j->done);
    *j = (struct exports_job){ .dir = -1 };
}

int exports_job_lock(int dir) {
    _close_ int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? steal_fd(&fd) : -1;
}

/* `begun` first: what is left of a removal that was cut is no job, and goes with the next one. */
void exports_job_remove(struct exports *x, const char *id) {
    int fd = openat(x->dir, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    unlinkat(fd, "begun", 0);
    for (struct dirent *f; (f = readdir(d));)
        if (f->d_name[0] != '.')
            unlinkat(fd, f->d_name, 0);
    closedir(d);
    unlinkat(x->dir, id, AT_REMOVEDIR);
}

int exports_each(struct exports *x, int (*fn)(void *arg, const char *id), void *arg) {
    int fd = openat(x->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    int r = 0;
    if (!d && fd >= 0)
        close(fd);
    for (struct dirent *f; d && r == 0 && (f = readdir(d));)
        if (uuid_valid(f->d_name, strlen(f->d_name)))
            r = fn(arg, f->d_name);
    if (d)
        closedir(d);
    return r;
}
