/* See assets.h. */
#include "proxy/proxy/assets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "guacd/base/enc.h"

#define FILES_MAX 1000
#define FILE_BYTES_MAX (16u << 20)
#define DEPTH_MAX 4

struct assets {
    struct asset *rows;
    size_t count;
};

static const struct {
    const char *suffix, *type;
} types[] = {
    { ".html", "text/html; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".json", "application/json" },
    { ".svg", "image/svg+xml" },
    { ".png", "image/png" },
    { ".ico", "image/x-icon" },
    { ".woff2", "font/woff2" },
    { ".webmanifest", "application/manifest+json" },
    { ".txt", "text/plain; charset=utf-8" },
};

static bool ends_with(const char *s, const char *suffix) {
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && strcmp(s + n - k, suffix) == 0;
}

static const char *type_of(const char *path) {
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (ends_with(path, types[i].suffix))
            return types[i].type;
    return "application/octet-stream";
}

static int read_file(const char *path, struct slice *out, struct err *e) {
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(e, 0x0200, "%s", path);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
        return err_set(e, 0x0200, "%s: not a file of the page", path);
    _free_ char *data = malloc((size_t)st.st_size + 1);
    if (!data)
        return err_set(e, 0x0200, "out of memory");
    size_t have = 0;
    while (have < (size_t)st.st_size) {
        ssize_t n = read(fd, data + have, (size_t)st.st_size - have);
        if (n < 0)
            return err_errno(e, 0x0200, "%s", path);
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *out = (struct slice){ steal_ptr(data), have };
    return 0;
}

/* A compressed neighbour is used only when it is there. */
static void read_variant(const char *path, const char *suffix, struct slice *out) {
    char full[4096];
    if (snprintf(full, sizeof full, "%s%s", path, suffix) < (int)sizeof full)
        read_file(full, out, NULL);
}

static int add_file(struct assets *a, const char *full, const char *name, struct err *e) {
    if (a->count >= FILES_MAX)
        return err_set(e, 0x0200, "more than %d files in the page's folder", FILES_MAX);
    struct asset *grown = realloc(a->rows, (a->count + 1) * sizeof *grown);
    if (!grown)
        return err_set(e, 0x0200, "out of memory");
    a->rows = grown;
    struct asset row = { .type = type_of(name), .immutable = strncmp(name, "/assets/", 8) == 0 };
    if (read_file(full, &row.plain, e) < 0)
        return -1;
    read_variant(full, ".gz", &row.gzip);
    read_variant(full, ".br", &row.brotli);
    char hex[65];
    sha256_hex(row.plain.data, row.plain.len, hex);
    snprintf(row.etag, sizeof row.etag, "\"%.16s\"", hex);
    row.path = strdup(name);
    a->rows[a->count++] = row;
    return row.path ? 0 : err_set(e, 0x0200, "out of memory");
}

static int walk(struct assets *a, const char *folder, const char *prefix, int depth,
                struct err *e) {
    DIR *dir = opendir(folder);
    if (!dir)
        return err_errno(e, 0x0200, "%s", folder);
    int rc = 0;
    for (struct dirent *d; rc == 0 && (d = readdir(dir));) {
        char full[4096], name[1024];
        if (d->d_name[0] == '.' || ends_with(d->d_name, ".gz") || ends_with(d->d_name, ".br"))
            continue;
        if (snprintf(full, sizeof full, "%s/%s", folder, d->d_name) >= (int)sizeof full ||
            snprintf(name, sizeof name, "%s/%s", prefix, d->d_name) >= (int)sizeof name)
            continue;
        struct stat st;
        if (stat(full, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            rc = depth < DEPTH_MAX ? walk(a, full, name, depth + 1, e) : 0;
        else
            rc = add_file(a, full, name, e);
    }
    closedir(dir);
    return rc;
}

static int by_path(const void *x, const void *y) {
    return strcmp(((const struct asset *)x)->path, ((const struct asset *)y)->path);
}

struct assets *assets_load(const char *folder, struct err *e) {
    struct assets *a = calloc(1, sizeof *a);
    if (!a || walk(a, folder, "", 0, e) < 0) {
        assets_free(a);
        return NULL;
    }
    if (a->count > 0)
        qsort(a->rows, a->count, sizeof *a->rows, by_path);
    if (!assets_find(a, "/")) {
        err_set(e, 0x0200, "%s holds no index.html: build the page with `make web`", folder);
        assets_free(a);
        return NULL;
    }
    return a;
}

void assets_free(struct assets *a) {
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++) {
        free(a->rows[i].path);
        free((void *)(uintptr_t)a->rows[i].plain.data);
        free((void *)(uintptr_t)a->rows[i].gzip.data);
        free((void *)(uintptr_t)a->rows[i].brotli.data);
    }
    free(a->rows);
    free(a);
}

static const struct asset *exact(const struct assets *a, const char *path) {
    struct asset key = { .path = (char *)(uintptr_t)path };
    return a->count ? bsearch(&key, a->rows, a->count, sizeof *a->rows, by_path) : NULL;
}

const struct asset *assets_find(const struct assets *a, const char *path) {
    const struct asset *found = exact(a, path);
    if (found)
        return found;
    /* Files are at the top and in /assets; every other address is the page's, dots or not: the
     * token of an invitation has one. */
    bool file = strncmp(path, "/assets/", 8) == 0 || !strchr(path + (*path == '/'), '/');
    return file && strchr(path, '.') ? NULL : exact(a, "/index.html");
}
