/* The tap's frames on their way to the recorder (recording/tap.h has the format): kept until the
 * spool has them, counted until the store has them, sent again to a recorder that was restarted. */
#ifndef GUAC_SESSION_TAP_H
#define GUAC_SESSION_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"
#include "guacd/base/loop.h"
#include "guacd/session/outq.h"
#include "recording/tap.h"

struct tap_limits {
    /* That the store has not acknowledged. One picture, however large, is let go beyond the hard
     * limit: it was shown already, and the soft limit lets no other follow it. */
    size_t soft_bytes, hard_bytes;
    uint64_t soft_ms, hard_ms; /* age of the oldest of them; since the tap was cut */
};

enum tap_state {
    TAP_GOOD,
    TAP_BEHIND, /* over the soft limit */
    TAP_CUT,    /* nobody listens */
    TAP_LOST,   /* over the hard limit, or cut for that long */
};

struct tap;

/* on_change: the state may be another one now, or something was acknowledged. */
struct tap *tap_new(struct loop *loop, const struct tap_limits *limits,
                    void (*on_change)(void *arg), void *arg, struct err *e);
void tap_free(struct tap *t);
/* The descriptor (owned from here on). Everything after sequence `after` is sent on it; -1: frames
 * behind `after` are gone already (spooled, said an earlier recorder). */
int tap_attach(struct tap *t, int fd, uint64_t after, struct err *e);
/* Takes a reference. TAP_DATA of many MiB goes as several frames, cut between instructions. */
void tap_add(struct tap *t, enum tap_type type, uint64_t ms, struct chunk *c);
enum tap_state tap_state(struct tap *t);
uint64_t tap_last(const struct tap *t);    /* sequence of the newest frame, 0: none */
uint64_t tap_spooled(const struct tap *t); /* up to here the recorder has it on disk */
size_t tap_unstored(const struct tap *t);  /* bytes */

#endif
