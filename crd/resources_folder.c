/* The folder store: a folder a kind, a file a resource. Readers need no lock, since files are
 * replaced whole. Who changes one holds the folder's lock file for the moment between reading the
 * version and renaming the new file; the kernel lets go of it with its process, so a crash leaves
 * nothing to clean up. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "crd/connection.h"
#include "crd/folder_watch.h"
#include "crd/resources_file.h"
#include "crd/resources_impl.h"
#include "crd/resources_shelf.h"
#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define SETTLE_MS 2  /* after a change, for the rest of it */
#define LOCK_MS 5000 /* waiting for who changes something else */
#define RACY_MS 2000 /* a file this young is read again: another may bear the same stamp */
#define WATCHED \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR)

struct folder {
    struct resources front;
    char *path;
    int fd;
    struct folder_watch watch;
    struct shelf shelves[RESOURCE_KINDS];
};

/* ---- looking --------------------------------------------------------------------------------- */

static void look_everywhere(struct folder *d, bool first) {
    for (int k = 0; k < RESOURCE_KINDS; k++) {
        enum resource_kind kind = (enum resource_kind)k;
        int r = shelf_look(&d->shelves[k]);
        struct resources_view *v = r > 0 || (first && r == 0) ? shelf_view(&d->shelves[k]) : NULL;
        if (v)
            resources_publish(&d->front, v);
        if (r >= 0)
            resources_current(&d->front, kind, (int64_t)clock_ms());
    }
}

static void look_again(void *arg) {
    look_everywhere(arg, false);
}

/* ---- changing -------------------------------------------------------------------------------- */

/* A descriptor that holds the lock until it is closed; -1. */
static int lock_folder(struct folder *d, struct err *e) {
    uint64_t until = clock_ms() + LOCK_MS;
    _close_ int fd = openat(d->fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_errno(e, STATUS_SERVER_ERROR, "%s/.lock", d->path);
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(e, STATUS_SERVER_ERROR, "%s/.lock", d->path);
        if (clock_ms() > until)
            return err_set(e, STATUS_SERVER_BUSY, "%s/.lock is held by another process", d->path);
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return steal_fd(&fd);
}

static enum resources_result file_of(const char *namespace, const char *name,
                                     char out[RESOURCES_FILE_NAME], struct err *e) {
    if (resources_file_name(namespace, name, out) == 0)
        return RESOURCES_OK;
    err_set(e, STATUS_CLIENT_BAD_REQUEST, "the name is too long for a file's");
    return RESOURCES_INVALID;
}

static enum resources_result no_memory(struct err *e) {
    err_set(e, STATUS_SERVER_ERROR, "no memory for a resource");
    return RESOURCES_UNAVAILABLE;
}

/* By meaning: an editor may have written out what is the default. */
static bool same_spec(enum resource_kind kind, const json_t *a, const json_t *b) {
    struct resource *x = resource_read(kind, a, ""), *y = resource_read(kind, b, "");
    _json_ json_t *p = x ? resource_write(x) : NULL;
    _json_ json_t *q = y ? resource_write(y) : NULL;
    bool same = p && q && json_equal(json_object_get(p, "spec"), json_object_get(q, "spec"));
    resource_unref(x);
    resource_unref(y);
    return same;
}

/* As the API server would: what is wrong is refused, with all errors. */
static enum resources_result check(enum resource_kind kind, const json_t *doc, const json_t *old,
                                   const char *file, struct err *e) {
    struct resource *r = resource_read(kind, doc, file);
    if (!r)
        return no_memory(e);
    if (resource_types[kind].fixed && old && !same_spec(kind, doc, old))
        json_array_append_new(r->errors, json_string("spec: never changes"));
    enum resources_result rc = resource_usable(r) ? RESOURCES_OK : RESOURCES_INVALID;
    if (rc != RESOURCES_OK)
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s",
                json_string_value(json_array_get(r->errors, 0)));
    resource_unref(r);
    return rc;
}

/* What the store adds: who it is, since when, and which change this is. */
static int stamp(json_t *doc, const json_t *old) {
    char text[32];
    json_t *meta = json_object_get(doc, "metadata");
    const json_t *was = json_object_get(old, "metadata");
    const char *uid = json_str(was, "uid", NULL), *since = json_str(was, "creationTimestamp", NULL);
    char fresh[UUID_LEN + 1];
    uuid_v4(fresh);
    clock_format(clock_wall_ms() / 1000 * 1000, text, sizeof text);
    if (!old || uid)
        json_object_set_new(meta, "uid", json_string(old ? uid : fresh));
    json_object_set_new(meta, "creationTimestamp", json_string(since ? since : text));
    long long n = atoll(json_str(was, "resourceVersion", "0"));
    snprintf(text, sizeof text, "%lld", n + 1);
    return json_object_set_new(meta, "resourceVersion", json_string(text));
}

/* Spec of one and status of the other. */
static json_t *compose(enum resources_change what, const struct resource *r, json_t *old) {
    json_t *mine = resource_write(r);
    json_t *theirs =
        what == RESOURCES_STATUS ? json_object_get(mine, "status") : json_object_get(old, "status");
    json_t *doc = what == RESOURCES_STATUS ? json_deep_copy(old) : json_incref(mine);
    json_incref(theirs);
    json_object_del(doc, "status");
    if (theirs)
        json_object_set_new(doc, "status", theirs);
    json_decref(mine);
    if (doc && stamp(doc, old) == 0)
        return doc;
    json_decref(doc);
    return NULL;
}

static enum resources_result save(struct shelf *s, enum resource_kind kind, const char *file,
                                  const json_t *doc, struct resource **out, struct err *e) {
    struct resources_file f = { 0 };
    enum resources_result rc = resources_file_save(s->fd, file, doc, e);
    if (rc != RESOURCES_OK)
        return rc;
    rc = resources_file_load(s->fd, file, &f, e);
    if (rc == RESOURCES_OK && !(*out = resources_file_resource(kind, file, &f)))
        rc = no_memory(e);
    resources_file_fini(&f);
    return rc;
}

static enum resources_result folder_change(struct resources *front, enum resources_change what,
                                           const struct resource *r, struct resource **out,
                                           struct err *e) {
    struct folder *d = (struct folder *)front;
    struct shelf *s = &d->shelves[r->kind];
    char file[RESOURCES_FILE_NAME];
    struct resources_file old = { 0 };
    enum resources_result rc = file_of(r->namespace, r->name, file, e);
    if (rc != RESOURCES_OK)
        return rc;
    _close_ int lock = lock_folder(d, e);
    if (lock < 0)
        return errno == EACCES || errno == EROFS ? RESOURCES_REFUSED : RESOURCES_UNAVAILABLE;
    rc = resources_file_load(s->fd, file, &old, e);
    if (what == RESOURCES_CREATE) {
        if (rc != RESOURCES_NOT_FOUND) {
            resources_file_fini(&old);
            err_set(e, STATUS_RESOURCE_CONFLICT, "there is already a %s %s/%s",
                    resource_types[r->kind].kind, r->namespace, r->name);
            return RESOURCES_EXISTS;
        }
        rc = RESOURCES_OK;
    } else if (rc == RESOURCES_OK && strcmp(old.version, r->version) != 0) {
        rc = RESOURCES_CONFLICT;
        err_set(e, STATUS_RESOURCE_CONFLICT, "%s %s/%s was changed meanwhile",
                resource_types[r->kind].kind, r->namespace, r->name);
    }
    if (rc == RESOURCES_OK) {
        _json_ json_t *doc = compose(what, r, old.document);
        rc = doc ? check(r->kind, doc, old.document, file, e) : no_memory(e);
        if (rc == RESOURCES_OK)
            rc = save(s, r->kind, file, doc, out, e);
    }
    resources_file_fini(&old);
    return rc;
}

static enum resources_result folder_get(struct resources *front, enum resource_kind kind,
                                        const char *namespace, const char *name,
                                        struct resource **out, struct err *e) {
    struct folder *d = (struct folder *)front;
    struct resources_file f = { 0 };
    char file[RESOURCES_FILE_NAME];
    enum resources_result rc = file_of(namespace, name, file, e);
    if (rc == RESOURCES_OK)
        rc = resources_file_load(d->shelves[kind].fd, file, &f, e);
    struct resource *r = rc == RESOURCES_OK ? resources_file_resource(kind, file, &f) : NULL;
    if (rc == RESOURCES_OK && !r)
        rc = no_memory(e);
    if (r)
        *out = r;
    resources_file_fini(&f);
    return rc;
}

static enum resources_result folder_remove(struct resources *front, enum resource_kind kind,
                                           const char *namespace, const char *name,
                                           const char *version, struct err *e) {
    struct folder *d = (struct folder *)front;
    struct resources_file old = { 0 };
    char file[RESOURCES_FILE_NAME];
    enum resources_result rc = file_of(namespace, name, file, e);
    if (rc != RESOURCES_OK)
        return rc;
    _close_ int lock = lock_folder(d, e);
    if (lock < 0)
        return errno == EACCES || errno == EROFS ? RESOURCES_REFUSED : RESOURCES_UNAVAILABLE;
    if (version) {
        rc = resources_file_load(d->shelves[kind].fd, file, &old, e);
        if (rc == RESOURCES_OK && strcmp(old.version, version) != 0) {
            rc = RESOURCES_CONFLICT;
            err_set(e, STATUS_RESOURCE_CONFLICT, "%s %s/%s was changed meanwhile",
                    resource_types[kind].kind, namespace, name);
        }
        resources_file_fini(&old);
    }
    if (rc == RESOURCES_OK && unlinkat(d->shelves[kind].fd, file, 0)) {
        rc = errno == ENOENT ? RESOURCES_NOT_FOUND : RESOURCES_REFUSED;
        err_errno(e, STATUS_SERVER_ERROR, "%s", file);
    }
    return rc;
}

/* Every file is read: what another process wrote a moment ago counts. */
static enum resources_result folder_list(struct resources *front, enum resource_kind kind,
                                         const char *namespace, struct resources_view *out,
                                         struct err *e) {
    struct folder *d = (struct folder *)front;
    struct shelf *s = &d->shelves[kind];
    int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        err_errno(e, STATUS_SERVER_ERROR, "folder %s cannot be read", d->path);
        if (fd >= 0)
            close(fd);
        return RESOURCES_UNAVAILABLE;
    }
    for (struct dirent *found; (found = readdir(dir));) {
        struct resources_file f = { 0 };
        struct err why = { 0 };
        if (!shelf_wanted(found->d_name))
            continue;
        enum resources_result rc = resources_file_load(s->fd, found->d_name, &f, &why);
        struct resource *r =
            rc == RESOURCES_OK ? resources_file_resource(kind, found->d_name, &f) : NULL;
        if (r && (!namespace || strcmp(r->namespace, namespace) == 0))
            resources_view_add(out, r);
        else if (rc != RESOURCES_OK && rc != RESOURCES_NOT_FOUND)
            resources_view_problem(out, found->d_name, why.text);
        resource_unref(r);
        resources_file_fini(&f);
    }
    closedir(dir);
    return RESOURCES_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void folder_free(struct resources *front) {
    struct folder *d = (struct folder *)front;
    folder_watch_close(&d->watch);
    for (int k = 0; k < RESOURCE_KINDS; k++)
        shelf_close(&d->shelves[k]);
    if (d->fd >= 0)
        close(d->fd);
    resources_fini(&d->front);
    free(d->path);
    free(d);
}

static const struct resources_impl folder_impl = { "folder",      folder_get,    folder_list,
                                                   folder_change, folder_remove, folder_free };

static int open_shelves(struct folder *d, struct err *e) {
    if (mkdir(d->path, 0750) && errno != EEXIST)
        return err_errno(e, STATUS_SERVER_ERROR, "folder %s cannot be made", d->path);
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return err_errno(e, STATUS_SERVER_ERROR, "folder %s cannot be read", d->path);
    for (int k = 0; k < RESOURCE_KINDS; k++)
        if (shelf_open(&d->shelves[k], d->fd, d->path, (enum resource_kind)k, e))
            return -1;
    return 0;
}

struct resources *resources_folder_new(const char *folder, struct err *e) {
    struct folder *d = calloc(1, sizeof *d);
    if (!d || resources_init(&d->front, &folder_impl, e)) {
        free(d);
        err_set(e, STATUS_SERVER_ERROR, "no memory for a store");
        return NULL;
    }
    for (int k = 0; k < RESOURCE_KINDS; k++)
        d->shelves[k].fd = -1;
    d->fd = -1;
    d->path = strdup(folder);
    d->watch = (struct folder_watch){
        .events = WATCHED, .settle_ms = SETTLE_MS, .settle_times = 5, .look = look_again, .arg = d
    };
    int opened = folder_watch_open(&d->watch, folder, e);
    if (!d->path) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a store");
    } else if (opened == 0 && open_shelves(d, e) == 0) {
        /* first, so that what changes during the look is looked at again */
        for (int k = 0; k < RESOURCE_KINDS; k++)
            folder_watch_add(&d->watch, d->shelves[k].path);
        look_everywhere(d, true);
        if (folder_watch_start(&d->watch, folder, e) == 0)
            return &d->front;
    }
    folder_free(&d->front);
    return NULL;
}
