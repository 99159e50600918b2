/* What a person names on the command line: a prefix, an id, or a folder with a copy. */
#ifndef GUAC_EVIDENCE_FIND_H
#define GUAC_EVIDENCE_FIND_H

#include "recording/evidence/tree.h"
#include "recording/store.h"

struct found {
    struct store_target *target; /* of a folder that is no store; else NULL */
    struct store *store;         /* to be used: of that folder, or the one given */
    char prefix[NAME_PREFIX_SIZE];
};
/* `configured` (NULL: none) is the store of the configuration, `t` its tree. */
int find_recording(const char *word, struct store *configured, struct tree *t, struct found *out,
                   struct err *e);
void found_fini(struct found *f);

#endif
