/* The gateway's own token rotates while sessions run: those that go by it are told. */
#ifndef GUAC_AUTHD_RENEW_H
#define GUAC_AUTHD_RENEW_H

#include "proxy/authd/authd.h"

/* What a session was told last; zeroed: nothing, so it is told what is there. */
struct renew {
    int64_t looked;  /* Unix ms */
    char digest[65]; /* of the token */
};
/* Call it now and then; c NULL: its connection is gone. Blocking. */
void renew_own(struct authd *a, struct renew *r, const char *session, const struct connection *c,
               int64_t now);

#endif
