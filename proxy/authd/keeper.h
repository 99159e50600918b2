/* What has to happen without anybody asking: sessions that a lock, a revoked approval or a deleted
 * resource ends; requests that lapse; resources that grow old. A thread of its own, woken by every
 * change of the store. */
#ifndef GUAC_AUTHD_KEEPER_H
#define GUAC_AUTHD_KEEPER_H

#include "proxy/authd/authd.h"

struct keeper;

struct keeper *keeper_new(struct authd *a, struct err *e);
void keeper_free(struct keeper *k); /* NULL is fine */

/* May this session go on? Pure. NULL: yes; else the sentence for who is in it (of a revocation
 * its note), held by the lock or request that says it. `c` NULL: its connection is gone, which
 * alone ends nothing. */
struct keeper_session {
    const char *id, *sub, *sid, *connection; /* sid NULL: not known */
    int64_t started;                         /* Unix ms */
    int64_t confirmed;                       /* sign-in refreshed last; 0: need not be */
};
const char *keeper_verdict(const struct keeper_session *s, const struct connection *c,
                           const struct policy_lock *locks, size_t lock_count,
                           const struct resource *const *requests, size_t request_count,
                           int64_t unrefreshed_ms, int64_t now);

#endif
