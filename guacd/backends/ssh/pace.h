/* How fast a paste may go. While a program reads lines with echo off (cat after stty -echo, a
 * prompt for a password) OpenSSH answers each write to its terminal by an SSH_MSG_IGNORE of the
 * same length, so that nobody on the wire can tell; and libssh2 ends the session at a packet of
 * more than 40 000 bytes. So less than that may wait at the server while it does so.
 *
 * What the server has taken is told by a question behind it, which it answers in order; or, where
 * such silence comes back, by the length of that. Pure: no I/O, no clock. */
#ifndef GUAC_BACKENDS_SSH_PACE_H
#define GUAC_BACKENDS_SSH_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_FIRST 8192u       /* bytes between two questions, in the beginning */
#define PACE_MOST (256u << 10) /* … once nothing speaks against it */
#define PACE_QUIET 18000u      /* under way at most while silence comes back */
#define PACE_PROBE 256u        /* sent when it does not: what answers this has taken all before */
#define PACE_PROBE_MS 20
#define PACE_LOUD_MS 2000   /* no answer: the program has changed its mind, or sleeps */
#define PACE_ANSWER_MS 3000 /* a server that answers no question is not asked again */

struct pace {
    uint64_t raw, data;           /* bytes that came, and what of them was shown */
    uint64_t raw_then, data_then; /* … when it was last looked at */
    size_t unproved;              /* written and perhaps not taken yet */
    size_t burst;                 /* between two questions; 0: PACE_FIRST */
    size_t asked;                 /* of it, before the question under way; 0: none is */
    size_t probe;                 /* bytes that may go although too much is under way */
    uint64_t since;               /* ms: when something last moved */
    bool quiet, probing, off;
};

/* What came until now says nothing. */
void pace_start(struct pace *p);
/* Bytes that may be written now. */
size_t pace_room(const struct pace *p);
void pace_wrote(struct pace *p, size_t n, uint64_t now_ms);
/* Should a question be asked now? It is, when this says so. */
bool pace_ask(struct pace *p, uint64_t now_ms);
void pace_answered(struct pace *p, uint64_t now_ms);
/* All that came was read: look at it, and at the time. */
void pace_look(struct pace *p, uint64_t now_ms);
/* ms until pace_look() is due, -1: never. */
int pace_wait_ms(const struct pace *p, uint64_t now_ms);

#endif
