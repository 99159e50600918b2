/* What a person reads first in a bag: report.html, without script, and the control map. */
#ifndef GUAC_EVIDENCE_REPORT_H
#define GUAC_EVIDENCE_REPORT_H

#include "recording/evidence/bag.h"
#include "recording/evidence/reading.h"
#include "recording/note.h"

struct report {
    struct buf rows;
    char log[400];
    size_t sessions;
};
void report_init(struct report *r);
void report_fini(struct report *r);
void report_session(struct report *r, const struct reading *one);
void report_log(struct report *r, const struct note *n);
int report_put(struct report *r, struct bag *b, struct err *e);

#endif
