/* Files that must be there, whole, after the power fails: made whole, synced, then named. */
#ifndef GUAC_RECORDING_FILE_H
#define GUAC_RECORDING_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

/* The whole file into `out`, as far as out->max allows; a longer one is an error. errno is kept. */
int file_read(const char *path, struct buf *out, struct err *e);
int file_read_at(int dir, const char *name, struct buf *out, struct err *e);
int file_write_all(int fd, const void *data, size_t len); /* errno tells why not */
/* A new file, synced, with its folder; EEXIST is an error. */
int file_create(const char *path, const void *data, size_t len, mode_t mode, struct err *e);
/* A new or replaced file `name` in `dir`, by way of `name` + ".new". */
int file_replace_at(int dir, const char *name, const void *data, size_t len, mode_t mode,
                    struct err *e);

#endif
