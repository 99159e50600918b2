/* Seals what other recorders left behind: one that kept silent for `fence-after` by the store's
 * clock, while we could see all the time that it did, is fenced by a swap of its alive object; then
 * each of its sessions is sealed, and the object removed. Any number of sealers may be at it: the
 * list and the seal are stored once, and their leaves are looked for before they are written. */
#ifndef GUAC_RECORDER_SEALER_H
#define GUAC_RECORDER_SEALER_H

#include "guacd/base/err.h"
#include "recording/recorder/recorder.h"

struct sealer;
struct sealer *sealer_new(struct recorder *r, struct err *e);
void sealer_start(struct sealer *s);
void sealer_free(struct sealer *s); /* NULL is fine; its job has ended */
/* This one is fenced: do not wait. */
void sealer_take(struct sealer *s, const char *gateway);

#endif
