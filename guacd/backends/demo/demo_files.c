#include "guacd/backends/demo/demo_files.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define NODES 64
#define NODE_MAX (64u << 20)
#define STEP 65536

struct node {
    char *path; /* NULL: free place */
    bool folder;
    char *data; /* NULL: bytes made by their place */
    size_t len;
};

struct demo_files {
    struct files *files;
    struct node nodes[NODES];
};

/* One op under way. */
struct task {
    struct node *node; /* GET */
    size_t at;
    char *data; /* PUT: what came so far */
    size_t len;
};

static struct node *find(struct demo_files *d, const char *path) {
    for (size_t i = 0; i < NODES; i++)
        if (d->nodes[i].path && strcmp(d->nodes[i].path, path) == 0)
            return &d->nodes[i];
    return NULL;
}

static struct node *add(struct demo_files *d, const char *path, bool folder) {
    struct node *n = find(d, path);
    for (size_t i = 0; !n && i < NODES; i++)
        if (!d->nodes[i].path) {
            n = &d->nodes[i];
            *n = (struct node){ .path = strdup(path), .folder = folder };
        }
    return n && n->path && n->folder == folder ? n : NULL;
}

/* The folders above a path, as needed. */
static bool add_above(struct demo_files *d, const char *path) {
    char *copy = strdup(path);
    bool good = copy != NULL;
    for (char *p = copy ? strchr(copy + 1, '/') : NULL; p && good; p = strchr(p + 1, '/')) {
        *p = '\0';
        good = add(d, copy, true);
        *p = '/';
    }
    free(copy);
    return good;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static void list(struct demo_files *d, struct files_op *op) {
    const char *path = files_path(op);
    size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);
    files_is_folder(op);
    for (size_t i = 0; i < NODES; i++) {
        const struct node *n = &d->nodes[i];
        if (!n->path || strncmp(n->path, path, len) != 0 || n->path[len] != '/' ||
            strchr(n->path + len + 1, '/'))
            continue;
        const struct files_entry entry = { .name = n->path + len + 1,
                                           .name_len = strlen(n->path + len + 1),
                                           .folder = n->folder,
                                           .size = n->len };
        if (!files_entry(op, &entry))
            break;
    }
    files_done(op, 0, NULL);
}

static void drop_task(struct files_op *op) {
    struct task *t = files_tag(op);
    if (t)
        free(t->data);
    free(t);
    files_set_tag(op, NULL);
}

static void read_on(struct files_op *op) {
    struct task *t = files_tag(op);
    size_t room;
    while (t->at < t->node->len && (room = files_room(op)) > 0) {
        char step[STEP];
        size_t n = MIN_OF(room, MIN_OF(sizeof(step), t->node->len - t->at));
        for (size_t i = 0; i < n; i++)
            step[i] = t->node->data ? t->node->data[t->at + i] : (char)((t->at + i) * 131 >> 3);
        files_give(op, step, n);
        t->at += n;
    }
    if (t->at == t->node->len) {
        drop_task(op);
        files_done(op, 0, NULL);
    }
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static void write_on(struct demo_files *d, struct files_op *op) {
    struct task *t = files_tag(op);
    bool whole = false;
    char step[STEP];
    for (size_t n; (n = files_take(op, step, sizeof(step), &whole)) > 0;) {
        char *grown = t->len + n <= NODE_MAX ? realloc(t->data, t->len + n) : NULL;
        if (!grown) {
            drop_task(op);
            files_done(op, STATUS_SERVER_BUSY, "The demo's memory is full.");
            return;
        }
        memcpy(grown + t->len, step, n);
        t->data = grown;
        t->len += n;
        files_wrote(op, n);
    }
    if (!whole)
        return;
    struct node *node = add_above(d, files_path(op)) ? add(d, files_path(op), false) : NULL;
    if (node) {
        free(node->data);
        node->data = steal_ptr(t->data);
        node->len = t->len;
    }
    drop_task(op);
    files_done(op, node ? 0 : STATUS_RESOURCE_CONFLICT, "No file can be made there.");
}

/* ---- the three calls ---------------------------------------------------------------------------
 */

static void on_more(void *arg, struct files_op *op) {
    if (files_kind(op) == FILES_GET)
        read_on(op);
    else
        write_on(arg, op);
}

static void on_begin(void *arg, struct files_op *op) {
    struct demo_files *d = arg;
    const char *path = files_path(op);
    struct node *n = find(d, path);
    if (files_kind(op) == FILES_FOLDER) {
        bool good = add_above(d, path) && add(d, path, true);
        files_done(op, good ? 0 : STATUS_RESOURCE_CONFLICT, "No folder can be made there.");
        return;
    }
    if (files_kind(op) == FILES_GET && (strcmp(path, "/") == 0 || (n && n->folder))) {
        list(d, op);
        return;
    }
    if (files_kind(op) == FILES_GET && !n) {
        files_done(op, STATUS_RESOURCE_NOT_FOUND, "There is no such file.");
        return;
    }
    if (files_kind(op) == FILES_GET && !files_is_file(op, n->len))
        return;
    struct task *t = calloc(1, sizeof(*t));
    if (!t) {
        files_done(op, STATUS_SERVER_BUSY, "No memory for a transfer.");
        return;
    }
    t->node = n;
    files_set_tag(op, t);
    if (files_kind(op) == FILES_PUT)
        files_ready(op);
    on_more(d, op);
}

static void on_cancel(void *arg, struct files_op *op) {
    (void)arg;
    drop_task(op);
}

static const struct files_impl impl = { on_begin, on_more, on_cancel };

struct demo_files *demo_files_new(struct session *s, struct err *e) {
    struct demo_files *d = calloc(1, sizeof(*d));
    if (!d) {
        err_set(e, STATUS_SERVER_BUSY, "no memory for files");
        return NULL;
    }
    static const char text[] = "Hello from the demo.\n";
    add(d, "/folder", true);
    struct node *hello = add(d, "/folder/hello.txt", false), *big = add(d, "/big.bin", false);
    hello->data = strdup(text);
    hello->len = strlen(text);
    big->len = 256u << 20;
    add(d, "/caf\xE9", false); /* Latin-1 */
    const struct files_conf conf = { .name = "Demo",
                                     .disable_download = "disable-download",
                                     .disable_upload = "disable-upload" };
    d->files = files_open(s, &conf, &impl, d, e);
    if (d->files)
        return d;
    demo_files_free(d);
    return NULL;
}

void demo_files_free(struct demo_files *d) {
    if (!d)
        return;
    files_close(d->files, "The demo has ended.");
    for (size_t i = 0; i < NODES; i++) {
        free(d->nodes[i].path);
        free(d->nodes[i].data);
    }
    free(d);
}

int demo_files_fd(const struct demo_files *d) {
    return d ? files_fd(d->files) : -1;
}

void demo_files_serve(struct demo_files *d) {
    files_dispatch(d->files);
}
