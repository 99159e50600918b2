/* A connection's `parameters` against the protocol's table: the author's slips, and what authors
 * must not set (secrets, local paths, the gateway's own policy rows). */
#ifndef GUAC_CRD_PARAMETERS_H
#define GUAC_CRD_PARAMETERS_H

#include <jansson.h>

#include "crd/field.h"
#include "guacd/proto/args.h"

/* The checked values as text by name (a new object); errors into f. p NULL: nothing is checked. */
json_t *parameters_read(const struct field *spec, const struct protocol *p);
/* A copy of a spec that holds no secret even where its author wrote one. */
json_t *parameters_redact(const json_t *spec, const struct protocol *p);
/* Why this parameter is never taken from an author, a sentence without its name; NULL: it is. */
const char *parameters_refusal(const struct arg_spec *row, char *out, size_t size);
/* May a Secret carry this parameter? Secrets, and who signs in; never a host, path or policy. */
bool parameters_secret_may(const struct protocol *p, const char *name);

#endif
