/* What a URL carries behind '?', and what we put there. Pure; the input is hostile. */
#ifndef GUAC_AUTHD_QUERY_H
#define GUAC_AUTHD_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define QUERY_BYTES_MAX 8192
#define QUERY_ITEMS_MAX 64

struct query {
    char *text; /* decoded, cut into strings */
    struct query_item {
        const char *name, *value;
    } items[QUERY_ITEMS_MAX];
    size_t count;
};

/* name=value&name=value, percent-encoded, '+' is a blank. Refused: more than the bounds, broken
 * percent signs, control characters, what is not UTF-8. Zero `out` first. */
int query_parse(const char *text, size_t len, struct query *out, struct err *e);
void query_fini(struct query *q);
/* First value of that name, or the fallback. */
const char *query_get(const struct query *q, const char *name, const char *fallback);
/* Append "name=value", with '&' in front where something is there already. */
int query_add(struct buf *out, const char *name, const char *value);
/* Percent-encode all but unreserved characters (RFC 3986). */
int query_escape(struct buf *out, const char *text);
/* A path of this gateway to go back to: "/…", no other host can be meant, no control character, not
 * below /auth/. */
bool query_is_local(const char *path);
/* One percent-decoded path segment into out; false when it does not fit or is no plain text. */
bool query_segment(const char *text, size_t len, char *out, size_t size);

#define _query_ __attribute__((cleanup(query_fini)))

#endif
