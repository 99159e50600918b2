/* Why somebody does not get in. One row gives the metric's label, the HTTP status, and the words of
 * the page: what happened, and what to do. */
#ifndef GUAC_AUTHD_FAILURE_H
#define GUAC_AUTHD_FAILURE_H

enum failure {
    FAILURE_NONE,
    FAILURE_NO_COOKIE,  /* nobody signed in: no attempt, so not counted */
    FAILURE_COOKIE,     /* unreadable: tampered with, or sealed under a key long gone */
    FAILURE_EXPIRED,    /* cookie past its time */
    FAILURE_SIGNED_OUT, /* cookie of a sign-in that was ended */
    FAILURE_LOCKED,     /* a lock that outlasts any sign-in */
    FAILURE_ORIGIN,     /* request made by a foreign page */
    FAILURE_CSRF,
    FAILURE_STATE, /* callback without its pre-login cookie, or for another one */
    FAILURE_NONCE,
    FAILURE_REFUSED,        /* the identity provider said no */
    FAILURE_UNREACHABLE,    /* the identity provider does not answer, or not sensibly */
    FAILURE_TOKEN,          /* ID token malformed, or signature, issuer or audience wrong */
    FAILURE_CLOCK,          /* token not valid yet, or no more: the clocks differ */
    FAILURE_ROLE,           /* signed in, but without any role that is of use here */
    FAILURE_LINK,           /* development link used up, or never issued */
    FAILURE_NOT_CONFIGURED, /* that way of signing in does not exist here */
    FAILURE_TOO_MANY,       /* of one address in too short a time */
    FAILURE_FORBIDDEN,      /* signed in, and refused by a rule */
    FAILURE_COUNT,
};

struct failure_row {
    const char *reason; /* label of guacamole_auth_failures_total */
    int http;
    const char *title;  /* one sentence */
    const char *advice; /* the next one */
};

const struct failure_row *failure_row(enum failure f);
/* Count it. FAILURE_NONE and FAILURE_NO_COOKIE count nothing. */
void failure_count(enum failure f);

#endif
