/* A look reads what changed since the last one, told by the file's stamps; a young file is read
 * again in any case, since another may bear the same stamps. */
#include "crd/resources_shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crd/resources_file.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define RACY_MS 2000

static void entry_drop(struct shelf_entry *x) {
    free(x->file);
    free(x->problem);
    resource_unref(x->resource);
    *x = (struct shelf_entry){ 0 };
}

static bool is_racy(const struct stat *st) {
    int64_t ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
    return (int64_t)clock_wall_ms() - ms < RACY_MS;
}

static bool same(const struct shelf_entry *x, const struct stat *st) {
    return !x->racy && x->st.st_ino == st->st_ino && x->st.st_size == st->st_size &&
           x->st.st_mtim.tv_sec == st->st_mtim.tv_sec &&
           x->st.st_mtim.tv_nsec == st->st_mtim.tv_nsec &&
           x->st.st_ctim.tv_sec == st->st_ctim.tv_sec &&
           x->st.st_ctim.tv_nsec == st->st_ctim.tv_nsec;
}

/* Read it. True when it differs from what was known. What becomes unreadable keeps what was known
 * of it: a slip must not lift a lock. */
static bool entry_load(struct shelf *s, struct shelf_entry *x) {
    struct resources_file f = { 0 };
    struct err e = { 0 };
    bool fresh = false;
    enum resources_result r = resources_file_load(s->fd, x->file, &f, &e);
    x->racy = true;
    if (r == RESOURCES_OK) {
        x->st = f.st;
        x->racy = is_racy(&f.st);
        fresh = x->problem || strcmp(f.version, x->version) != 0;
        struct resource *now = fresh ? resources_file_resource(s->kind, x->file, &f) : NULL;
        if (now) {
            free(x->problem);
            x->problem = NULL;
            resource_unref(x->resource);
            x->resource = now;
            memcpy(x->version, f.version, sizeof x->version);
        }
    } else if (r != RESOURCES_NOT_FOUND && (!x->problem || strcmp(x->problem, e.text) != 0)) {
        log_warning("%s/%s: %s", s->path, x->file, e.text);
        free(x->problem);
        x->problem = strdup(e.text);
        fresh = true;
    }
    resources_file_fini(&f);
    return fresh;
}

static int by_file(const void *a, const void *b) {
    return strcmp(((const struct shelf_entry *)a)->file, ((const struct shelf_entry *)b)->file);
}

static struct shelf_entry *entry_find(struct shelf *s, size_t sorted, const char *file) {
    struct shelf_entry key = { .file = (char *)(uintptr_t)file };
    return sorted ? bsearch(&key, s->entries, sorted, sizeof key, by_file) : NULL;
}

bool shelf_wanted(const char *name) {
    size_t n = strlen(name);
    return *name != '.' && n > 5 && strcmp(name + n - 5, ".yaml") == 0;
}

static struct shelf_entry *entry_add(struct shelf *s, const char *file) {
    struct shelf_entry *p =
        s->count < RESOURCES_MAX ? realloc(s->entries, (s->count + 1) * sizeof *p) : NULL;
    if (!p)
        return NULL;
    s->entries = p;
    p[s->count] = (struct shelf_entry){ .file = strdup(file) };
    return p[s->count].file ? &p[s->count++] : NULL;
}

static bool drop_unseen(struct shelf *s) {
    size_t kept = 0, before = s->count;
    for (size_t i = 0; i < s->count; i++) {
        if (s->entries[i].seen)
            s->entries[kept++] = s->entries[i];
        else
            entry_drop(&s->entries[i]);
    }
    s->count = kept;
    return kept != before;
}

int shelf_look(struct shelf *s) {
    int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (!s->unreadable)
            log_error("folder %s cannot be read: %s; what is known stays", s->path,
                      strerror(errno));
        s->unreadable = true;
        if (fd >= 0)
            close(fd);
        return -1;
    }
    s->unreadable = false;
    bool changed = false;
    size_t sorted = s->count;
    for (size_t i = 0; i < s->count; i++)
        s->entries[i].seen = false;
    for (struct dirent *found; (found = readdir(dir));) {
        struct stat st;
        if (!shelf_wanted(found->d_name) || fstatat(s->fd, found->d_name, &st, 0))
            continue;
        struct shelf_entry *x = entry_find(s, sorted, found->d_name);
        bool known = x != NULL;
        if (!known && !(x = entry_add(s, found->d_name)))
            continue;
        x->seen = true;
        if (!known || !same(x, &st))
            changed |= entry_load(s, x);
    }
    closedir(dir);
    changed |= drop_unseen(s);
    if (s->count)
        qsort(s->entries, s->count, sizeof *s->entries, by_file);
    return changed;
}

struct resources_view *shelf_view(const struct shelf *s) {
    struct resources_view *v = resources_view_new(s->kind);
    for (size_t i = 0; v && i < s->count; i++) {
        if (s->entries[i].resource)
            resources_view_add(v, s->entries[i].resource);
        if (s->entries[i].problem)
            resources_view_problem(v, s->entries[i].file, s->entries[i].problem);
    }
    return v;
}

int shelf_open(struct shelf *s, int folder, const char *path, enum resource_kind kind,
               struct err *e) {
    const char *name = resource_types[kind].plural;
    s->kind = kind;
    snprintf(s->path, sizeof s->path, "%s/%s", path, name);
    if (mkdirat(folder, name, 0750) && errno != EEXIST)
        return err_errno(e, STATUS_SERVER_ERROR, "folder %s cannot be made", s->path);
    s->fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->fd < 0 ? err_errno(e, STATUS_SERVER_ERROR, "folder %s cannot be read", s->path) : 0;
}

void shelf_close(struct shelf *s) {
    for (size_t i = 0; i < s->count; i++)
        entry_drop(&s->entries[i]);
    free(s->entries);
    if (s->fd >= 0)
        close(s->fd);
}
