/* A thread that looks at folders: when inotify tells of a change and has been quiet for a moment,
 * and every few seconds in any case (a mounted ConfigMap swaps a symlink, NFS tells nothing). */
#ifndef GUAC_CRD_FOLDER_WATCH_H
#define GUAC_CRD_FOLDER_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"

#define FOLDER_WATCH_MAX 8

struct folder_watch {
    /* the owner's to set before folder_watch_open() */
    uint32_t events;             /* inotify's mask */
    int settle_ms, settle_times; /* how long to wait for the rest of a change, how often at most */
    void (*look)(void *arg);     /* on the thread */
    void *arg;
    /* its own */
    int inotify, stop; /* -1: none */
    const char *paths[FOLDER_WATCH_MAX];
    int watches[FOLDER_WATCH_MAX]; /* -1: not yet, or lost with the folder */
    size_t count;
    pthread_t thread;
    bool running;
};

/* name: for the error. Afterwards, failed or not, folder_watch_close() is due. */
int folder_watch_open(struct folder_watch *w, const char *name, struct err *e);
/* From now on; the path stays the caller's. What changes before the first look is told. */
void folder_watch_add(struct folder_watch *w, const char *path);
int folder_watch_start(struct folder_watch *w, const char *name, struct err *e);
/* Ends the thread. */
void folder_watch_close(struct folder_watch *w);

#endif
