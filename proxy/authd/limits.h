/* How often and how many at once, by person or by address: a row a limit. Counted in this process;
 * what people may hold open over all replicas is counted by the store (live.h). Any thread. */
#ifndef GUAC_AUTHD_LIMITS_H
#define GUAC_AUTHD_LIMITS_H

#include <stdint.h>

#include "guacd/base/err.h"
#include "proxy/authd/config.h"

enum limit {
    LIMIT_SIGN_IN,  /* by address: sign-ins begun, links used */
    LIMIT_CALLBACK, /* by address: answers of the identity provider, each asks it for tokens */
    LIMIT_TUNNEL,   /* by person: tunnels, new and coming back */
    LIMIT_OPEN,     /* by person: new sessions; the next waits for the one being opened */
    LIMIT_COUNT,
};

#define LIMIT_RULE "rate-limit" /* of the refusals */

struct limits;

struct limits *limits_new(const struct config *c);
void limits_free(struct limits *l);

/* 0: go on, and limits_leave() afterwards. Else the seconds after which it is worth trying again,
 * at least 1, and e has the sentence. now: clock_ms(). LIMIT_OPEN waits up to 5 s for its turn. */
int limits_enter(struct limits *l, enum limit kind, const char *key, uint64_t now, struct err *e);
void limits_leave(struct limits *l, enum limit kind, const char *key);

#endif
