/* One HTTP request of a browser, as the proxy passed it on, and the answer to it. */
#ifndef GUAC_AUTHD_EXCHANGE_H
#define GUAC_AUTHD_EXCHANGE_H

#include "guacd/base/enc.h"
#include "guacd/base/http.h"
#include "proxy/authd/authd.h"
#include "proxy/authd/page.h"
#include "proxy/authd/query.h"

#define EXCHANGE_BODY_MAX (16u << 20)
#define EXCHANGE_PARAMS 2
#define EXCHANGE_COOKIE_S 43200 /* how long a browser keeps the session cookie */
#define EXCHANGE_COOKIE "guac"

struct exchange {
    struct authd *a;
    struct http *http; /* the worker's own client */
    /* the request; strings are the message's, NULL when absent */
    const char *method, *path, *cookie, *origin, *fetch_site, *csrf, *content_type, *peer, *body;
    const char *relayed; /* by another replica, for this session; NULL: by a browser */
    struct query query;
    char params[EXCHANGE_PARAMS][254]; /* what the route's :names stand for */
    bool waited;                       /* a long poll that waited as long as it wanted */
    char id[UUID_LEN + 1];             /* correlation id, in errors and log */
    /* who asks: NULL with the reason in `nobody` */
    struct identity *who;
    enum failure nobody; /* FAILURE_EXPIRED: `who` is set, its claims are stale */
    /* the answer */
    int status;
    json_t *relay;   /* where to ask instead of believing this answer (relay.h), or NULL */
    json_t *headers; /* [[name, value]…] */
    struct buf text;
    int fd;                   /* a body from elsewhere, or -1 */
    int64_t size;             /* of that; -1: unknown */
    uint64_t park_until;      /* no answer yet: run again by then (clock_ms), or on a change */
    uint64_t park_generation; /* the one that nothing had changed since */
};

/* From an `http` message of the proxy, which must outlive it. -1 with e: malformed. */
int exchange_init(struct exchange *x, struct authd *a, struct http *http, const json_t *msg,
                  struct err *e);
void exchange_fini(struct exchange *x);
/* Opens the cookie: sets who and nobody. */
void exchange_identify(struct exchange *x);

/* Answers. Each replaces what was there. */
void exchange_header(struct exchange *x, const char *name, const char *value);
void exchange_json(struct exchange *x, int status, json_t *body); /* takes body */
/* {"error","advice","rule","id"}; rule NULL or "": none. */
void exchange_error(struct exchange *x, int status, const char *error, const char *advice,
                    const char *rule);
/* The same with further members; takes more, which may be NULL. */
void exchange_refuse(struct exchange *x, int status, const char *error, const char *advice,
                     const char *rule, json_t *more);
/* The request's body as a JSON object, {} where there is none; NULL: answered with 400. */
json_t *exchange_body(struct exchange *x);
void exchange_retry_after(struct exchange *x, int seconds);
void exchange_redirect(struct exchange *x, const char *url);
/* A failure in the form that suits the route: a page below /auth, JSON elsewhere; counted, and told
 * in the audit unless nobody had signed in. detail may be NULL. */
void exchange_fail(struct exchange *x, enum failure f, const char *detail);
void exchange_fd(struct exchange *x, const char *type, int fd, int64_t size); /* takes fd */
/* Set-Cookie; value NULL deletes it. */
void exchange_set_cookie(struct exchange *x, const char *name, const char *value, long max_age);
/* Seal and set the session cookie. Roles that nobody asks for, and then the refresh token, are left
 * out when it would be too large. */
int exchange_sign_in(struct exchange *x, struct identity *who, struct err *e);

#endif
