/* The folder catalogue: what the files of one folder say, read again by the thread of a
 * folder_watch. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "crd/field.h"
#include "crd/folder_file.h"
#include "crd/folder_watch.h"
#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define SETTLE_MS 20 /* after a change, for the rest of it */
#define FILES_MAX 20000
#define SECRET_BYTES_MAX 65536
#define WATCHED \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB | \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct folder {
    struct catalog front;
    char *path;
    int fd;
    struct folder_watch watch;
    bool unreadable;
    pthread_mutex_t files_lock; /* files, against catalog_secret() of other threads */
    struct folder_file **files; /* sorted by name */
    size_t count;
};

static bool wanted(const char *name) {
    size_t n = strlen(name);
    if (*name == '.' || *name == '#' || n < 5)
        return false;
    return strcmp(name + n - 5, ".yaml") == 0 || strcmp(name + n - 4, ".yml") == 0;
}

static struct folder_file *find(struct folder *d, const char *name, size_t *at) {
    size_t lo = 0, hi = d->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int r = strcmp(d->files[mid]->name, name);
        if (r == 0)
            return d->files[mid];
        if (r < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return NULL;
}

static struct folder_file *insert(struct folder *d, const char *name, size_t at) {
    struct folder_file *f = d->count < FILES_MAX ? folder_file_new(name) : NULL;
    struct folder_file **p = f ? realloc(d->files, (d->count + 1) * sizeof *p) : NULL;
    if (!p) {
        folder_file_free(f);
        return NULL;
    }
    d->files = p;
    memmove(p + at + 1, p + at, (d->count - at) * sizeof *p);
    p[at] = f;
    d->count++;
    return f;
}

/* One look. True when something changed. Only this thread writes `files`. */
static bool look(struct folder *d) {
    bool changed = false;
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (!d->unreadable)
            log_error("folder %s cannot be read: %s; what is known stays", d->path,
                      strerror(errno));
        d->unreadable = true;
        if (fd >= 0)
            close(fd);
        return false;
    }
    d->unreadable = false;
    pthread_mutex_lock(&d->files_lock);
    for (size_t i = 0; i < d->count; i++)
        d->files[i]->seen = false;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat st;
        size_t at = 0;
        if (!wanted(entry->d_name) || fstatat(d->fd, entry->d_name, &st, 0))
            continue;
        struct folder_file *f = find(d, entry->d_name, &at);
        bool fresh = !f;
        if (fresh && !(f = insert(d, entry->d_name, at)))
            continue;
        f->seen = true;
        if (fresh || !folder_file_same(f, &st)) {
            folder_file_load(f, d->fd);
            changed = true;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->files[i]->seen) {
            d->files[kept++] = d->files[i];
        } else {
            folder_file_free(d->files[i]);
            changed = true;
        }
    }
    d->count = kept;
    pthread_mutex_unlock(&d->files_lock);
    closedir(dir);
    catalog_current(&d->front, (int64_t)clock_ms());
    return changed;
}

static void tell(const char *source, const json_t *errors) {
    size_t i;
    json_t *error;
    json_array_foreach(errors, i, error) log_warning("%s: %s", source, json_string_value(error));
}

/* A name given twice: the file that sorts first has it, the other is listed as wrong. */
static void add_or_refuse(struct snapshot *s, json_t *owners, struct connection *c) {
    char key[512], text[512];
    snprintf(key, sizeof key, "%s/%s", c->namespace, c->name);
    const char *owner = *c->name ? json_str(owners, key, NULL) : NULL;
    if (!owner) {
        json_object_set_new(owners, key, json_string(c->source));
        snapshot_add(s, c);
        return;
    }
    snprintf(text, sizeof text, "metadata.name: %.200s is already in %.200s", key, owner);
    struct connection *twin = connection_broken(c->namespace, c->name, c->source, text);
    if (twin) {
        log_warning("%s: %s", c->source, text);
        snapshot_add(s, twin);
        connection_unref(twin);
    }
}

static void publish(struct folder *d) {
    struct snapshot *s = snapshot_new();
    _json_ json_t *owners = json_object();
    if (!s || !owners) {
        snapshot_unref(s);
        return;
    }
    for (size_t i = 0; i < d->count; i++) {
        struct folder_file *f = d->files[i];
        size_t j;
        json_t *text;
        for (j = 0; j < f->connection_count; j++) {
            tell(f->connections[j]->source, f->connections[j]->errors);
            add_or_refuse(s, owners, f->connections[j]);
        }
        for (j = 0; j < f->policy_count; j++)
            snapshot_add_policy(s, f->policies[j]);
        json_array_foreach(f->problems, j, text)
            snapshot_problem(s, f->name, json_string_value(text));
        tell("folder", f->problems);
    }
    log_info("%zu connections and %zu policies in %s", s->count, s->policy_count, d->path);
    catalog_publish(&d->front, s);
}

static void look_again(void *arg) {
    if (look(arg))
        publish(arg);
}

/* ---- secrets --------------------------------------------------------------------------------- */

static int read_key(int dir, const char *key, struct secret_set *out, struct err *e) {
    struct stat st;
    char raw[SECRET_BYTES_MAX];
    _close_ int fd = openat(dir, key, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st))
        return err_errno(e, STATUS_SERVER_ERROR, "key '%.63s' of the Secret cannot be read", key);
    if (!S_ISREG(st.st_mode))
        return 0;
    if (st.st_mode & S_IRWXO)
        return err_set(e, STATUS_SERVER_ERROR,
                       "key '%.63s' of the Secret may be read by everybody: chmod o= it", key);
    size_t len = 0;
    for (ssize_t n; len < sizeof raw && (n = read(fd, raw + len, sizeof raw - len)) > 0;)
        len += (size_t)n;
    int rc;
    if (len == sizeof raw)
        rc = err_set(e, STATUS_SERVER_ERROR, "key '%.63s' of the Secret is too large", key);
    else /* editors end a one-line file with a newline that is no part of a password */
        rc = secret_set_add(out, key, raw, len && raw[len - 1] == '\n' ? len - 1 : len, e);
    secret_wipe(raw, sizeof raw);
    return rc;
}

/* 1: there is no such folder. */
static int secret_folder(struct folder *d, const char *namespace, const char *name,
                         struct secret_set *out, struct err *e) {
    char path[400];
    snprintf(path, sizeof path, "secrets/%.63s/%.253s", namespace, name);
    int fd = openat(d->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 1
                               : err_errno(e, STATUS_SERVER_ERROR, "Secret %s/%s cannot be read",
                                           namespace, name);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return err_errno(e, STATUS_SERVER_ERROR, "Secret %s/%s cannot be read", namespace, name);
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));)
        if (*entry->d_name != '.')
            rc = read_key(dirfd(dir), entry->d_name, out, e);
    closedir(dir);
    return rc;
}

static int folder_secret(struct catalog *s, const char *namespace, const char *name,
                         struct secret_set *out, struct err *e) {
    struct folder *d = (struct folder *)s;
    if (!field_is_label(namespace) || !field_is_subdomain(name))
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "'%.63s/%.253s' names no Secret", namespace,
                       name);
    int rc = secret_folder(d, namespace, name, out, e);
    if (rc <= 0) {
        if (rc)
            secret_set_fini(out);
        return rc;
    }
    pthread_mutex_lock(&d->files_lock);
    for (size_t i = 0; rc > 0 && i < d->count; i++)
        for (size_t j = 0; rc > 0 && j < d->files[i]->secret_count; j++)
            if (strcmp(d->files[i]->secrets[j].name, name) == 0 &&
                strcmp(d->files[i]->secrets[j].namespace, namespace) == 0)
                rc = folder_file_secret(d->files[i], d->fd, namespace, name, out, e);
    pthread_mutex_unlock(&d->files_lock);
    if (rc > 0)
        rc = err_set(e, STATUS_RESOURCE_NOT_FOUND, "there is no Secret %s/%s", namespace, name);
    if (rc)
        secret_set_fini(out);
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void folder_free(struct catalog *s) {
    struct folder *d = (struct folder *)s;
    folder_watch_close(&d->watch);
    for (size_t i = 0; i < d->count; i++)
        folder_file_free(d->files[i]);
    free(d->files);
    if (d->fd >= 0)
        close(d->fd);
    pthread_mutex_destroy(&d->files_lock);
    catalog_fini(&d->front);
    free(d->path);
    free(d);
}

static const struct catalog_impl folder_impl = { "folder", folder_secret, folder_free };

struct catalog *catalog_folder_new(const char *folder, struct err *e) {
    struct folder *d = calloc(1, sizeof *d);
    if (!d || catalog_init(&d->front, &folder_impl, e)) {
        free(d);
        err_set(e, STATUS_SERVER_ERROR, "no memory for a catalogue");
        return NULL;
    }
    pthread_mutex_init(&d->files_lock, NULL);
    d->path = strdup(folder);
    d->watch = (struct folder_watch){
        .events = WATCHED, .settle_ms = SETTLE_MS, .settle_times = 10, .look = look_again, .arg = d
    };
    int opened = folder_watch_open(&d->watch, folder, e);
    d->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        err_errno(e, STATUS_SERVER_ERROR, "folder %s cannot be read", folder);
    } else if (!d->path) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a catalogue");
    } else if (opened == 0) {
        /* Watch first: what changes while the first look goes on is looked at again. */
        folder_watch_add(&d->watch, d->path);
        look(d);
        publish(d);
        if (folder_watch_start(&d->watch, folder, e) == 0)
            return &d->front;
    }
    folder_free(&d->front);
    return NULL;
}
