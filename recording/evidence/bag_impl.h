/* Between bag.c (the manifest), bag_file.c (files of a folder and of a tar). */
#ifndef GUAC_EVIDENCE_BAG_IMPL_H
#define GUAC_EVIDENCE_BAG_IMPL_H

#include "recording/evidence/bag.h"

#define BAG_MANIFEST "manifest-sha256.txt"
#define BAG_SCRATCH ".new" /* at the end of names that are no part of the bag */

/* A file is whole: into the manifest, or among the tag files. */
int bag_note(struct bag *b, const char *path, const char *hex, uint64_t bytes, struct err *e);

#endif
