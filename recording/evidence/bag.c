/* Named when whole: what has a manifest is a bag. */
#include "recording/evidence/bag.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "recording/evidence/bag_impl.h"
#include "recording/evidence/tar.h"
#include "recording/file.h"

#define MANIFEST_LINE (TAR_PATH_MAX + 80)

static int open_manifest(struct bag *b, bool keep, struct err *e) {
    b->manifest = bag_scratch(b, BAG_MANIFEST, keep, e);
    return b->manifest < 0 ? -1 : 0;
}

int bag_open(struct bag *b, const char *path, struct err *e) {
    *b = (struct bag){ .root = -1, .tar = -1, .manifest = -1 };
    buf_init(&b->tags, 65536);
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return err_errno(e, 0, "%s", path);
    b->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->root < 0)
        return err_errno(e, 0, "%s", path);
    if (faccessat(b->root, BAG_MANIFEST, F_OK, 0) == 0)
        return err_set(e, 0, "%s holds a bag that is finished: choose another folder", path);
    return open_manifest(b, false, e);
}

int bag_open_tar(struct bag *b, int dir, const char *top, uint64_t made_s,
                 const struct bag_mark *mark, struct err *e) {
    *b = (struct bag){ .root = dir, .tar = -1, .manifest = -1, .made_s = made_s };
    snprintf(b->top, sizeof b->top, "%s", top);
    buf_init(&b->tags, 65536);
    b->tar = openat(dir, BAG_TAR, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (b->tar < 0)
        return err_errno(e, 0, "%s", BAG_TAR);
    if (open_manifest(b, mark != NULL, e) < 0)
        return -1;
    if (mark) {
        b->end = mark->end;
        b->files = mark->files;
        b->bytes = mark->bytes;
    }
    if (ftruncate(b->tar, (off_t)b->end) < 0 ||
        ftruncate(b->manifest, mark ? (off_t)mark->manifest : 0) < 0)
        return err_errno(e, 0, "%s", BAG_TAR);
    return 0;
}

void bag_fini(struct bag *b) {
    if (b->tar < 0 && b->root >= 0)
        close(b->root);
    if (b->tar >= 0)
        close(b->tar);
    if (b->manifest >= 0)
        close(b->manifest);
    buf_fini(&b->tags);
    b->root = b->tar = b->manifest = -1;
}

int bag_sync(struct bag *b, struct bag_mark *mark, struct err *e) {
    struct stat st;
    if (fsync(b->tar) < 0 || fsync(b->manifest) < 0 || fstat(b->manifest, &st) < 0)
        return err_errno(e, 0, "%s", BAG_TAR);
    *mark = (struct bag_mark){
        .end = b->end, .manifest = (uint64_t)st.st_size, .files = b->files, .bytes = b->bytes
    };
    return 0;
}

int bag_scratch(struct bag *b, const char *name, bool keep, struct err *e) {
    char path[128];
    snprintf(path, sizeof path, "%s" BAG_SCRATCH, name);
    int fd =
        openat(b->root, path,
               O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (keep ? 0 : O_TRUNC), 0640);
    if (fd < 0)
        err_errno(e, 0, "%s", path);
    return fd;
}

int bag_note(struct bag *b, const char *path, const char *hex, uint64_t bytes, struct err *e) {
    char line[MANIFEST_LINE];
    int n = snprintf(line, sizeof line, "%s  %s\n", hex, path);
    if (strncmp(path, "data/", 5) != 0)
        return buf_add(&b->tags, line, (size_t)n) < 0 ? err_set(e, 0, "too many tag files") : 0;
    b->files++;
    b->bytes += bytes;
    return file_write_all(b->manifest, line, (size_t)n) < 0
               ? err_errno(e, 0, "%s", BAG_MANIFEST BAG_SCRATCH)
               : 0;
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
    if (b->tar >= 0 || fstatat(b->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size ||
        file_read_at(b->root, path, &all, NULL) < 0)
        return false;
    sha256_hex(all.data, all.len, hex);
    return bag_note(b, path, hex, size, NULL) == 0;
}

static int hash_file(int fd, char hex[65], struct err *e) {
    unsigned char block[65536], sum[32];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
    off_t at = 0;
    for (ssize_t n = 1; good && n != 0; at += n) {
        n = pread(fd, block, sizeof block, at);
        good = n >= 0 && EVP_DigestUpdate(hash, block, (size_t)n) == 1;
    }
    good = good && EVP_DigestFinal_ex(hash, sum, NULL) == 1;
    EVP_MD_CTX_free(hash);
    if (!good)
        return err_errno(e, 0, "the manifest");
    hex_encode(sum, sizeof sum, hex);
    return 0;
}

/* Of a folder by its name alone, when all else is there. */
static int close_folder(struct bag *b, struct err *e) {
    char hex[65];
    if (fsync(b->manifest) < 0)
        return err_errno(e, 0, "the manifest");
    if (hash_file(b->manifest, hex, e) < 0)
        return -1;
    buf_printf(&b->tags, "%s  " BAG_MANIFEST "\n", hex);
    struct buf tags = b->tags;
    if (file_replace_at(b->root, "tagmanifest-sha256.txt", tags.data, tags.len, 0640, e) < 0)
        return -1;
    if (renameat(b->root, BAG_MANIFEST BAG_SCRATCH, b->root, BAG_MANIFEST) < 0 ||
        fsync(b->root) < 0)
        return err_errno(e, 0, "the manifest");
    return 0;
}

static int close_tar(struct bag *b, struct err *e) {
    static const unsigned char ends[2 * TAR_BLOCK];
    struct bag_file *f = bag_begin(b, BAG_MANIFEST, e);
    if (!f)
        return -1;
    int r = bag_add_file(f, b->manifest, e);
    if (bag_end(f, r < 0 ? NULL : e) < 0 || r < 0)
        return -1;
    struct buf tags = b->tags; /* the file itself is in none */
    if (bag_put(b, "tagmanifest-sha256.txt", tags.data, tags.len, e) < 0)
        return -1;
    if (pwrite(b->tar, ends, sizeof ends, (off_t)b->end) != sizeof ends || fsync(b->tar) < 0)
        return err_errno(e, 0, "%s", BAG_TAR);
    b->end += sizeof ends;
    return 0;
}

int bag_close(struct bag *b, const char *info, struct err *e) {
    static const char declaration[] = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
    struct buf text __attribute__((cleanup(buf_fini)));
    buf_init(&text, 65536);
    buf_printf(&text, "%sPayload-Oxum: %llu.%llu\n", info, (unsigned long long)b->bytes,
               (unsigned long long)b->files);
    if (text.failed)
        return err_set(e, 0, "no memory for the bag's description");
    if (bag_put(b, "bagit.txt", declaration, strlen(declaration), e) < 0 ||
        bag_put(b, "bag-info.txt", text.data, text.len, e) < 0)
        return -1;
    return b->tar < 0 ? close_folder(b, e) : close_tar(b, e);
}
