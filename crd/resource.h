/* The kinds the gateway itself writes: a request for access, one person's approval, a session, a
 * lock. Typed, with the same rows for reading, writing, schema and manual (resource_schema.c).
 * Immutable once it came from a store or was given to one; shared by reference count, any thread.
 */
#ifndef GUAC_CRD_RESOURCE_H
#define GUAC_CRD_RESOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "crd/schema.h"

enum resource_kind {
    RESOURCE_REQUEST,
    RESOURCE_APPROVAL,
    RESOURCE_SESSION,
    RESOURCE_LOCK,
    RESOURCE_KINDS
};

/* Somebody: `sub` is the issuer's; `username` is what the cluster calls a person who came by
 * kubectl (prefix included), NULL otherwise. */
struct person {
    char *sub, *name, *username;
};

enum request_phase {
    REQUEST_PENDING,
    REQUEST_APPROVED,
    REQUEST_DENIED,
    REQUEST_EXPIRED,
    REQUEST_REVOKED,
    REQUEST_WITHDRAWN
};
/* GuacamoleAccessRequest. Its spec never changes. */
struct access_request {
    char *connection; /* in the request's own namespace */
    struct person requester;
    char *reason;
    int minutes;
    bool break_glass; /* by two people, and loud */
    /* status, written by authd only */
    enum request_phase phase;
    json_t *approvals; /* [{as, sub, name, username, at, approval}], one a listed name */
    int64_t approved;  /* when the last needed approval came; the window begins */
    int64_t expires;   /* pending: when it lapses; approved: end of the window */
    char *session;     /* the session that uses it */
    char *message;     /* who denied or revoked it, and why */
};

enum approval_decision { APPROVAL_APPROVE, APPROVAL_DENY, APPROVAL_REVOKE };
/* GuacamoleApproval. One person's word on one request; its spec never changes. */
struct approval {
    char *request;         /* name, in the same namespace */
    char *request_uid;     /* the very request that was seen */
    char *request_version; /* its resourceVersion when it was seen */
    enum approval_decision decision;
    char *as;               /* the listed role or group that the person speaks for */
    struct person approver; /* by kubectl: username is bound to the caller by admission */
    char *comment;
    /* status, written by authd only: whether it counted, and if not why */
    bool accepted;
    int64_t seen;
    char *message;
};

enum session_phase { SESSION_LIVE, SESSION_ENDED };
enum session_recorder {
    SESSION_RECORDED, /* all of it */
    SESSION_BEHIND,   /* the store is late; input may be paused */
    SESSION_EVENTS    /* open and seal only, as the connection says */
};
/* GuacamoleSession. Its name is the session's id; deleting it ends the session. */
struct session_resource {
    char *connection, *protocol, *target;
    struct person owner;
    char *gateway;          /* the replica that holds it */
    char *relay;            /* address:port where other replicas' requests for it go; NULL: none */
    char *address;          /* the browser's */
    char *request;          /* GuacamoleAccessRequest it came by, NULL: none */
    char *sid;              /* the owner's sign-in; NULL: not to be refreshed */
    int64_t started, until; /* until: its longest end, 0: none */
    /* status */
    enum session_phase phase;
    enum session_recorder recorder;
    json_t *users;     /* [{sub, name, role, since}] */
    json_t *invites;   /* [{token, role, by, until, sub, name, used}] */
    int64_t refreshed; /* when its owner's sign-in was confirmed last */
    int64_t ticket;    /* its turn where sessions are limited; 0: none yet */
    int64_t updated, ended;
    int64_t bytes;
    char *recording; /* its address in the store */
    char *reason;    /* why it ended */
};

/* GuacamoleLock. Exactly one of sid, sub, connection, session is said. */
struct lock {
    char *sid, *sub, *connection, *session; /* connection: namespace/name */
    char *reason;
    int64_t until;  /* 0: until it is deleted */
    int64_t before; /* only what began until then (a sign-out); 0: all */
    struct person by;
};

struct resource {
    _Atomic unsigned refs;
    enum resource_kind kind;
    char *namespace, *name; /* never NULL */
    char *uid, *version;    /* NULL before it was stored */
    char *source;           /* for messages: a file's name, or the API server's path */
    int64_t created;        /* Unix ms; 0 before it was stored */
    json_t *metadata;       /* as read, without managedFields: labels and the like are kept */
    json_t *errors;         /* sentences with paths; empty: usable */
    union {
        struct access_request request;
        struct approval approval;
        struct session_resource session;
        struct lock lock;
    };
};

/* Names of a kind. `resource` is the plural in a path. */
struct resource_type {
    const char *kind, *plural;
    const struct schema *spec, *status; /* into the member of the union; status NULL: none */
    size_t offset, size;                /* that member */
    bool fixed;                         /* its spec never changes */
};
extern const struct schema request_spec_schema, request_status_schema, approval_spec_schema,
    approval_status_schema, session_spec_schema, session_status_schema, lock_spec_schema;
extern const struct resource_type resource_types[RESOURCE_KINDS];

/* An empty one to fill in; texts by resource_text(). NULL without memory. */
struct resource *resource_new(enum resource_kind kind, const char *namespace, const char *name);
void resource_text(char **member, const char *value);     /* a copy instead of what was there */
struct resource *resource_copy(const struct resource *r); /* to change it */
struct resource *resource_ref(struct resource *r);
void resource_unref(struct resource *r); /* NULL is fine */
static inline bool resource_usable(const struct resource *r) {
    return json_array_size(r->errors) == 0;
}
/* Never fails but for want of memory (NULL): what is wrong goes to `errors`. */
struct resource *resource_read(enum resource_kind kind, const json_t *document, const char *source);
/* The whole document; spec and status as far as the rows say them. NULL without memory. */
json_t *resource_write(const struct resource *r);
/* Kind by its name in a document, RESOURCE_KINDS: none of ours. */
enum resource_kind resource_kind_of(const char *kind);

#endif
