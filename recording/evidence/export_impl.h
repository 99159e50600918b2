/* Between export.c (the recordings, the whole) and export_log.c. */
#ifndef GUAC_EVIDENCE_EXPORT_IMPL_H
#define GUAC_EVIDENCE_EXPORT_IMPL_H

#include "recording/evidence/export.h"
#include "recording/evidence/export_list.h"
#include "recording/evidence/report.h"
#include "recording/log.h"

struct export {
    struct export_work *w;
    struct export_list list;
    struct report report;
    struct log log;
    struct err *e;
};

/* Leaves, checkpoint, keys and stamps. May lower the period's end: what began while the list was
 * made, and is not in it, is none of this bag. */
int export_log(struct export *x);

#endif
