/* Names of files as people see them, and back. The bytes of a target's names may be anything but
 * NUL and '/'; the protocol carries UTF-8. So what is no UTF-8, or could not be shown truthfully
 * (control characters, those that turn the direction of text), becomes \xHH, byte by byte, and a
 * backslash becomes two. A backslash before anything else stands for itself, so that a page that
 * knows none of this still names most files. Pure. */
#ifndef GUAC_SESSION_FILES_NAME_H
#define GUAC_SESSION_FILES_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

/* Can it stand in a path: not empty, ".", "..", and without '/' and NUL. */
bool files_name_good(const char *name, size_t len);
/* Append as people see it, valid UTF-8 without control characters. basic: characters above U+FFFF
 * become bytes too, since old clients count them wrongly. -1: out is full. */
int files_name_show(const char *name, size_t len, bool basic, struct buf *out);
/* The same for the components of a path. */
int files_path_show(const char *path, bool basic, struct buf *out);
/* What a person asked for, as the path of the target: out gets "/a/b" (NUL-terminated; "/" for the
 * top). -1 with e (0x0300): "..", a component that hides '/' or NUL, or too long. */
int files_path_read(const char *text, size_t len, char *out, size_t size, struct err *e);

#endif
