/* A folder as a store. An object is written aside, synced, linked under its name (which never
 * replaces) and made read-only; then its folder is synced. Paths are resolved beneath the root and
 * never through symbolic links, so a link planted inside leads nowhere. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/file.h"
#include "recording/name.h"
#include "recording/store_impl.h"

#define RETAIN ".retain"
#define HOLD ".hold"

static enum store_result failed(const char *key, struct err *e) {
    int saved = errno;
    err_errno(e, saved == ENOSPC || saved == EDQUOT ? STATUS_UPSTREAM_UNAVAILABLE : 0, "store: %s",
              key);
    return saved == ENOENT                                                         ? STORE_MISSING
           : saved == EACCES || saved == EPERM || saved == ELOOP || saved == EXDEV ? STORE_REFUSED
                                                                                   : STORE_AWAY;
}

static int open_beneath(int root, const char *path, int flags) {
    struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC),
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Make each missing folder of `path` (up to its last slash), syncing the one it is made in. */
static int make_folders(int root, const char *path) {
    _close_ int dir = open_beneath(root, ".", O_RDONLY | O_DIRECTORY);
    for (const char *p = path, *slash; dir >= 0 && (slash = strchr(p, '/')); p = slash + 1) {
        char part[NAME_KEY_SIZE];
        snprintf(part, sizeof part, "%.*s", (int)(slash - p), p);
        if (mkdirat(dir, part, 0750) == 0) {
            if (fsync(dir) < 0)
                return -1;
        } else if (errno != EEXIST) {
            return -1;
        }
        int next = open_beneath(dir, part, O_RDONLY | O_DIRECTORY);
        close(dir);
        dir = next;
    }
    return dir < 0 ? -1 : 0;
}

/* The folder of `key`; *name is its last part. */
static int open_parent(int root, const char *key, bool make, const char **name) {
    char folder[NAME_KEY_SIZE];
    const char *slash = strrchr(key, '/');
    *name = slash ? slash + 1 : key;
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - key) : 1, slash ? key : ".");
    int fd = open_beneath(root, folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && errno == ENOENT && make && make_folders(root, key) == 0)
        fd = open_beneath(root, folder, O_RDONLY | O_DIRECTORY);
    return fd;
}

static uint64_t retained(int dir) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 256);
    _json_ json_t *o = file_read_at(dir, RETAIN, &b, NULL) == 0
                           ? json_parse(buf_str(&b), b.len, b.max, NULL)
                           : NULL;
    int64_t v = json_num(o, "retainUntil", 0);
    return v > 0 ? (uint64_t)v : 0;
}

/* Only ever later. */
static int retain(int dir, uint64_t until, struct err *e) {
    char text[64];
    if (retained(dir) >= until)
        return 0;
    int n = snprintf(text, sizeof text, "{\"retainUntil\":%llu}\n", (unsigned long long)until);
    return file_replace_at(dir, RETAIN, text, (size_t)n, 0640, e);
}

static int write_object(int dir, const char *fresh, const char *name, const void *data,
                        size_t len) {
    _close_ int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0440);
    if (fd < 0)
        return -1;
    int r = file_write_all(fd, data, len) < 0 || fchmod(fd, 0440) < 0 || fsync(fd) < 0
                ? -1
                : linkat(dir, fresh, dir, name, 0);
    int saved = errno;
    unlinkat(dir, fresh, 0);
    errno = saved;
    return r < 0 || fsync(dir) < 0 ? -1 : 0;
}

static enum store_result get(struct store *s, const char *key, const char *version, uint64_t offset,
                             size_t len, struct buf *out, struct store_meta *meta, struct err *e);

static enum store_result compare(struct store *s, const char *key, const void *data, size_t len,
                                 struct err *e) {
    struct buf there __attribute__((cleanup(buf_fini)));
    buf_init(&there, len);
    enum store_result r = get(s, key, NULL, 0, 0, &there, NULL, e);
    if (r == STORE_OK && there.len == len && (len == 0 || memcmp(there.data, data, len) == 0))
        return STORE_OK;
    if (r == STORE_AWAY)
        return r;
    err_set(e, STATUS_RESOURCE_CONFLICT, "store: another %s is there already", key);
    return STORE_EXISTS;
}

static enum store_result put(struct store *s, const char *key, const void *data, size_t len,
                             const uint8_t sha256_of[32], uint64_t retain_until_ms,
                             struct store_meta *meta, struct err *e) {
    const char *name;
    char fresh[NAME_KEY_SIZE + 8];
    (void)sha256_of;
    _close_ int dir = open_parent(s->root, key, true, &name);
    if (dir < 0 || flock(dir, LOCK_EX) < 0) /* one writer a folder at a time; a crash lets go */
        return failed(key, e);
    if (retain(dir, retain_until_ms, e) < 0)
        return failed(key, e);
    if (meta)
        *meta = (struct store_meta){ .size = len, .retain_until_ms = retain_until_ms };
    if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return compare(s, key, data, len, e);
    /* What a crash left aside is taken away: under the lock it is nobody's. */
    snprintf(fresh, sizeof fresh, ".%s.new", name);
    unlinkat(dir, fresh, 0);
    if (write_object(dir, fresh, name, data, len) == 0)
        return STORE_OK;
    return errno == EEXIST ? compare(s, key, data, len, e) : failed(key, e);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int open_object(struct store *s, const char *key, struct stat *st) {
    _close_ int fd = open_beneath(s->root, key, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, st) < 0)
        return -1;
    if (!S_ISREG(st->st_mode)) {
        errno = ENOENT;
        return -1;
    }
    return steal_fd(&fd);
}

static enum store_result get(struct store *s, const char *key, const char *version, uint64_t offset,
                             size_t len, struct buf *out, struct store_meta *meta, struct err *e) {
    struct stat st;
    (void)version;
    _close_ int fd = open_object(s, key, &st);
    if (fd < 0)
        return failed(key, e);
    uint64_t size = (uint64_t)st.st_size, end = len ? MIN_OF(offset + len, size) : size;
    size_t want = offset < end ? (size_t)(end - offset) : 0;
    char *room = buf_reserve(out, want);
    if (!room) {
        err_set(e, STATUS_CLIENT_OVERRUN, "store: %s has %llu bytes, too many", key,
                (unsigned long long)size);
        return STORE_REFUSED;
    }
    for (size_t got = 0; got < want;) {
        ssize_t n = pread(fd, room + got, want - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(key, e);
        if (n == 0)
            want = got;
        got += (size_t)n;
    }
    if (meta) {
        *meta = (struct store_meta){ .size = size,
                                     .modified_ms = (uint64_t)st.st_mtim.tv_sec * 1000,
                                     .now_ms = clock_wall_ms() };
        sha256_hex(room, want, meta->etag);
    }
    out->len += want;
    return STORE_OK;
}

static enum store_result head(struct store *s, const char *key, const char *version,
                              struct store_meta *meta, struct err *e) {
    struct stat st;
    const char *name;
    (void)version;
    _close_ int fd = open_object(s, key, &st);
    if (fd < 0)
        return failed(key, e);
    _close_ int dir = open_parent(s->root, key, false, &name);
    *meta = (struct store_meta){ .size = (uint64_t)st.st_size,
                                 .retain_until_ms = dir >= 0 ? retained(dir) : 0,
                                 .modified_ms = (uint64_t)st.st_mtim.tv_sec * 1000,
                                 .now_ms = clock_wall_ms() };
    return STORE_OK;
}

/* ---- what moves ----------------------------------------------------------------------------- */

#define MOVING_MAX ((size_t)16 << 20)

static enum store_result swap(struct store *s, const char *key, const void *data, size_t len,
                              const char *etag, char fresh[STORE_ETAG_SIZE], struct err *e) {
    const char *name;
    struct buf there __attribute__((cleanup(buf_fini)));
    struct store_meta meta;
    buf_init(&there, MOVING_MAX);
    _close_ int dir = open_parent(s->root, key, true, &name);
    if (dir < 0 || flock(dir, LOCK_EX) < 0)
        return failed(key, e);
    enum store_result r = get(s, key, NULL, 0, 0, &there, &meta, e);
    if (r != STORE_OK && r != STORE_MISSING)
        return r;
    if (*etag ? r == STORE_OK && strcmp(meta.etag, etag) != 0 : r == STORE_OK) {
        err_set(e, STATUS_RESOURCE_CONFLICT, "store: %s was changed by somebody else", key);
        return STORE_EXISTS;
    }
    if (*etag && r == STORE_MISSING)
        return r;
    if (file_replace_at(dir, name, data, len, 0640, e) < 0)
        return failed(key, e);
    sha256_hex(data, len, fresh);
    return STORE_OK;
}

static enum store_result remove_object(struct store *s, const char *key, struct err *e) {
    const char *name;
    _close_ int dir = open_parent(s->root, key, false, &name);
    if (dir < 0 && errno == ENOENT)
        return STORE_OK;
    if (dir < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
        return failed(key, e);
    return STORE_OK;
}

/* One note a folder: nothing enforces it, as nothing enforces `.retain`. */
static enum store_result hold(struct store *s, const char *key, const char *version, bool on,
                              struct err *e) {
    const char *name;
    (void)version;
    _close_ int dir = open_parent(s->root, key, false, &name);
    if (dir < 0 || faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(key, e);
    if (on ? file_replace_at(dir, HOLD, "on\n", 3, 0640, e) < 0
           : unlinkat(dir, HOLD, 0) < 0 && errno != ENOENT)
        return failed(key, e);
    return STORE_OK;
}

/* ---- listing -------------------------------------------------------------------------------- */

struct names {
    char **list;
    size_t count, cap;
};

static void names_fini(struct names *n) {
    for (size_t i = 0; i < n->count; i++)
        free(n->list[i]);
    free(n->list);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_add(struct names *n, const char *name, bool folder) {
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 64;
        char **list = realloc(n->list, cap * sizeof *list);
        if (!list)
            return -1;
        n->list = list;
        n->cap = cap;
    }
    if (asprintf(&n->list[n->count], "%s%s", name, folder ? "/" : "") < 0)
        return -1;
    n->count++;
    return 0;
}

/* Names in the order S3 would list them: folders with their slash. */
static int read_names(DIR *dir, struct names *out) {
    for (struct dirent *d; (d = readdir(dir));) {
        if (d->d_name[0] == '.')
            continue;
        bool folder = d->d_type == DT_DIR;
        struct stat st;
        if (d->d_type == DT_UNKNOWN) {
            if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                continue;
            folder = S_ISDIR(st.st_mode);
        }
        if (names_add(out, d->d_name, folder) < 0)
            return -1;
    }
    if (out->count)
        qsort(out->list, out->count, sizeof *out->list, by_bytes);
    return 0;
}

static enum store_result list(struct store *s, const char *folder,
                              int (*fn)(void *arg, const struct store_entry *entry), void *arg,
                              struct err *e) {
    int fd = open_beneath(s->root, *folder ? folder : ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? STORE_OK : failed(folder, e);
    DIR *dir = fdopendir(fd);
    struct names names __attribute__((cleanup(names_fini))) = { 0 };
    enum store_result r = STORE_OK;
    if (!dir) {
        close(fd);
        return failed(folder, e);
    }
    if (read_names(dir, &names) < 0)
        r = failed(folder, e);
    for (size_t i = 0; r == STORE_OK && i < names.count; i++) {
        char key[NAME_KEY_SIZE + 256];
        const char *name = names.list[i];
        struct stat st = { 0 };
        bool is_folder = name[strlen(name) - 1] == '/';
        /* Gone meanwhile, or a link: not an object. */
        if (!is_folder &&
            (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)))
            continue;
        snprintf(key, sizeof key, "%s%s%s", folder, *folder ? "/" : "", name);
        struct store_entry entry = { .key = key,
                                     .size = (uint64_t)st.st_size,
                                     .folder = is_folder };
        if (fn(arg, &entry) != 0)
            break;
    }
    closedir(dir);
    return r;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static enum store_result clock_offset(struct store *s, const char *bucket, int64_t *offset_ms,
                                      struct err *e) {
    (void)s, (void)bucket, (void)e;
    *offset_ms = 0;
    return STORE_OK;
}

static enum store_result check(struct store *s, const char *bucket, struct err *e) {
    char key[NAME_KEY_SIZE], id[UUID_LEN + 1];
    (void)bucket; /* folders are made when they are needed */
    uuid_v7(id, clock_wall_ms());
    snprintf(key, sizeof key, "_check/%s", id);
    enum store_result r = put(s, key, id, UUID_LEN, NULL, 0, NULL, e);
    if (r == STORE_OK && put(s, key, "other", 5, NULL, 0, NULL, NULL) != STORE_EXISTS) {
        err_set(e, 0, "store: %s replaced a file that was there", s->target->folder);
        r = STORE_REFUSED;
    }
    const char *name;
    _close_ int dir = open_parent(s->root, key, false, &name);
    if (dir >= 0)
        unlinkat(dir, name, 0);
    unlinkat(s->root, "_check", AT_REMOVEDIR);
    return r;
}

static enum store_result bucket(struct store *s, const char *name, int retention_days,
                                void (*say)(const char *text), struct err *e) {
    char path[NAME_KEY_SIZE];
    (void)retention_days;
    snprintf(path, sizeof path, "%s/", name);
    if (make_folders(s->root, path) < 0)
        return failed(name, e);
    say("the folder is there; nothing but its owner's care keeps its files");
    return STORE_OK;
}

static enum store_result plain(struct store *s, const char *name, void (*say)(const char *text),
                               struct err *e) {
    return bucket(s, name, 0, say, e);
}

const struct store_ops store_folder_ops = { .put = put,
                                            .get = get,
                                            .head = head,
                                            .list = list,
                                            .swap = swap,
                                            .remove = remove_object,
                                            .hold = hold,
                                            .clock = clock_offset,
                                            .check = check,
                                            .bucket = bucket,
                                            .plain = plain };
