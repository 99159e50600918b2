/* What a person reads first in a bag: report.html, without script, and the control map. */
#ifndef GUAC_EVIDENCE_REPORT_H
#define GUAC_EVIDENCE_REPORT_H

#include "recording/evidence/bag.h"
#include "recording/evidence/reading.h"
#include "recording/note.h"

struct report {
    int rows; /* a scratch file, the caller's: a session a row */
    char log[400];
};
int report_session(struct report *r, const struct reading *one, struct err *e);
void report_log(struct report *r, const struct note *n);
int report_put(struct report *r, struct bag *b, size_t sessions, struct err *e);

#endif
