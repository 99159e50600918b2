/* A recording in one line of a list, and in full for the player: JSON as ARCHITECTURE.md has it. */
#ifndef GUAC_EVIDENCE_SUMMARY_H
#define GUAC_EVIDENCE_SUMMARY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "recording/store.h"

/* {id, prefix, namespace, connection, protocol, target, person, started, ended, durationMs, state,
 * bytes, reason}; *final: sealed, so it will not change. NULL: the store cannot be read. */
json_t *summary_make(struct store *s, const char *prefix, uint64_t now_ms, bool *final,
                     struct err *e);
/* {open, seal, state, durationMs, chunks, keyframes, texts} */
json_t *summary_show(struct store *s, const char *prefix, uint64_t now_ms, struct err *e);

struct summary_filter {
    const char *person, *protocol, *state; /* NULL: any; person: a part of the name, or the sub */
};
bool summary_matches(const json_t *summary, const struct summary_filter *f);

#endif
