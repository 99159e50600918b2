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

struct openapi_column {
    const char *name, *type, *path; /* path: ".spec.protocol" */
    int priority;                   /* 1: with -o wide only */
};

struct openapi_kind {
    const char *kind, *plural, *singular, *short_name, *help;
    const struct schema *spec, *status; /* status NULL: none */
    const struct openapi_rule *rules;
    size_t rule_count;
    const struct openapi_column *columns;
    size_t column_count;
};

#define OPENAPI_KINDS 5
extern const struct openapi_kind openapi_kinds[OPENAPI_KINDS];

#endif
