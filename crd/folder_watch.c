/* See folder_watch.h. */
#include "crd/folder_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define LOOK_MS 3000 /* between looks when nothing was told */

/* Empties the queue of events; true when there was one. */
static bool drain(struct folder_watch *w) {
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false;
    for (ssize_t n; (n = read(w->inotify, events, sizeof events)) > 0; any = true) {
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *ev = (const void *)(events + at);
            for (size_t i = 0; i < w->count && ev->mask & IN_IGNORED; i++)
                if (w->watches[i] == ev->wd)
                    w->watches[i] = -1;
            at += (ssize_t)(sizeof *ev + ev->len);
        }
    }
    return any;
}

static void watch_all(struct folder_watch *w) {
    for (size_t i = 0; i < w->count; i++)
        if (w->watches[i] < 0)
            w->watches[i] = inotify_add_watch(w->inotify, w->paths[i], w->events);
}

static void *run(void *arg) {
    struct folder_watch *w = arg;
    struct pollfd fds[2] = { { w->inotify, POLLIN, 0 }, { w->stop, POLLIN, 0 } };
    for (;;) {
        watch_all(w);
        poll(fds, 2, LOOK_MS);
        if (fds[1].revents)
            return NULL;
        for (int i = 0; fds[0].revents && i < w->settle_times && drain(w); i++)
            if (poll(&fds[1], 1, w->settle_ms) > 0)
                return NULL;
        w->look(w->arg);
    }
}

int folder_watch_open(struct folder_watch *w, const char *name, struct err *e) {
    w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    w->stop = eventfd(0, EFD_CLOEXEC);
    return w->inotify >= 0 && w->stop >= 0
               ? 0
               : err_errno(e, STATUS_SERVER_ERROR, "folder %s cannot be watched", name);
}

void folder_watch_add(struct folder_watch *w, const char *path) {
    if (w->count == FOLDER_WATCH_MAX)
        return; /* it is looked at now and then all the same */
    w->paths[w->count] = path;
    w->watches[w->count++] = -1;
    watch_all(w);
}

int folder_watch_start(struct folder_watch *w, const char *name, struct err *e) {
    w->running = pthread_create(&w->thread, NULL, run, w) == 0;
    return w->running ? 0 : err_set(e, STATUS_SERVER_ERROR, "no thread for folder %s", name);
}

void folder_watch_close(struct folder_watch *w) {
    uint64_t one = 1;
    if (w->running && write(w->stop, &one, sizeof one) == sizeof one)
        pthread_join(w->thread, NULL);
    w->running = false;
    int *const fds[] = { &w->inotify, &w->stop };
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}
