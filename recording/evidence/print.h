/* What others wrote (names, targets, recorded text), on somebody's terminal. */
#ifndef GUAC_EVIDENCE_PRINT_H
#define GUAC_EVIDENCE_PRINT_H

#include <jansson.h>

#include "guacd/base/err.h"

/* Standard output; control characters as '?', filled with blanks to `width` bytes. */
void print_clean(const char *text, int width);
/* One line of JSON. -1: no memory, or longer than 16 MiB. */
int print_json(const json_t *o, struct err *e);

#endif
