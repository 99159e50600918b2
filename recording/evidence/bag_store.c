/* Reading only: every other operation is refused. A VersionId means nothing in a bag. */
#include "recording/evidence/bag_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/tar.h"
#include "recording/store_impl.h"

#define PATH_ROOM (TAR_PATH_MAX + 64)

struct bag_store {
    struct store store;
    struct store_target target;
    const struct bag_index *index;
};

/* Where a key's bytes lie in a bag; the last row takes all. */
static const struct {
    const char *key, *path, *end;
} places[] = {
    { BAG_LOG_BUCKET "-head/log/", "data/log/", "" },
    { BAG_LOG_BUCKET "/log/tsa", "data/log/stamps", "" },
    { BAG_LOG_BUCKET "/log/checkpoint/", "data/log/stamps/", ".note" },
    { BAG_LOG_BUCKET "/keys", "data/keys", "" },
    { "", "data/recordings/", "" },
};

static void place(const char *key, char out[PATH_ROOM]) {
    size_t i = 0;
    while (strncmp(key, places[i].key, strlen(places[i].key)) != 0)
        i++;
    snprintf(out, PATH_ROOM, "%s%s%s", places[i].path, key + strlen(places[i].key), places[i].end);
}

static enum store_result find(struct store *s, const char *key, const struct bag_entry **f,
                              struct err *e) {
    char path[PATH_ROOM];
    place(key, path);
    *f = bag_index_find(((const struct bag_store *)s)->index, path);
    if (*f)
        return STORE_OK;
    err_set(e, STATUS_RESOURCE_NOT_FOUND, "%s is not in the bag", path);
    return STORE_MISSING;
}

static enum store_result head(struct store *s, const char *key, const char *version,
                              struct store_meta *meta, struct err *e) {
    const struct bag_entry *f;
    (void)version;
    enum store_result r = find(s, key, &f, e);
    if (r == STORE_OK && meta)
        *meta = (struct store_meta){ .size = f->size };
    return r;
}

static enum store_result get(struct store *s, const char *key, const char *version, uint64_t offset,
                             size_t len, struct buf *out, struct store_meta *meta, struct err *e) {
    const struct bag_entry *f;
    enum store_result r = find(s, key, &f, e);
    (void)version;
    if (r != STORE_OK)
        return r;
    if (meta)
        *meta = (struct store_meta){ .size = f->size };
    if (len == 0 && f->size > out->max - out->len) {
        err_set(e, STATUS_CLIENT_OVERRUN, "%s: larger than it may be", f->path);
        return STORE_REFUSED;
    }
    const size_t want = len ? len : (size_t)f->size;
    return bag_index_read(((const struct bag_store *)s)->index, f, offset, want, out, e) < 0
               ? STORE_AWAY
               : STORE_OK;
}

/* Whole paths are sorted, so what lies in one folder stands together. */
static enum store_result list(struct store *s, const char *folder,
                              int (*fn)(void *arg, const struct store_entry *entry), void *arg,
                              struct err *e) {
    const struct bag_index *x = ((const struct bag_store *)s)->index;
    char path[PATH_ROOM], key[PATH_ROOM + TAR_PATH_MAX], last[TAR_PATH_MAX + 1] = "";
    (void)e;
    place(folder, path);
    size_t n = strlen(path);
    if (n && path[n - 1] != '/') {
        path[n++] = '/';
        path[n] = '\0';
    }
    for (size_t i = bag_index_from(x, path); i < x->count; i++) {
        const struct bag_entry *f = &x->files[i];
        if (strncmp(f->path, path, n) != 0)
            break;
        const char *name = f->path + n, *slash = strchr(name, '/');
        const int len = slash ? (int)(slash - name) : (int)strlen(name);
        if (slash && strncmp(last, name, (size_t)len + 1) == 0)
            continue;
        if (slash)
            snprintf(last, sizeof last, "%.*s/", len, name);
        snprintf(key, sizeof key, "%s%s%.*s%s", folder, *folder ? "/" : "", len, name,
                 slash ? "/" : "");
        const struct store_entry entry = { .key = key,
                                           .size = slash ? 0 : f->size,
                                           .folder = slash != NULL };
        if (fn(arg, &entry) != 0)
            break;
    }
    return STORE_OK;
}

static const struct store_ops ops = { .get = get, .head = head, .list = list };

struct store *bag_store_new(const struct bag_index *x, struct err *e) {
    struct bag_store *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    static char root[] = "bag"; /* it has one, where the buckets are */
    s->index = x;
    s->target = (struct store_target){ .ops = &ops, .folder = root };
    s->store = (struct store){ .target = &s->target, .root = -1 };
    return &s->store;
}

void bag_store_free(struct store *s) {
    free(s);
}
