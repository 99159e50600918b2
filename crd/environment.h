/* EnvironmentPolicy, as far as this gateway rules by it: kinds recording-required and jit-required
 * for the environments it applies to, and pods-without-jit, which takes back what holds for pods in
 * an environment that any policy rules (proxy/authd/policy.c). It belongs to others, so what is
 * unknown here is left alone. */
#ifndef GUAC_CRD_ENVIRONMENT_H
#define GUAC_CRD_ENVIRONMENT_H

#include <jansson.h>
#include <stdbool.h>

/*   apiVersion: catalyst.openova.io/…    kind: EnvironmentPolicy
 *   metadata: { name: production }
 *   spec:
 *     appliesTo: { environments: [prod] }
 *     rules: [ { kind: recording-required }, { kind: jit-required } ]                          */
struct environment_policy {
    _Atomic unsigned refs;
    char *name, *source;
    json_t *environments;
    bool recording_required, jit_required, pods_without_jit;
    json_t *errors;
};

struct environment_policy *environment_read(const json_t *resource, const char *source);
struct environment_policy *environment_ref(struct environment_policy *p);
void environment_unref(struct environment_policy *p); /* NULL is fine */

#endif
