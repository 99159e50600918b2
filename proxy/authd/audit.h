/* Audit events: one JSON object a line, OCSF classes, each with an id that makes a second delivery
 * harmless. Written to the audit file, and told in the log. Thread-safe; never fails its caller: an
 * event that cannot be written is an error in the log and a metric. */
#ifndef GUAC_AUTHD_AUDIT_H
#define GUAC_AUTHD_AUDIT_H

#include <jansson.h>
#include <stdbool.h>

#include "guacd/base/err.h"
#include "proxy/authd/identity.h"

enum audit_kind {
    AUDIT_SIGN_IN,
    AUDIT_SIGN_IN_FAILED,
    AUDIT_SIGN_OUT,
    AUDIT_DECISION,       /* <session>-1 when allowed */
    AUDIT_SESSION_START,  /* <session>-2 */
    AUDIT_SESSION_FAILED, /* <session>-2: allowed, but did not open */
    AUDIT_SESSION_RESUME,
    AUDIT_SESSION_JOIN,   /* somebody else came in */
    AUDIT_SESSION_INVITE, /* a link was made, or taken */
    AUDIT_SESSION_END,    /* <session>-3, when the seal is signed */
    AUDIT_SESSION_KILL,   /* somebody asked for the end */
    AUDIT_UPLOAD,         /* <session>-file-<n>: a file went in, or was refused */
    AUDIT_DOWNLOAD,       /* the same, out */
    AUDIT_REPLAY,         /* a recording was opened */
    AUDIT_REPLAY_OBJECT,  /* a piece of one was read without */
    AUDIT_SEARCH,         /* words were looked for in recordings */
    AUDIT_EXPORT,         /* a bag of recordings was ordered, taken or removed */
    AUDIT_LOG_OPEN,       /* <session>-4: its open record's place in the log over all sessions */
    AUDIT_LOG_SEAL,       /* <session>-5 */
    AUDIT_LOG_LEAF,       /* of any other leaf */
    AUDIT_LOG_WRONG,      /* a tree that does not contain the one signed before */
    AUDIT_REQUEST,        /* access was asked for */
    AUDIT_REQUEST_GLASS,  /* the same in an emergency: loud */
    AUDIT_APPROVAL,       /* yes, no, no longer */
    AUDIT_LOCK,           /* set or lifted */
    AUDIT_REFUSED,        /* request of a foreign page, wrong role, … */
    AUDIT_KINDS,
};

struct audit;

/* path NULL or "": the log only. */
struct audit *audit_new(const char *path, const char *gateway, struct err *e);
void audit_free(struct audit *a);
struct ship;
/* Told of each event; set before threads write any. */
void audit_ship(struct audit *a, struct ship *s);
/* Open the file again, after it was moved away. */
void audit_reopen(struct audit *a);

struct audit_event {
    enum audit_kind kind;
    bool success;
    const char *session;        /* NULL: none */
    int64_t number;             /* of a transfer in it; 0: none */
    const struct identity *who; /* NULL: nobody known */
    const char *peer;           /* address of the browser; NULL: unknown */
    const char *message;        /* a sentence, no secret */
    json_t *file;               /* OCSF's object; taken over; may be NULL */
    json_t *detail;             /* members for `unmapped`; taken over; may be NULL */
};
void audit_write(struct audit *a, const struct audit_event *ev);

#endif
