/* The five kinds, as far as the API server has to know them beyond their rows. */
#ifndef GUAC_CRD_OPENAPI_KINDS_H
#define GUAC_CRD_OPENAPI_KINDS_H

#include "crd/connection.h"
#include "crd/resource.h"

/* A rule in the Common Expression Language, true where all is well. */
struct openapi_rule {
    const char *path; /* "spec", "spec.kubernetes"; "": the whole resource */
    const char *rule, *message;
};

struct openapi_kind {
    const char *kind, *plural, *singular, *short_name, *help;
    const struct schema *spec, *status; /* status NULL: none */
    const struct openapi_rule *rules;
    size_t rule_count;
    /* kubectl's columns, one a line: "Name .path [date | integer | boolean] [wide]" */
    const char *columns;
};

#define OPENAPI_KINDS 5
extern const struct openapi_kind openapi_kinds[OPENAPI_KINDS];

#endif
