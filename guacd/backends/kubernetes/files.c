/* Life of the ops: who has a connection, what is polled, how each ends. What is said on a
 * connection is copy.c's. */
#include "guacd/backends/kubernetes/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/kubernetes/copy.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct task {
    struct task *next;
    struct files_op *op;
    bool running; /* has a connection */
    struct copy copy;
};

struct kube_files {
    struct kube *k;
    struct files *files;
    struct task *tasks; /* oldest first */
};

static void drop(struct kube_files *f, struct task *t) {
    for (struct task **p = &f->tasks; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    if (t->running)
        copy_close(&t->copy);
    free(t);
}

static void on_begin(void *arg, struct files_op *op) {
    struct kube_files *f = arg;
    struct task *t = calloc(1, sizeof *t), **p = &f->tasks;
    if (!t) {
        files_done(op, STATUS_SERVER_BUSY, "No memory for a transfer.");
        return;
    }
    t->op = op;
    files_set_tag(op, t);
    while (*p)
        p = &(*p)->next;
    *p = t;
}

static void on_more(void *arg, struct files_op *op) {
    struct task *t = files_tag(op);
    (void)arg;
    if (t)
        t->copy.more = true;
}

/* The container's own end sees the connection break: tar fails there, and what was made goes. */
static void on_cancel(void *arg, struct files_op *op) {
    struct task *t = files_tag(op);
    if (t)
        drop(arg, t);
}

static const struct files_impl impl = { on_begin, on_more, on_cancel };

struct kube_files *kube_files_new(struct kube *k, const char *drop_folder, struct err *e) {
    char name[400];
    snprintf(name, sizeof name, "%s/%s", k->pod.name, k->container);
    const struct files_conf conf = { .name = name,
                                     .disable_download = "disable-download",
                                     .disable_upload = "disable-upload",
                                     .drop = *drop_folder == '/' ? drop_folder : "/" };
    struct kube_files *f = calloc(1, sizeof *f);
    if (f) {
        f->k = k;
        f->files = files_open(k->s, &conf, &impl, f, e);
    }
    if (f && f->files)
        return f;
    if (!f)
        err_set(e, STATUS_SERVER_BUSY, "no memory for files");
    free(f);
    return NULL;
}

void kube_files_free(struct kube_files *f) {
    if (!f)
        return;
    files_close(f->files, "The terminal they belong to has ended.");
    while (f->tasks)
        drop(f, f->tasks);
    free(f);
}

size_t kube_files_poll(struct kube_files *f, struct pollfd *p, uint64_t now, int *ms) {
    size_t n = 0;
    if (!f || f->k->con.paused)
        return 0;
    p[n++] = (struct pollfd){ files_fd(f->files), POLLIN, 0 };
    for (struct task *t = f->tasks; t && n < KUBE_FILES_POLL; t = t->next) {
        if (!t->running)
            continue;
        int wait = copy_wait_ms(&t->copy, now);
        if (wait >= 0)
            *ms = *ms < 0 ? wait : MIN_OF(*ms, wait);
        short events = copy_events(&t->copy);
        p[n++] = (struct pollfd){ events ? t->copy.conn.stream.fd : -1, events, 0 };
    }
    return n;
}

static void end(struct kube_files *f, struct task *t, enum copy_result r, const struct err *e) {
    struct files_op *op = t->op;
    if (r == COPY_FAILED)
        log_info("files: %s", e->text);
    files_set_tag(op, NULL);
    drop(f, t);
    if (r != COPY_REFUSED) /* that one is over already */
        files_done(op, r == COPY_FAILED ? e->status : 0, r == COPY_FAILED ? e->text : NULL);
}

void kube_files_serve(struct kube_files *f, uint64_t now) {
    if (!f || f->k->con.paused)
        return;
    files_dispatch(f->files);
    unsigned running = 0;
    for (struct task *t = f->tasks, *next; t && running < KUBE_FILES_TASKS; t = next) {
        struct err e = { 0 };
        enum copy_result r = COPY_GOES_ON;
        next = t->next;
        running++;
        if (!t->running) {
            t->running = true;
            r = copy_open(&t->copy, f->k, t->op, now, &e);
        }
        if (r == COPY_GOES_ON)
            r = copy_run(&t->copy, now, &e);
        if (r != COPY_GOES_ON)
            end(f, t, r, &e);
    }
}
