#include "crd/resources_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crd/yamldoc.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

int resources_file_name(const char *namespace, const char *name, char out[RESOURCES_FILE_NAME]) {
    int n = snprintf(out, RESOURCES_FILE_NAME, "%s.%s.yaml", namespace, name);
    return n > 0 && n < RESOURCES_FILE_NAME - 8 ? 0 : -1; /* room for a temporary name's prefix */
}

/* ---- reading --------------------------------------------------------------------------------- */

static int take_one(void *arg, json_t *doc, int line) {
    json_t **out = arg;
    if (*out)
        return line; /* not -1: the reader has no words for it */
    *out = json_incref(doc);
    return 0;
}

int resources_file_parse(const char *text, size_t len, json_t **document, struct err *e) {
    json_t *doc = NULL;
    int rc = yamldoc_each(text, len, take_one, &doc, e);
    if (rc > 0)
        rc = err_set(e, STATUS_CLIENT_BAD_REQUEST, "line %d: a second document; one a file", rc);
    else if (rc == 0 && !json_is_object(doc))
        rc = err_set(e, STATUS_CLIENT_BAD_REQUEST, "holds no resource");
    if (rc)
        json_decref(doc);
    else
        *document = doc;
    return rc ? -1 : 0;
}

static enum resources_result failed(const char *what, struct err *e) {
    enum resources_result r = errno == EACCES || errno == EPERM || errno == EROFS
                                  ? RESOURCES_REFUSED
                              : errno == ENOENT ? RESOURCES_NOT_FOUND
                                                : RESOURCES_UNAVAILABLE;
    err_errno(e, STATUS_SERVER_ERROR, "%s", what);
    return r;
}

static enum resources_result slurp(int fd, struct buf *text, struct err *e) {
    for (;;) {
        char *room = buf_reserve(text, 8192);
        ssize_t n = room ? read(fd, room, 8192) : 0;
        if (!room) {
            err_set(e, STATUS_CLIENT_BAD_REQUEST, "is larger than %d bytes", RESOURCES_FILE_MAX);
            return RESOURCES_INVALID;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("cannot be read", e);
        if (n == 0)
            return RESOURCES_OK;
        text->len += (size_t)n;
    }
}

enum resources_result resources_file_load(int dir, const char *file, struct resources_file *out,
                                          struct err *e) {
    struct buf text _buf_cleanup_;
    char hex[65];
    buf_init(&text, RESOURCES_FILE_MAX + 8192);
    _close_ int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &out->st))
        return failed("cannot be read", e);
    if (!S_ISREG(out->st.st_mode)) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "is no regular file");
        return RESOURCES_INVALID;
    }
    enum resources_result r = slurp(fd, &text, e);
    if (r != RESOURCES_OK)
        return r;
    sha256_hex(text.data ? text.data : "", text.len, hex);
    memcpy(out->version, hex, 16);
    out->version[16] = '\0';
    if (resources_file_parse(text.data ? text.data : "", text.len, &out->document, e))
        return RESOURCES_INVALID;
    return RESOURCES_OK;
}

void resources_file_fini(struct resources_file *f) {
    json_decref(f->document);
    f->document = NULL;
}

struct resource *resources_file_resource(enum resource_kind kind, const char *file,
                                         const struct resources_file *f) {
    char wanted[RESOURCES_FILE_NAME];
    struct resource *r = resource_read(kind, f->document, file);
    if (!r)
        return NULL;
    free(r->version);
    r->version = strdup(f->version);
    if (!r->uid) { /* an editor's: the same name is the same resource */
        char text[400], hex[65];
        int n = snprintf(text, sizeof text, "%d/%s/%s", (int)kind, r->namespace, r->name);
        sha256_hex(text, (size_t)n, hex);
        snprintf(text, sizeof text, "folder-%.16s", hex);
        r->uid = strdup(text);
    }
    if (!r->created)
        r->created = (int64_t)f->st.st_mtim.tv_sec * 1000;
    if (resources_file_name(r->namespace, r->name, wanted) || strcmp(wanted, file) != 0)
        json_array_append_new(r->errors, json_sprintf("the file must be called %s", wanted));
    if (r->version && r->uid)
        return r;
    resource_unref(r);
    return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len) {
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

enum resources_result resources_file_save(int dir, const char *file, const json_t *document,
                                          struct err *e) {
    char temporary[RESOURCES_FILE_NAME + 8];
    _free_ char *text = json_dumps(document, JSON_INDENT(1) | JSON_SORT_KEYS);
    if (!text || strlen(text) + 1 > RESOURCES_FILE_MAX) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s would be larger than %d bytes", file,
                RESOURCES_FILE_MAX);
        return RESOURCES_INVALID;
    }
    snprintf(temporary, sizeof temporary, ".new-%s", file); /* the lock makes it ours alone */
    _close_ int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd >= 0 && write_all(fd, text, strlen(text)) == 0 && write_all(fd, "\n", 1) == 0 &&
        fdatasync(fd) == 0 && renameat(dir, temporary, dir, file) == 0) {
        fsync(dir); /* best effort: a name that a crash takes back is as if we had not come */
        return RESOURCES_OK;
    }
    enum resources_result r = failed(file, e);
    unlinkat(dir, temporary, 0);
    return r == RESOURCES_NOT_FOUND ? RESOURCES_UNAVAILABLE : r;
}
