/* CustomResourceDefinitions from the tables: what the readers check, the API server checks at the
 * door, in the same words. Written by the program deploy/crd/crds.c when the project is built. */
#ifndef GUAC_CRD_OPENAPI_H
#define GUAC_CRD_OPENAPI_H

#include "crd/openapi_kinds.h"
#include "guacd/base/buf.h"

/* The whole CRD as YAML. */
int openapi_crd(const struct openapi_kind *k, struct buf *out);
/* Its fields as Markdown: path, type, default, meaning. */
int openapi_manual(const struct openapi_kind *k, struct buf *out);
/* The parameters of a protocol that an author may set, as Markdown. */
int openapi_parameters(const struct protocol *p, struct buf *out);

#endif
