/* Blocking HTTP(S) client on libcurl with bounds on everything. One struct http per thread keeps
 * the connections alive. */
#ifndef GUAC_BASE_HTTP_H
#define GUAC_BASE_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

struct http; /* not thread-safe: one a thread */

struct http_request {
    const char *method; /* GET, PUT, … */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const void *body;
    size_t body_len;
    int timeout_ms;      /* whole request; 0: 10 s */
    size_t max_body;     /* of the response; 0: 1 MiB, no limit with on_data */
    const char *ca_file; /* NULL: the system's */
    /* Optional: the body of a 2xx answer in pieces instead of the buffer; non-zero stops, which
     * makes http_do() fail. Other answers' bodies come in the buffer, 1 MiB at most. */
    int (*on_data)(void *arg, const void *data, size_t len);
    void *arg;
    /* For answers that go on for long: */
    int idle_ms;             /* end it when nothing came for so long (0x0202); 0: never */
    const atomic_bool *stop; /* NULL, or ends it within a second once true */
    bool secret;             /* the answer is wiped when it is freed */
};

struct http_response {
    int status; /* HTTP status */
    struct buf body;
    struct buf headers; /* raw lines, CRLF; http_header() reads them */
};

struct http *http_new(struct err *e);
void http_free(struct http *h);
/* 0 when an HTTP answer came, whatever its status. -1: e says what, e->status 0x0202 on time-out,
 * 0x0207 unreachable or not trusted; rs is left alone then. No environment proxy, no redirects are
 * followed, only http and https are spoken. Programs that use it ignore SIGPIPE. */
int http_do(struct http *h, const struct http_request *rq, struct http_response *rs, struct err *e);
void http_response_fini(struct http_response *r);
/* Value of a response header (case-insensitive) in out, or NULL: none, or it does not fit. */
const char *http_header(struct http_response *r, const char *name, char *out, size_t size);

#endif
