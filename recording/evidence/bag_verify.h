/* What verify.sh in a bag finds, found by us: the same verdict, from the same bytes. */
#ifndef GUAC_EVIDENCE_BAG_VERIFY_H
#define GUAC_EVIDENCE_BAG_VERIFY_H

#include "recording/evidence/anchor.h"
#include "recording/evidence/complete.h"

struct bag_verify {
    struct anchor *anchor;
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* may be NULL */
    void *arg;
};
/* A folder, or a tar. -1: it could not be read. */
int bag_verify(const char *path, const struct bag_verify *v, struct complete_report *out,
               struct err *e);
/* The same of a tar that is open; takes fd. */
int bag_verify_tar(int fd, const struct bag_verify *v, struct complete_report *out, struct err *e);

#endif
