/* The few questions that need several parts at once. */
#include "proxy/authd/authd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/proto/status.h"
#include "proxy/authd/approvals.h"

#define OFFSET_FRESH_MS 60000

int authd_seal(struct authd *a, const char *purpose, const json_t *content, struct buf *out,
               struct err *e) {
    pthread_rwlock_rdlock(&a->keys_lock);
    int rc = cookie_seal(a->keys, purpose, content, out, e);
    pthread_rwlock_unlock(&a->keys_lock);
    return rc;
}

json_t *authd_open(struct authd *a, const char *purpose, const char *text, size_t len,
                   struct err *e) {
    pthread_rwlock_rdlock(&a->keys_lock);
    json_t *content = cookie_open(a->keys, purpose, text, len, e);
    pthread_rwlock_unlock(&a->keys_lock);
    return content;
}

void authd_csrf(struct authd *a, const char *sid, char out[COOKIE_CSRF_LEN + 1]) {
    pthread_rwlock_rdlock(&a->keys_lock);
    cookie_csrf(a->keys, sid, out);
    pthread_rwlock_unlock(&a->keys_lock);
}

bool authd_csrf_check(struct authd *a, const char *sid, const char *token) {
    pthread_rwlock_rdlock(&a->keys_lock);
    bool ok = cookie_csrf_check(a->keys, sid, token);
    pthread_rwlock_unlock(&a->keys_lock);
    return ok;
}

void authd_new_keys(struct authd *a, struct cookie_keys *keys) {
    pthread_rwlock_wrlock(&a->keys_lock);
    struct cookie_keys *old = a->keys;
    a->keys = keys;
    pthread_rwlock_unlock(&a->keys_lock);
    cookie_keys_free(old);
}

bool authd_trusts(const struct authd *a, unsigned uid) {
    bool known = uid == geteuid();
    for (size_t i = 0; i < a->conf.uid_count; i++)
        known |= a->conf.uids[i] == uid;
    return known;
}

uint64_t authd_generation(struct authd *a) {
    struct snapshot *s = catalog_snapshot(a->catalog);
    uint64_t g =
        s->generation + atomic_load(&a->session_changes) + resources_generation(a->resources);
    snapshot_unref(s);
    return g;
}

int64_t authd_clock_offset(struct authd *a) {
    int64_t at = atomic_load(&a->clock_offset_at);
    return at && (int64_t)clock_ms() - at < OFFSET_FRESH_MS ? atomic_load(&a->clock_offset_ms) : 0;
}

void authd_view_init(struct authd_view *v, struct authd *a, const struct identity *who,
                     const struct snapshot *snapshot) {
    *v = (struct authd_view){
        .who = who,
        .policies = { .config = &a->policy,
                      .environments = snapshot->policies,
                      .environment_count = snapshot->policy_count,
                      .clock_offset_ms = authd_clock_offset(a),
                      .operates = who && authd_can_operate(a, who, snapshot) },
    };
    locks_view_init(&v->locks, a->locks, who);
    v->policies.locks = v->locks.list;
    v->policies.lock_count = v->locks.count;
    v->policies.locks_stale = locks_stale(a->locks);
    requests_own_init(&v->requests, a->resources, who);
    live_list_init(&v->sessions, a->resources, (int64_t)clock_wall_ms());
}

void authd_view_fini(struct authd_view *v) {
    live_list_fini(&v->sessions);
    locks_view_fini(&v->locks);
    requests_own_fini(&v->requests);
}

const struct resource *authd_grant(const struct authd_view *v, const struct connection *c) {
    return json_array_size(c->jit.approvers) ? requests_newest(&v->requests, c, true) : NULL;
}

void authd_decide(const struct authd_view *v, const struct connection *c, bool resuming,
                  struct decision *out) {
    struct policy_sessions sessions = { v->sessions.list, v->sessions.count, resuming, NULL };
    const struct resource *request = authd_grant(v, c);
    struct policy_grant grant = { 0 };
    if (request)
        grant = (struct policy_grant){ request->request.approved, request->request.expires };
    decide(v->who, c, &v->policies, request ? &grant : NULL, &sessions, (int64_t)clock_wall_ms(),
           out);
}

bool authd_can_approve(const struct authd *a, const struct identity *who,
                       const struct snapshot *snapshot) {
    (void)a;
    for (size_t i = 0; i < snapshot->count; i++)
        if (approvals_named(who, snapshot->connections[i]->jit.approvers))
            return true;
    return false;
}

bool authd_can_audit(const struct authd *a, const struct identity *who) {
    return identity_has_any(who, a->conf.auditors);
}

bool authd_can_moderate(const struct authd *a, const struct identity *who) {
    return identity_has_any(who, a->conf.moderators);
}

bool authd_can_operate(const struct authd *a, const struct identity *who,
                       const struct snapshot *snapshot) {
    if (json_array_size(a->conf.operators) > 0)
        return identity_has_any(who, a->conf.operators);
    for (size_t i = 0; i < snapshot->count; i++)
        if (identity_has_any(who, snapshot->connections[i]->roles))
            return true;
    return false;
}
