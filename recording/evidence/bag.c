/* Written aside, named when whole. */
#include "recording/evidence/bag.h"

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
#include "recording/file.h"

#define PATH_SIZE 1200
#define MANIFEST_MAX ((size_t)1 << 30)

struct bag_file {
    struct bag *bag;
    int fd;
    EVP_MD_CTX *hash;
    uint64_t bytes;
    char path[PATH_SIZE];
};

int bag_open(struct bag *b, const char *path, struct err *e) {
    *b = (struct bag){ .root = -1 };
    buf_init(&b->manifest, MANIFEST_MAX);
    buf_init(&b->tags, 65536);
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return err_errno(e, 0, "%s", path);
    b->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->root < 0)
        return err_errno(e, 0, "%s", path);
    if (faccessat(b->root, "manifest-sha256.txt", F_OK, 0) == 0)
        return err_set(e, 0, "%s holds a bag that is finished: choose another folder", path);
    return 0;
}

void bag_fini(struct bag *b) {
    if (b->root >= 0)
        close(b->root);
    buf_fini(&b->manifest);
    buf_fini(&b->tags);
    b->root = -1;
}

static int make_folders(int root, const char *path) {
    char part[PATH_SIZE];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(root, part, 0750) < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

static void note(struct bag *b, const char *path, const char *hex, uint64_t bytes) {
    bool payload = strncmp(path, "data/", 5) == 0;
    buf_printf(payload ? &b->manifest : &b->tags, "%s  %s\n", hex, path);
    b->files += payload;
    b->bytes += payload ? bytes : 0;
}

struct bag_file *bag_begin(struct bag *b, const char *path, struct err *e) {
    struct bag_file *f = calloc(1, sizeof *f);
    char fresh[PATH_SIZE + 8];
    if (!f) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    f->bag = b;
    snprintf(f->path, sizeof f->path, "%s", path);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    f->hash = EVP_MD_CTX_new();
    f->fd =
        make_folders(b->root, path) < 0
            ? -1
            : openat(b->root, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (f->fd >= 0 && f->hash && EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL) == 1)
        return f;
    err_errno(e, 0, "%s", path);
    if (f->fd >= 0)
        close(f->fd);
    EVP_MD_CTX_free(f->hash);
    free(f);
    return NULL;
}

int bag_add(struct bag_file *f, const void *data, size_t len, struct err *e) {
    f->bytes += len;
    if (len == 0)
        return 0;
    return EVP_DigestUpdate(f->hash, data, len) != 1 || file_write_all(f->fd, data, len) < 0
               ? err_errno(e, 0, "%s", f->path)
               : 0;
}

int bag_end(struct bag_file *f, struct err *e) {
    char fresh[PATH_SIZE + 8], hex[65];
    uint8_t sum[32];
    if (!f)
        return 0;
    snprintf(fresh, sizeof fresh, "%s.new", f->path);
    EVP_DigestFinal_ex(f->hash, sum, NULL);
    hex_encode(sum, sizeof sum, hex);
    int r = fsync(f->fd) < 0 || renameat(f->bag->root, fresh, f->bag->root, f->path) < 0
                ? err_errno(e, 0, "%s", f->path)
                : 0;
    if (r == 0)
        note(f->bag, f->path, hex, f->bytes);
    close(f->fd);
    EVP_MD_CTX_free(f->hash);
    free(f);
    return r;
}

int bag_put(struct bag *b, const char *path, const void *data, size_t len, struct err *e) {
    struct bag_file *f = bag_begin(b, path, e);
    if (!f)
        return -1;
    int r = bag_add(f, data, len, e);
    return bag_end(f, r < 0 ? NULL : e) < 0 || r < 0 ? -1 : 0;
}

bool bag_has(struct bag *b, const char *path, uint64_t size) {
    struct stat st;
    char hex[65];
    struct buf all __attribute__((cleanup(buf_fini)));
    buf_init(&all, (size_t)512 << 20);
    if (fstatat(b->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != size || file_read_at(b->root, path, &all, NULL) < 0)
        return false;
    sha256_hex(all.data, all.len, hex);
    note(b, path, hex, size);
    return true;
}

int bag_close(struct bag *b, const char *info, struct err *e) {
    static const char declaration[] = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
    struct buf text __attribute__((cleanup(buf_fini)));
    buf_init(&text, 65536);
    buf_printf(&text, "%sPayload-Oxum: %llu.%llu\n", info, (unsigned long long)b->bytes,
               (unsigned long long)b->files);
    if (b->manifest.failed || text.failed)
        return err_set(e, 0, "no memory for the manifest");
    struct buf manifest = b->manifest; /* named last: what has one is whole */
    if (bag_put(b, "bagit.txt", declaration, strlen(declaration), e) < 0 ||
        bag_put(b, "bag-info.txt", text.data, text.len, e) < 0)
        return -1;
    char hex[65];
    sha256_hex(manifest.data, manifest.len, hex);
    buf_printf(&b->tags, "%s  manifest-sha256.txt\n", hex);
    struct buf tags = b->tags;
    return file_replace_at(b->root, "tagmanifest-sha256.txt", tags.data, tags.len, 0640, e) < 0 ||
                   file_replace_at(b->root, "manifest-sha256.txt", manifest.data, manifest.len,
                                   0640, e) < 0
               ? -1
               : 0;
}
