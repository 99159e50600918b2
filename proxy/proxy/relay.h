/* What the relay does to bytes between a browser and guacd. Pure; everything outside hands it
 * buffers. */
#ifndef GUAC_PROXY_RELAY_H
#define GUAC_PROXY_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

/* Browser -> guacd. Takes the whole instructions in front of data (lengths counted either way, see
 * wire facts), appends to `up` what guacd gets and to `down` what the browser gets back: pings
 * (empty opcode) are answered here and never passed on. *used is what was taken; the rest is the
 * beginning of an instruction. -1: malformed (e says how), or a buffer is full. */
int relay_upstream(const char *data, size_t len, size_t *used, struct buf *up, struct buf *down,
                   struct err *e);

/* True when data, whole instructions, holds code points above U+FFFF, which clients that count
 * UTF-16 units and clients that count code points read differently. */
bool relay_ambiguous(const char *data, size_t len);
/* guacd -> browser, for such data: the same instructions with those code points replaced. */
int relay_downstream(const char *data, size_t len, struct buf *out, struct err *e);

/* True when data ends in an `error` or `disconnect` instruction: the session has said goodbye. */
bool relay_said_goodbye(const char *data, size_t len);

#endif
