/* One session's place in the log, as ARCHITECTURE.md's `proof` has it: leaves, inclusion proofs
 * under the newest signed checkpoint, who watched, exported or held it. */
#ifndef GUAC_EVIDENCE_PROVE_H
#define GUAC_EVIDENCE_PROVE_H

#include <jansson.h>

#include "recording/log.h"

/* A new object; leaves that are not under the checkpoint yet have no `proof`. NULL: the store or
 * the log cannot be read. */
json_t *prove_session(struct log *l, const char *session, struct err *e);

#endif
