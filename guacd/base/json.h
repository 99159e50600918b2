/* jansson behind bounds, with errors as sentences. jansson's own functions do the rest. */
#ifndef GUAC_BASE_JSON_H
#define GUAC_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

/* One object or array, depth and size bounded (max bytes), duplicate keys refused. */
json_t *json_parse(const char *text, size_t len, size_t max, struct err *e);
/* Members by name; a missing one gives the fallback, one of another type too. */
const char *json_str(const json_t *o, const char *key, const char *fallback);
int64_t json_num(const json_t *o, const char *key, int64_t fallback);
bool json_flag(const json_t *o, const char *key, bool fallback);
/* Required string: NULL and `e` when it is missing or no string. */
const char *json_need(const json_t *o, const char *key, struct err *e);
/* Compact, keys sorted: the canonical form that is hashed and signed. */
int json_write(const json_t *o, struct buf *out);
bool json_has_string(const json_t *array, const char *value);

static inline void json_unref(json_t **p) {
    json_decref(*p);
}
#define _json_ __attribute__((cleanup(json_unref)))

#endif
