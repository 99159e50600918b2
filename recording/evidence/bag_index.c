/* Paths stand one behind the other in blocks; the list is sorted once. */
#include "recording/evidence/bag_index.h"

#include <dirent.h>
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
#include "recording/evidence/tar.h"

#define ARENA_BYTES ((size_t)1 << 20)
#define DEPTH_MAX 16
#define HEADS_MAX (2 * BAG_FILES_MAX)

struct bag_arena {
    struct bag_arena *next;
    size_t used;
    char text[ARENA_BYTES];
};

static void odd(struct bag_index *x, const char *path, const char *what) {
    if (x->odd)
        x->odd(x->arg, path, what);
}

static const char *keep(struct bag_index *x, const char *path, size_t len) {
    struct bag_arena *a = x->arena;
    if (!a || a->used + len + 1 > ARENA_BYTES) {
        a = malloc(sizeof *a);
        if (!a)
            return NULL;
        a->next = x->arena;
        a->used = 0;
        x->arena = a;
    }
    char *out = a->text + a->used;
    memcpy(out, path, len);
    out[len] = '\0';
    a->used += len + 1;
    return out;
}

static int add(struct bag_index *x, const char *path, uint64_t size, uint64_t at, struct err *e) {
    if (x->count == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 1024;
        struct bag_entry *more =
            x->count < BAG_FILES_MAX ? realloc(x->files, cap * sizeof *more) : NULL;
        if (!more)
            return err_set(e, 0, "more than %u files", BAG_FILES_MAX);
        x->files = more;
        x->cap = cap;
    }
    const char *kept = keep(x, path, strlen(path));
    if (!kept)
        return err_set(e, 0, "no memory");
    x->files[x->count++] = (struct bag_entry){ kept, size, at };
    return 0;
}

/* ---- a folder ------------------------------------------------------------------------------- */

static int walk(struct bag_index *x, int dir, const char *under, int depth, struct err *e);

static int member(struct bag_index *x, int dir, const char *name, const char *under, int depth,
                  struct err *e) {
    char path[TAR_PATH_MAX + 1];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s%s%s", under, *under ? "/" : "", name);
    if (n > (int)TAR_PATH_MAX || depth > DEPTH_MAX) {
        odd(x, under, "names too long, or folders too deep");
        return 0;
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(e, 0, "%s", path);
    if (S_ISREG(st.st_mode))
        return add(x, path, (uint64_t)st.st_size, 0, e);
    if (!S_ISDIR(st.st_mode)) {
        odd(x, path, S_ISLNK(st.st_mode) ? "a link" : "no file");
        return 0;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_errno(e, 0, "%s", path) : walk(x, fd, path, depth + 1, e);
}

/* Takes dir. */
static int walk(struct bag_index *x, int dir, const char *under, int depth, struct err *e) {
    DIR *d = fdopendir(dir);
    int r = 0;
    if (!d) {
        close(dir);
        return err_errno(e, 0, "%s", under);
    }
    for (struct dirent *f; r == 0 && (f = readdir(d));)
        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
            r = member(x, dir, f->d_name, under, depth, e);
    closedir(d);
    return r;
}

/* ---- a tar ---------------------------------------------------------------------------------- */

static ssize_t read_at(int fd, void *out, size_t len, uint64_t at) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)out + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* "top/data/x" -> "data/x"; NULL: a name that leads elsewhere, or that of the top itself. */
static const char *below_top(const char *path, char top[256]) {
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    size_t n = strcspn(path, "/");
    if (path[n] != '/' || n == 0 || n >= 255)
        return NULL;
    if (!*top)
        snprintf(top, 256, "%.*s", (int)n, path);
    if (strlen(top) != n || strncmp(path, top, n) != 0 || strcmp(top, "..") == 0)
        return NULL;
    path += n + 1;
    for (const char *p = path; *p; p += strcspn(p, "/"), p += *p == '/') {
        size_t len = strcspn(p, "/");
        if (len == 0 || (len == 1 && *p == '.') || (len == 2 && strncmp(p, "..", 2) == 0))
            return NULL;
    }
    return *path && path[strlen(path) - 1] != '/' ? path : NULL;
}

struct scan {
    struct bag_index *x;
    uint64_t at, end;
    struct tar_entry next; /* what the heads before said: path, size */
    bool path, size;
    char top[256];
};

/* A head's body that is about the next one. */
static int about_next(struct scan *s, const struct tar_entry *t, struct err *e) {
    char body[TAR_PATH_MAX * 4 + 1] = "";
    uint64_t unset = UINT64_MAX;
    struct tar_entry said = { .size = unset };
    if (t->size >= sizeof body ||
        read_at(s->x->tar, body, (size_t)t->size, s->at) != (ssize_t)t->size)
        return err_set(e, 0, "its head at %llu is none", (unsigned long long)s->at);
    size_t len = strlen(body);
    if (t->kind == TAR_LONG ? len >= sizeof said.path : !tar_pax(body, (size_t)t->size, &said))
        return err_set(e, 0, "its head at %llu is none", (unsigned long long)s->at);
    if (t->kind == TAR_LONG)
        memcpy(said.path, body, len + 1);
    if (*said.path) {
        memcpy(s->next.path, said.path, sizeof said.path);
        s->path = true;
    }
    if (said.size != unset) {
        s->next.size = said.size;
        s->size = true;
    }
    return 0;
}

static int file(struct scan *s, struct tar_entry *t, struct err *e) {
    if (s->path)
        memcpy(t->path, s->next.path, sizeof t->path);
    if (s->size)
        t->size = s->next.size;
    s->path = s->size = false;
    if (t->size > s->end - s->at)
        return err_set(e, 0, "%.200s: cut off", t->path);
    const char *path = t->kind == TAR_FILE ? below_top(t->path, s->top) : NULL;
    if (path)
        return add(s->x, path, t->size, s->at, e);
    if (!t->folder)
        odd(s->x, t->path, t->kind == TAR_FILE ? "a name outside the bag" : "no file");
    return 0;
}

static int scan(struct bag_index *x, struct err *e) {
    struct stat st;
    struct scan *s = calloc(1, sizeof *s);
    struct tar_entry *t = calloc(1, sizeof *t);
    int r = s && t && fstat(x->tar, &st) == 0 ? 0 : err_set(e, 0, "no memory");
    if (r == 0) {
        s->x = x;
        s->end = (uint64_t)st.st_size;
    }
    for (size_t heads = 0; r == 0; heads++) {
        unsigned char block[TAR_BLOCK];
        if (heads > HEADS_MAX || read_at(x->tar, block, sizeof block, s->at) != TAR_BLOCK ||
            tar_parse(block, t) == TAR_BAD) {
            r = err_set(e, 0, "no tar, or cut off, at byte %llu", (unsigned long long)s->at);
            break;
        }
        if (t->kind == TAR_END)
            break;
        s->at += TAR_BLOCK;
        r = t->kind == TAR_PAX || t->kind == TAR_LONG ? about_next(s, t, e) : file(s, t, e);
        if (r == 0 && (t->size > s->end - s->at || tar_padding(t->size) > s->end - s->at - t->size))
            r = err_set(e, 0, "%.200s: cut off", t->path);
        s->at += t->size + tar_padding(t->size);
    }
    free(s);
    free(t);
    return r;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct bag_entry *)a)->path, ((const struct bag_entry *)b)->path);
}

static void sort(struct bag_index *x) {
    if (x->count)
        qsort(x->files, x->count, sizeof *x->files, by_path);
    for (size_t i = 1; i < x->count; i++)
        if (by_path(&x->files[i - 1], &x->files[i]) == 0)
            odd(x, x->files[i].path, "twice in the archive");
}

bool bag_is(const char *path) {
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    if (!S_ISDIR(st.st_mode))
        return S_ISREG(st.st_mode);
    _close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir >= 0 && (faccessat(dir, "bagit.txt", F_OK, 0) == 0 ||
                        faccessat(dir, "manifest-sha256.txt", F_OK, 0) == 0);
}

int bag_index_tar(struct bag_index *x, int fd, struct err *e) {
    x->root = -1;
    x->tar = fd;
    if (scan(x, e) < 0)
        return -1;
    sort(x);
    return 0;
}

int bag_index_open(struct bag_index *x, const char *path, struct err *e) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    x->root = x->tar = -1;
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_errno(e, 0, "%s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (!S_ISDIR(st.st_mode))
        return bag_index_tar(x, fd, e) < 0 ? err_prefix(e, "%s", path) : 0;
    x->root = fd;
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0 || walk(x, own, "", 0, e) < 0)
        return err_prefix(e, "%s", path);
    sort(x);
    return 0;
}

void bag_index_fini(struct bag_index *x) {
    if (x->root >= 0)
        close(x->root);
    if (x->tar >= 0)
        close(x->tar);
    for (struct bag_arena *a = x->arena, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(x->files);
    *x = (struct bag_index){ .root = -1, .tar = -1 };
}

size_t bag_index_from(const struct bag_index *x, const char *path) {
    size_t low = 0, high = x->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(x->files[mid].path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct bag_entry *bag_index_find(const struct bag_index *x, const char *path) {
    size_t i = bag_index_from(x, path);
    return i < x->count && strcmp(x->files[i].path, path) == 0 ? &x->files[i] : NULL;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* The file, or the tar, and where it begins there; close_file() it. */
static int open_file(const struct bag_index *x, const struct bag_entry *f, uint64_t *base,
                     struct err *e) {
    *base = x->root < 0 ? f->at : 0;
    int fd = x->root < 0 ? x->tar : openat(x->root, f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        err_errno(e, 0, "%s", f->path);
    return fd;
}

static void close_file(const struct bag_index *x, int fd) {
    if (fd != x->tar)
        close(fd);
}

/* In pieces, in order. */
static int each(const struct bag_index *x, const struct bag_entry *f, uint64_t at, uint64_t len,
                int (*fn)(void *arg, const char *data, size_t len), void *arg, struct err *e) {
    char block[65536];
    uint64_t base, end = at > f->size ? f->size : at + MIN_OF(len, f->size - at);
    int fd = open_file(x, f, &base, e), r = 0;
    if (fd < 0)
        return -1;
    while (r == 0 && at < end) {
        size_t want = (size_t)MIN_OF(end - at, sizeof block);
        if (read_at(fd, block, want, base + at) != (ssize_t)want)
            r = err_set(e, 0, "%s: cut off, or unreadable", f->path);
        else
            r = fn(arg, block, want);
        at += want;
    }
    close_file(x, fd);
    return r;
}

static int on_copy(void *arg, const char *data, size_t len) {
    return buf_add(arg, data, len) < 0 ? -2 : 0;
}

int bag_index_read(const struct bag_index *x, const struct bag_entry *f, uint64_t at, size_t len,
                   struct buf *out, struct err *e) {
    int r = each(x, f, at, len, on_copy, out, e);
    return r == -2 ? err_set(e, 0, "%s: too large", f->path) : r;
}

static int on_hash(void *arg, const char *data, size_t len) {
    return EVP_DigestUpdate(arg, data, len) == 1 ? 0 : -2;
}

int bag_index_hash(const struct bag_index *x, const struct bag_entry *f, char hex[65],
                   struct err *e) {
    uint8_t sum[32];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    int r = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1
                ? each(x, f, 0, f->size, on_hash, hash, e)
                : err_set(e, 0, "no memory");
    if (r == 0)
        EVP_DigestFinal_ex(hash, sum, NULL);
    EVP_MD_CTX_free(hash);
    if (r == 0)
        hex_encode(sum, sizeof sum, hex);
    return r;
}

struct lines {
    int (*fn)(void *arg, const char *line, size_t len);
    void *arg;
    struct buf rest;
};

static int on_lines(void *arg, const char *data, size_t len) {
    struct lines *l = arg;
    for (const char *end; (end = memchr(data, '\n', len)); data = end + 1) {
        size_t n = (size_t)(end - data);
        bool whole = l->rest.len == 0;
        if (!whole && buf_add(&l->rest, data, n) < 0)
            return -3;
        int r = l->fn(l->arg, whole ? data : l->rest.data, whole ? n : l->rest.len);
        buf_clear(&l->rest);
        if (r < 0)
            return r;
        len -= n + 1;
    }
    return len > 0 && buf_add(&l->rest, data, len) < 0 ? -3 : 0;
}

int bag_index_lines(const struct bag_index *x, const struct bag_entry *f,
                    int (*fn)(void *arg, const char *line, size_t len), void *arg, struct err *e) {
    struct lines l = { .fn = fn, .arg = arg };
    buf_init(&l.rest, BAG_LINE_MAX);
    int r = each(x, f, 0, f->size, on_lines, &l, e);
    if (r == 0 && l.rest.len)
        r = fn(arg, l.rest.data, l.rest.len);
    buf_fini(&l.rest);
    return r == -3 ? err_set(e, 0, "%s: a line too long", f->path) : r;
}
