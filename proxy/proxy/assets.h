/* The page's files, read once at start (the sandbox closes the folder afterwards). */
#ifndef GUAC_PROXY_ASSETS_H
#define GUAC_PROXY_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/err.h"
#include "guacd/base/util.h"

struct asset {
    char *path;                       /* "/assets/app-1a2b.js" */
    const char *type;                 /* content type */
    bool immutable;                   /* its name holds its hash */
    char etag[20];                    /* quoted */
    struct slice plain, gzip, brotli; /* data NULL: none */
};

struct assets;

struct assets *assets_load(const char *folder, struct err *e);
void assets_free(struct assets *a);
/* By path; one that is no file is the page's own address (index.html), unless it looks like a file:
 * a dot, at the top or in /assets. NULL: none. */
const struct asset *assets_find(const struct assets *a, const char *path);

#endif
