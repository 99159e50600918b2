/* A watch of the API server: one JSON object a line, cut anywhere by the network. Pure. */
#ifndef GUAC_CRD_WATCH_LINES_H
#define GUAC_CRD_WATCH_LINES_H

#include <jansson.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define WATCH_LINE_MAX ((size_t)4 << 20) /* etcd keeps objects below 1.5 MiB */

enum watch_event_type {
    WATCH_ADDED,
    WATCH_MODIFIED,
    WATCH_DELETED,
    WATCH_BOOKMARK, /* only the version counts */
    WATCH_ERROR     /* `code` and `message`; 410: the version is too old */
};

struct watch_event {
    enum watch_event_type type;
    const json_t *object;
    const char *version; /* metadata.resourceVersion; NULL with WATCH_ERROR */
    int code;
    const char *message;
};

struct watch_lines {
    struct buf line;
};
void watch_lines_init(struct watch_lines *w);
void watch_lines_fini(struct watch_lines *w);
/* Calls fn for each event that is whole now; a non-zero from it stops and is returned. -1 with e:
 * what came is no watch, and nothing behind it can be believed. */
int watch_lines_feed(struct watch_lines *w, const void *data, size_t len,
                     int (*fn)(void *arg, const struct watch_event *event), void *arg,
                     struct err *e);
/* Resource versions are numbers that grow; of what is no number nothing is known. <0: a is older.
 */
int watch_version_compare(const char *a, const char *b);

#endif
