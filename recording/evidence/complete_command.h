/* guac-evidence verify without words: a whole store, or a period of it. */
#ifndef GUAC_EVIDENCE_COMPLETE_COMMAND_H
#define GUAC_EVIDENCE_COMPLETE_COMMAND_H

#include "recording/evidence/evidence.h"

/* path: of a bag, a folder or a tar; NULL: the whole store. */
int complete_command(struct evidence *v, const char *path, struct err *e);

#endif
