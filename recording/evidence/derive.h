/* Readable copies for a bag, made from what is stored and never evidence themselves: the stock
 * stream, a transcript, an asciicast, keys and events as JSON lines. */
#ifndef GUAC_EVIDENCE_DERIVE_H
#define GUAC_EVIDENCE_DERIVE_H

#include "recording/evidence/bag.h"
#include "recording/evidence/reading.h"

/* Below data/derived/<session>/. Chunks that cannot be read end a file and are told in it. */
int derive_all(struct bag *b, struct reading *r, struct err *e);
/* Text for HTML: the five signs as entities, control characters as pictures of themselves. */
void derive_html(struct buf *out, const char *text);

#endif
