/* A bag that somebody hands in. 'T': the rest is a tar, as it is. 'F': files, each a path, a
 * newline, a length of two bytes and bytes, made into a tar with a manifest that fits, so that
 * what is behind these is met too. Without an anchor nothing is ever proved. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guacd/base/enc.h"
#include "recording/evidence/bag_verify.h"
#include "recording/evidence/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES_MAX 64

static void add(struct buf *tar, const char *path, const void *data, size_t len) {
    static const char zeros[2 * TAR_BLOCK];
    unsigned char head[TAR_HEAD_MAX];
    size_t n = tar_head(path, len, 0644, 0, head);
    if (!n)
        return;
    buf_add(tar, head, n);
    buf_add(tar, data, len);
    buf_add(tar, zeros, tar_padding(len));
}

/* "bag/<path>" and its line of the manifest; NULL at the end. */
static const uint8_t *file(const uint8_t *p, const uint8_t *end, struct buf *tar,
                           struct buf *manifest) {
    char path[300], hex[65];
    const uint8_t *line = memchr(p, '\n', (size_t)(end - p));
    if (!line || end - line < 3 || line - p > 250)
        return NULL;
    size_t len = (size_t)line[1] << 8 | line[2], rest = (size_t)(end - line - 3);
    len = len < rest ? len : rest;
    memcpy(path, "bag/", 4);
    memcpy(path + 4, p, (size_t)(line - p));
    path[4 + (line - p)] = '\0';
    add(tar, path, line + 3, len);
    sha256_hex(line + 3, len, hex);
    if (strncmp(path, "bag/data/", 9) == 0)
        buf_printf(manifest, "%s  %s\n", hex, path + 4);
    return line + 3 + len;
}

static void made(const uint8_t *data, size_t size, struct buf *tar) {
    static const char zeros[2 * TAR_BLOCK];
    struct buf manifest;
    buf_init(&manifest, 1 << 20);
    const uint8_t *end = data + size;
    for (size_t n = 0; n < FILES_MAX && data && data < end; n++)
        data = file(data, end, tar, &manifest);
    add(tar, "bag/manifest-sha256.txt", manifest.data ? manifest.data : "", manifest.len);
    buf_add(tar, zeros, sizeof zeros);
    buf_fini(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct complete_report report;
    struct anchor anchor = { 0 };
    const struct bag_verify v = { .anchor = &anchor };
    struct err e = { 0 };
    struct buf tar;
    if (size < 1 || size > 1 << 18)
        return 0;
    buf_init(&tar, 1 << 20);
    if (data[0] == 'F')
        made(data + 1, size - 1, &tar);
    else
        buf_add(&tar, data + 1, size - 1);
    int fd = memfd_create("bag", MFD_CLOEXEC);
    if (fd < 0 || (tar.len && write(fd, tar.data, tar.len) != (ssize_t)tar.len))
        abort();
    if (bag_verify_tar(fd, &v, &report, &e) == 0) {
        if (report.result == VERIFY_PROVED)
            abort();
        if (report.result == VERIFY_BROKEN && report.problem_count == 0)
            abort();
    } else if (!*e.text) {
        abort();
    }
    complete_report_fini(&report);
    buf_fini(&tar);
    return 0;
}
