/* Shared by oidc.c and oidc_token.c only. */
#ifndef GUAC_AUTHD_OIDC_PART_H
#define GUAC_AUTHD_OIDC_PART_H

#include <pthread.h>

#include "guacd/base/secret.h"
#include "proxy/authd/oidc.h"

struct oidc {
    const struct config *conf;
    struct secret secret;
    pthread_mutex_t fetching; /* held by the one who fetches; taken before `lock` */
    pthread_mutex_t lock;     /* what follows */
    struct oidc_endpoints endpoints;
    uint64_t endpoints_at; /* clock_ms; 0: never */
    struct keyset *keys;
    uint64_t keys_at, keys_tried;
};

/* With our limits. 5xx and no answer are FAILURE_UNREACHABLE. */
enum failure oidc_http(struct oidc *o, struct http *h, struct http_request *rq,
                       struct http_response *rs, struct err *e);

#endif
