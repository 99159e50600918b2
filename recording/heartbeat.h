/* alive/<gateway> in the log's head bucket: which sessions a recorder has open. Compact JSON:
 *
 *   gateway   UUID of one life of a recorder, the object's name
 *   fenceMs   silence after which others take its sessions over
 *   sessions  [[prefix, n]..]: each whose open record may be stored and whose seal is not in the
 *             log yet; its leaves are at n or behind
 *   by        UUID of the recorder that fenced it; absent: it lives. What was fenced once is never
 *             written again, but removed when all of its sessions are sealed
 *   taken     fenced by the next life on the same spool, which goes on with what is not listed */
#ifndef GUAC_RECORDING_HEARTBEAT_H
#define GUAC_RECORDING_HEARTBEAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/base/err.h"

#define HEARTBEAT_MAX ((size_t)16 << 20) /* bytes */
#define HEARTBEAT_FOLDER "alive"

struct heartbeat {
    char gateway[UUID_LEN + 1], by[UUID_LEN + 1]; /* by "": it lives */
    uint64_t fence_ms;
    bool taken;
    json_t *sessions; /* owned */
};
int heartbeat_init(struct heartbeat *h, const char *gateway, uint64_t fence_ms);
void heartbeat_fini(struct heartbeat *h); /* zeroed is fine */
int heartbeat_add(struct heartbeat *h, const char *prefix, uint64_t from);
size_t heartbeat_count(const struct heartbeat *h);
/* The prefix of the i-th, owned by h, and where its leaves may be. */
const char *heartbeat_get(const struct heartbeat *h, size_t i, uint64_t *from);
/* Is a session with this id in it? */
bool heartbeat_has(const struct heartbeat *h, const char *id);

#define HEARTBEAT_KEY 160
/* Where the one of this gateway lies; "": the folder of all. */
void heartbeat_key(const char *log_bucket, const char *gateway, char out[HEARTBEAT_KEY]);

int heartbeat_write(const struct heartbeat *h, struct buf *out, struct err *e);
/* Pure. Each prefix is one that a recording can have. */
int heartbeat_parse(const char *text, size_t len, struct heartbeat *out, struct err *e);

#endif
