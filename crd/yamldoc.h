/* YAML text as JSON trees, so that a connection from a file and one from the API server meet the
 * same checks. YAML is hostile: everything is bounded before it is built, aliases are expanded
 * against a budget (so nothing laughs a billion times), and what two readers of YAML would read
 * differently (merge keys, odd tags, keys given twice) is refused rather than guessed. */
#ifndef GUAC_CRD_YAMLDOC_H
#define GUAC_CRD_YAMLDOC_H

#include <jansson.h>
#include <stddef.h>

#include "guacd/base/err.h"

#define YAMLDOC_BYTES_MAX (4u << 20)    /* of a file */
#define YAMLDOC_DOCUMENTS_MAX 10000     /* in a file */
#define YAMLDOC_DEPTH_MAX 32            /* nesting, aliases expanded */
#define YAMLDOC_NODES_MAX 20000         /* of one document, aliases expanded */
#define YAMLDOC_EXPANDED_MAX (8u << 20) /* bytes of all scalars of a file, aliases expanded */
#define YAMLDOC_ANCHORS_MAX 64          /* in one document */

/* Calls fn for each document in order; `doc` is borrowed, `line` counts from 1. Plain scalars
 * follow YAML 1.2's core schema, narrowed to what JSON says the same way: true, false, null,
 * decimal numbers without leading zeros; all else is a string. A non-zero from fn stops and is
 * returned. -1: malformed or beyond a bound, "line 3, column 7: …"; what came before was delivered.
 * The text of a scalar is never in an error: a Secret may be in the file. */
int yamldoc_each(const char *text, size_t len, int (*fn)(void *arg, json_t *doc, int line),
                 void *arg, struct err *e);

#endif
