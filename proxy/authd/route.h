/* Which handler answers a path, and who may come that far. */
#ifndef GUAC_AUTHD_ROUTE_H
#define GUAC_AUTHD_ROUTE_H

#include "proxy/authd/exchange.h"
#include "proxy/authd/guard.h"

enum route_who {
    WHO_ALL,
    WHO_STALE, /* signed in once: claims past their time will do */
    WHO_SIGNED_IN,
    WHO_AUDITOR,
    WHO_MODERATOR,
};

struct route {
    const char *method;
    const char *path;      /* "/api/sessions/:id/end": a name takes one segment */
    enum guard_kind guard; /* GUARD_CHANGE asks for the CSRF token, too */
    enum route_who who;
    void (*handle)(struct exchange *x);
};

/* Finds, checks, calls. Afterwards x holds an answer, or is to be parked. */
void route_run(struct exchange *x);
/* Pure: does the path fit? Fills params. */
bool route_match(const char *pattern, const char *path, char params[EXCHANGE_PARAMS][254]);

/* signin.c */
void signin_login(struct exchange *x);
void signin_callback(struct exchange *x);
void signin_link(struct exchange *x);
void signin_refresh(struct exchange *x);
void signin_logout(struct exchange *x);
void signin_methods(struct exchange *x);
/* backchannel.c */
void signin_backchannel(struct exchange *x);
/* api.c, api_connections.c */
#define API_REFRESH_S 240 /* how often the page refreshes while a session is open */
void api_me(struct exchange *x);
void api_openapi(struct exchange *x);
void api_connections(struct exchange *x);
/* True: a list that nothing changed in waits for a change. */
bool api_park(struct exchange *x, uint64_t generation);
/* api_sessions.c, api_invites.c */
void api_sessions(struct exchange *x);
void api_session_token(struct exchange *x); /* api_token.c */
void api_session(struct exchange *x);
void api_session_act(struct exchange *x);
void api_session_invite(struct exchange *x);
void api_invites(struct exchange *x);
/* api_locks.c */
void api_locks(struct exchange *x);
void api_lock_new(struct exchange *x);
void api_lock_lift(struct exchange *x);
/* api_requests.c */
void api_requests(struct exchange *x);
void api_request(struct exchange *x);
void api_request_new(struct exchange *x);
void api_request_decide(struct exchange *x);
/* api_targets.c */
void api_targets(struct exchange *x);
/* api_recordings.c */
void api_recordings(struct exchange *x);
void api_recording(struct exchange *x);
void api_recording_object(struct exchange *x);
/* evidence_hold.c */
void api_hold(struct exchange *x);
void api_hold_set(struct exchange *x);
/* evidence_exports.c */
void api_exports(struct exchange *x);
void api_export(struct exchange *x);
void api_export_new(struct exchange *x);
void api_export_bag(struct exchange *x);
void api_export_drop(struct exchange *x);
/* evidence_api.c */
void api_search(struct exchange *x);
void api_recording_proof(struct exchange *x);
void api_recording_verify(struct exchange *x);

#endif
