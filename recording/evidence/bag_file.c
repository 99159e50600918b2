/* One file of a bag. In a folder it is written aside and named when whole. In a tar its head is
 * written last; a second one at the same time waits in a nameless file until it is its turn. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/bag_impl.h"
#include "recording/evidence/tar.h"
#include "recording/file.h"

struct bag_file {
    struct bag *bag;
    int fd; /* of its own; -1: it goes into the tar directly */
    EVP_MD_CTX *hash;
    uint64_t bytes, body; /* body: where it begins in the tar */
    char path[TAR_PATH_MAX];
};

static int make_folders(int root, const char *path) {
    char part[TAR_PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(root, part, 0750) < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

static size_t head_of(const struct bag_file *f, unsigned char head[TAR_HEAD_MAX]) {
    char path[TAR_PATH_MAX + 80];
    const struct bag *b = f->bag;
    unsigned mode = strcmp(f->path, "verify.sh") == 0 ? 0755 : 0644;
    int n = snprintf(path, sizeof path, "%s/%s", b->top, f->path);
    return n > (int)TAR_PATH_MAX ? 0 : tar_head(path, f->bytes, mode, b->made_s, head);
}

/* Where its bytes go. */
static int place(struct bag_file *f, struct err *e) {
    struct bag *b = f->bag;
    unsigned char head[TAR_HEAD_MAX];
    char fresh[TAR_PATH_MAX + 8];
    snprintf(fresh, sizeof fresh, "%s" BAG_SCRATCH, f->path);
    if (b->tar < 0) {
        if (make_folders(b->root, f->path) == 0)
            f->fd =
                openat(b->root, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        return f->fd < 0 ? err_errno(e, 0, "%s", f->path) : 0;
    }
    size_t room = head_of(f, head);
    if (!room)
        return err_set(e, 0, "%s: a name too long", f->path);
    if (!b->open) {
        b->open = f;
        f->body = b->end + room;
        return 0;
    }
    f->fd = openat(b->root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return f->fd < 0 ? err_errno(e, 0, "%s", f->path) : 0;
}

static void free_file(struct bag_file *f) {
    if (f->fd >= 0)
        close(f->fd);
    if (f->bag->open == f)
        f->bag->open = NULL;
    EVP_MD_CTX_free(f->hash);
    free(f);
}

struct bag_file *bag_begin(struct bag *b, const char *path, struct err *e) {
    struct bag_file *f = calloc(1, sizeof *f);
    if (!f || strlen(path) >= sizeof f->path) {
        err_set(e, 0, f ? "a name too long" : "no memory");
        free(f);
        return NULL;
    }
    f->bag = b;
    f->fd = -1;
    snprintf(f->path, sizeof f->path, "%s", path);
    f->hash = EVP_MD_CTX_new();
    if (f->hash && EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL) == 1) {
        if (place(f, e) == 0)
            return f;
    } else {
        err_set(e, 0, "no memory");
    }
    free_file(f);
    return NULL;
}

static int write_at(int fd, const char *data, size_t len, uint64_t at) {
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int bag_add(struct bag_file *f, const void *data, size_t len, struct err *e) {
    const struct bag *b = f->bag;
    if (len == 0)
        return 0;
    if (b->limit && b->end + f->bytes + len > b->limit)
        return err_set(e, STATUS_CLIENT_OVERRUN,
                       "the space for exports (export-space) is used up: remove older ones");
    if (EVP_DigestUpdate(f->hash, data, len) != 1 ||
        (f->fd >= 0 ? file_write_all(f->fd, data, len)
                    : write_at(b->tar, data, len, f->body + f->bytes)) < 0)
        return err_errno(e, 0, "%s", f->path);
    f->bytes += len;
    return 0;
}

int bag_add_file(struct bag_file *f, int fd, struct err *e) {
    char block[65536];
    ssize_t n;
    for (off_t at = 0; (n = pread(fd, block, sizeof block, at)) != 0; at += n)
        if (n < 0 || bag_add(f, block, (size_t)n, e) < 0)
            return n < 0 ? err_errno(e, 0, "%s", f->path) : -1;
    return 0;
}

static int end_in_tar(struct bag_file *f, struct err *e) {
    struct bag *b = f->bag;
    unsigned char head[TAR_HEAD_MAX];
    static const char zeros[TAR_BLOCK];
    if (f->fd >= 0) { /* it waited */
        if (b->open)
            return err_set(e, 0, "%s: the file before it is not ended", f->path);
        struct bag_file *put = bag_begin(b, f->path, e);
        if (!put)
            return -1;
        int r = bag_add_file(put, f->fd, e);
        return bag_end(put, r < 0 ? NULL : e) < 0 || r < 0 ? -1 : 0;
    }
    size_t n = head_of(f, head);
    uint64_t end = f->body + f->bytes;
    if (write_at(b->tar, zeros, tar_padding(f->bytes), end) < 0 ||
        write_at(b->tar, (const char *)head, n, b->end) < 0)
        return err_errno(e, 0, "%s", f->path);
    b->end = end + tar_padding(f->bytes);
    return 0;
}

static int end_in_folder(struct bag_file *f, struct err *e) {
    char fresh[TAR_PATH_MAX + 8];
    snprintf(fresh, sizeof fresh, "%s" BAG_SCRATCH, f->path);
    return fsync(f->fd) < 0 || renameat(f->bag->root, fresh, f->bag->root, f->path) < 0
               ? err_errno(e, 0, "%s", f->path)
               : 0;
}

int bag_end(struct bag_file *f, struct err *e) {
    char hex[65];
    uint8_t sum[32];
    if (!f)
        return 0;
    struct bag *b = f->bag;
    bool waited = b->tar >= 0 && f->fd >= 0; /* it is noted by the one that took its bytes */
    EVP_DigestFinal_ex(f->hash, sum, NULL);
    hex_encode(sum, sizeof sum, hex);
    int r = b->tar >= 0 ? end_in_tar(f, e) : end_in_folder(f, e);
    if (r == 0 && !waited)
        r = bag_note(b, f->path, hex, f->bytes, e);
    free_file(f);
    return r;
}
