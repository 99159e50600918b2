/* Apache Guacamole's user-mapping.xml, read into a tree. The file is somebody else's: a document
 * type, and with it every entity, is refused; depth, numbers and lengths are bounded. Pure. */
#ifndef GUAC_IMPORT_USERMAP_H
#define GUAC_IMPORT_USERMAP_H

#include <jansson.h>
#include <stddef.h>

#include "guacd/base/err.h"

#define USERMAP_BYTES_MAX ((size_t)8 << 20)
#define USERMAP_DEPTH_MAX 12
#define USERMAP_CONNECTIONS_MAX 5000
#define USERMAP_PARAMETERS_MAX 200 /* of one connection */
#define USERMAP_VALUE_MAX 65536    /* of one value: a private key is the longest */
#define USERMAP_NAME_MAX 255       /* of a user, a connection, a group, a parameter */
#define USERMAP_NOTES_MAX 1000

/* A new tree, or NULL with e ("line 3: …", never a value):
 *   {"users": [{"name", "encoding": "plain" or as written, "line"}],
 *    "connections": [{"user", "name" ("" for a user's only one), "protocol", "line",
 *                     "parameters": [[name, value]…]}],
 *    "notes": [{"line", "text"}]}     what is no part of such a file, and was left out
 * Connections inside of <group name="…"> are named "group / name". */
json_t *usermap_parse(const char *text, size_t len, struct err *e);

#endif
