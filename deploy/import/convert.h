/* What a user-mapping.xml holds, as GuacamoleConnections. Pure. */
#ifndef GUAC_IMPORT_CONVERT_H
#define GUAC_IMPORT_CONVERT_H

#include <jansson.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

struct convert_options {
    const char *namespace;
    const char *role;    /* of every connection; NULL: guacamole-<user> */
    const char *bucket;  /* NULL: the default */
    long retention_days; /* 0: the default */
    bool ask_host_keys;  /* people are asked about SSH servers that are not pinned */
};

/* From usermap_parse()'s tree:
 *   {"connections": [{"name", "resource": {…}, "secrets": {key: value}}],
 *    "roles": {role: [user…]},
 *    "report": [{"line", "what", "text", "lost": bool}]}   lost: something has no counterpart
 * Every resource is one that the gateway takes as it is: what would make it invalid is left out and
 * reported. No secret is in a resource or in the report. NULL without memory. */
json_t *convert(const json_t *map, const struct convert_options *o, struct err *e);
/* The resource as YAML that yamldoc_each() reads back as the same tree. */
int convert_yaml(const json_t *resource, struct buf *out);

#endif
