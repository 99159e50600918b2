/* One message of RUN/authd.sock and its answer; what a worker runs. */
#ifndef GUAC_AUTHD_REQUEST_H
#define GUAC_AUTHD_REQUEST_H

#include "guacd/base/http.h"
#include "proxy/authd/authd.h"

struct request {
    struct authd *a;
    struct http *http;
    json_t *msg;  /* borrowed */
    unsigned uid; /* of the peer */
    bool waited;  /* a long poll that waited long enough */
    /* out */
    json_t *answer; /* new; NULL when it is to be parked */
    int fd;         /* to send with it, or -1; to be closed after */
    uint64_t park_until, park_generation;
};

void request_run(struct request *rq);
/* The answer when there is no room for it. */
json_t *request_busy(const json_t *msg);
/* May it block on other programs for long? Such requests never take all workers. */
bool request_is_slow(const json_t *msg);
/* Checks of op `ready`, for the start's log, too: {"name": "ok" or a sentence}. */
json_t *request_checks(struct authd *a, struct http *http, bool *all);

#endif
