/* What the parts of guac-authd share. Made by main(), then only read, but for what locks itself. */
#ifndef GUAC_AUTHD_AUTHD_H
#define GUAC_AUTHD_AUTHD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "crd/catalog.h"
#include "crd/resources.h"
#include "proxy/authd/audit.h"
#include "proxy/authd/config.h"
#include "proxy/authd/cookie.h"
#include "proxy/authd/link.h"
#include "proxy/authd/live.h"
#include "proxy/authd/locks.h"
#include "proxy/authd/oidc.h"
#include "proxy/authd/policy.h"
#include "proxy/authd/recorder.h"
#include "proxy/authd/requests.h"
#include "proxy/authd/sessions.h"
#include "recording/sign.h"

struct listener;
struct used;
struct opened;
struct share;
struct relay;
struct limits;
struct ship;
struct evidence_log;

struct authd {
    struct config conf;
    struct sign_key *key; /* the gateway's own */
    struct catalog *catalog;
    struct oidc *oidc;           /* NULL: none configured */
    struct links *links;         /* NULL: none configured */
    struct cluster *cluster;     /* NULL: resources are in folders */
    struct resources *resources; /* what the gateway itself writes */
    struct locks *locks;
    struct share *share; /* who moderates what */
    struct relay *relay; /* tickets between replicas */
    struct limits *limits;
    struct recorder *recorder;
    struct sessions *sessions;
    struct evidence_log *evidence_log;
    struct opened *opened; /* open records whose seal is to come */
    struct used *used;     /* who used which connection when */
    struct used *replays;  /* who opened which recording when */
    struct audit *audit;
    struct ship *ship; /* audit events on their way out */
    struct policy_config policy;
    struct cookie_keys *keys; /* by authd_keys() */
    pthread_rwlock_t keys_lock;
    _Atomic uint64_t session_changes;
    _Atomic int64_t clock_offset_ms, clock_offset_at; /* the latter by clock_ms; 0: never */
    _Atomic(struct listener *) listener; /* to wake long polls; NULL while starting and ending */
};

/* Cookies under the keys of the moment; they are read again when their file changes. */
int authd_seal(struct authd *a, const char *purpose, const json_t *content, struct buf *out,
               struct err *e);
json_t *authd_open(struct authd *a, const char *purpose, const char *text, size_t len,
                   struct err *e);
void authd_csrf(struct authd *a, const char *sid, char out[COOKIE_CSRF_LEN + 1]);
bool authd_csrf_check(struct authd *a, const char *sid, const char *token);
void authd_new_keys(struct authd *a, struct cookie_keys *keys); /* takes them */

/* Is this user id ours, or one of trusted-uids? */
bool authd_trusts(const struct authd *a, unsigned uid);

/* What long polls wait for: differs from any earlier value once connections or sessions changed. */
uint64_t authd_generation(struct authd *a);
/* Measured less than a minute ago; else 0, and the next session measures again. */
int64_t authd_clock_offset(struct authd *a);
/* What decide() looks at beside the connection: gathered once, asked many times. Borrows `who` and
 * `snapshot`. */
struct authd_view {
    const struct identity *who;
    struct policies policies;
    struct live_list sessions; /* of all replicas */
    struct locks_view locks;
    struct requests_own requests;
};
void authd_view_init(struct authd_view *v, struct authd *a, const struct identity *who,
                     const struct snapshot *snapshot);
void authd_view_fini(struct authd_view *v);
/* decide() with everything this process knows. The view's snapshot must hold the connection. */
void authd_decide(const struct authd_view *v, const struct connection *c, bool resuming,
                  struct decision *out);
/* The request that lets this person in now, or NULL. Borrowed from the view. */
const struct resource *authd_grant(const struct authd_view *v, const struct connection *c);
/* Do any connection's approvers' names stand among this person's roles and groups? */
bool authd_can_approve(const struct authd *a, const struct identity *who,
                       const struct snapshot *snapshot);
bool authd_can_audit(const struct authd *a, const struct identity *who);
bool authd_can_moderate(const struct authd *a, const struct identity *who);
/* Does any connection's audience, or the configuration, let this person work here? */
bool authd_can_operate(const struct authd *a, const struct identity *who,
                       const struct snapshot *snapshot);

#endif
