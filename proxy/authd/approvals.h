/* Just-in-time access: what a request needs, who may say yes, and where it stands. Pure. One
 * approval from each listed name (realm role or group), by different people, none of them the
 * requester; in an emergency any two of those people. */
#ifndef GUAC_AUTHD_APPROVALS_H
#define GUAC_AUTHD_APPROVALS_H

#include "crd/connection.h"
#include "crd/resource.h"
#include "proxy/authd/identity.h"

#define APPROVALS_GLASS 2 /* people who break the glass */

enum approvals_state {
    APPROVALS_PENDING,
    APPROVALS_APPROVED, /* its window runs */
    APPROVALS_DENIED,
    APPROVALS_EXPIRED, /* nobody decided in time */
    APPROVALS_REVOKED,
    APPROVALS_WITHDRAWN,
    APPROVALS_OVER, /* its window is past */
};
const char *approvals_state_name(enum approvals_state s); /* "pending" … */
/* Where a request stands at `now` (Unix ms); pending_ms: how long one may wait. */
enum approvals_state approvals_state(const struct resource *request, int64_t pending_ms,
                                     int64_t now);
/* When a pending one lapses, or an approved one's window ends; Unix ms. */
int64_t approvals_until(const struct resource *request, int64_t pending_ms);

/* Listed names whose approval is missing; a new array. Of an emergency: as many entries as people
 * are missing. */
json_t *approvals_missing(const json_t *required, const struct resource *request);

/* May this person say yes now, and for which name? */
struct approvals_verdict {
    const char *rule; /* NULL: yes */
    const char *why, *advice;
    char as[256];
};
/* moderators: names that may break the glass beside the listed ones. */
void approvals_judge(const struct identity *who, const json_t *required, const json_t *moderators,
                     const struct resource *request, int64_t pending_ms, int64_t now,
                     struct approvals_verdict *out);
/* Has this person a listed name at all? It may see, deny and revoke such requests. */
bool approvals_named(const struct identity *who, const json_t *required);

/* Add one approval to a copy of the request (approved once none is missing: the window begins at
 * `now`). False: it does not count, *why says so. */
bool approvals_count(struct resource *request, const struct resource *approval,
                     const json_t *required, int64_t now, const char **why);

#endif
