/* A recording on its way to stock players: the very stream, with `sync` put into idle stretches (a
 * player's clock moves by them) and input kept behind the first `sync` (theirs crashes otherwise).
 * Pure: bytes in, bytes out; any bytes are taken. */
#ifndef GUAC_EVIDENCE_IDLE_H
#define GUAC_EVIDENCE_IDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

#define IDLE_MS 5000              /* at most this much between two `sync`s */
#define IDLE_SYNCS_MAX 20000      /* put in at one place: a day */
#define IDLE_HOLD_MAX (64u << 20) /* a frame larger than this is passed on as it comes */

struct idle {
    struct buf partial; /* the beginning of an instruction */
    struct buf frame;   /* since the last `sync` or input line */
    struct buf input;   /* input in front of the first `sync` */
    bool synced;        /* one was seen, at: */
    uint64_t last;
    bool raw; /* no instructions: passed on unread from here */
};

void idle_init(struct idle *i);
void idle_fini(struct idle *i);
/* Appends to out what may be passed on. -1: out is full. */
int idle_feed(struct idle *i, const char *data, size_t len, struct buf *out);
int idle_end(struct idle *i, struct buf *out);

#endif
