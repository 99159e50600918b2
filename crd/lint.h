/* All errors of a YAML file's resources, as the gateway itself would find them. */
#ifndef GUAC_CRD_LINT_H
#define GUAC_CRD_LINT_H

#include <stddef.h>

#include "guacd/base/buf.h"

/* "file:line: error" lines into out; how many. Kinds of others are left alone. */
size_t lint_file(const char *path, struct buf *out);

#endif
