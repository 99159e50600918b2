/* RFC 3161 responses, verified against an authority's certificates. */
#ifndef GUAC_EVIDENCE_STAMPS_H
#define GUAC_EVIDENCE_STAMPS_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"

/* The time that is stamped on `data`. */
int stamps_check(const void *tsr, size_t tsr_len, const void *data, size_t len, const char *ca_file,
                 uint64_t *ms, struct err *e);

#endif
