/* Common to both ends of the handshake. Private to guacd/proto. */
#ifndef GUAC_PROTO_HANDSHAKE_PART_H
#define GUAC_PROTO_HANDSHAKE_PART_H

#include "guacd/proto/handshake.h"

/* Keep bytes until an instruction is whole. Says how many of data are ours; OK: `in` points into
 * part, which the caller clears when done with it. either: the peer may count UTF-16 units. */
enum instr_result handshake_collect(struct buf *part, size_t *total, bool either, const char *data,
                                    size_t len, size_t *taken, struct instr *in, struct err *e);
/* Text for people: control characters go, what does not fit is cut between characters. */
void handshake_name(const char *text, size_t len, char *out, size_t size);
/* "VERSION_1_5_0". */
bool handshake_version(struct slice s, unsigned *out);
int handshake_put_version(struct buf *out, unsigned version);

#endif
