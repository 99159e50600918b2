/* A browser wants a session: from its request to a descriptor just behind `ready`. */
#ifndef GUAC_AUTHD_TUNNEL_H
#define GUAC_AUTHD_TUNNEL_H

#include "proxy/authd/authd.h"
#include "proxy/authd/display.h"

struct tunnel_request {
    const struct identity *who;
    struct http *http; /* the worker's own */
    const char *peer;
    struct display display;
    const char *relayed; /* by another replica, for this session; NULL: by a browser */
    json_t *relay;       /* out, with an error: where to ask instead (relay.h); the caller's */
    char request[254];   /* set on the way: the GuacamoleAccessRequest that lets this person in */
};
/* 0: *fd is the session's stream, id its UUID. -1: e has the Guacamole status and the sentence;
 * rule (320 bytes) is the refusing rule's name, or "". */
int tunnel_open(struct authd *a, struct tunnel_request *rq, int *fd, char id[UUID_LEN + 1],
                char *rule, struct err *e);

#endif
