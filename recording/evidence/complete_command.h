/* guac-evidence verify without words: a whole store, or a period of it. */
#ifndef GUAC_EVIDENCE_COMPLETE_COMMAND_H
#define GUAC_EVIDENCE_COMPLETE_COMMAND_H

#include "recording/evidence/evidence.h"

int complete_command(struct evidence *v, struct err *e);

#endif
