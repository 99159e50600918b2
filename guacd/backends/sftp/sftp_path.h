/* Paths below a top folder. Pure. */
#ifndef GUAC_BACKENDS_SFTP_PATH_H
#define GUAC_BACKENDS_SFTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* top (absolute, without a slash at its end but "/") and a path as files.h has them. -1: too long.
 */
int sftp_path_join(const char *top, const char *path, char *out, size_t size);
/* Is this folder or file top itself, or below it? Both absolute, as the target resolved them. */
bool sftp_path_below(const char *top, const char *path);
/* Cut to the folder above; false at "/". */
bool sftp_path_up(char *path);
/* The part behind top, as files.h wants it; "/" when it is not below. */
const char *sftp_path_inner(const char *top, const char *path);

#endif
