/* A secret: wiped on free, kept out of core dumps (MADV_DONTDUMP where it can), no format. */
#ifndef GUAC_BASE_SECRET_H
#define GUAC_BASE_SECRET_H

#include <stddef.h>

#include "guacd/base/err.h"

struct secret {
    char *data; /* NUL-terminated behind len */
    size_t len;
};

int secret_set(struct secret *s, const void *data, size_t len); /* replaces; -1 without memory */
void secret_fini(struct secret *s);
/* The whole file (at most 1 MiB), one trailing newline dropped. Refuses a file that others than
 * owner and group may read. */
int secret_read_file(struct secret *s, const char *path, struct err *e);
void secret_wipe(void *data, size_t len);                   /* explicit_bzero */
int secret_equal(const void *a, const void *b, size_t len); /* constant time */

#define _secret_ __attribute__((cleanup(secret_fini)))

#endif
