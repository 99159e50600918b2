/* JSON written straight into a buffer, for answers with thousands of rows, where building a tree
 * first costs ten times as much. The caller places braces; commas come by themselves. */
#ifndef GUAC_AUTHD_JSONTEXT_H
#define GUAC_AUTHD_JSONTEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/buf.h"

/* Open and close an object or array ('{', '['); key NULL inside an array. */
void jsontext_open(struct buf *b, const char *key, char bracket);
void jsontext_close(struct buf *b, char bracket);
/* value NULL: null. What is not UTF-8 must not come here. */
void jsontext_str(struct buf *b, const char *key, const char *value);
void jsontext_int(struct buf *b, const char *key, int64_t value);
void jsontext_bool(struct buf *b, const char *key, bool value);
/* Array of strings. */
void jsontext_strings(struct buf *b, const char *key, const json_t *strings);

#endif
