/* The proxy's line to authd: requests out, answers with descriptors back, many at once. Belongs to
 * the loop's thread. When authd is away, calls fail at once and the line is tried again. */
#ifndef GUAC_PROXY_AUTHD_H
#define GUAC_PROXY_AUTHD_H

#include <jansson.h>
#include <uv.h>

#include "guacd/base/err.h"

struct authd;
struct authd_call;

struct authd *authd_new(uv_loop_t *loop, const char *run, struct err *e);
void authd_free(struct authd *a);

/* `answer` is borrowed and has `ok`; fd is -1 or the callee's. answer NULL: authd is away or did
 * not answer in time. Called once, unless cancelled. */
typedef void authd_answer_fn(void *arg, const json_t *answer, int fd);

/* Takes over `request`. NULL when it cannot be sent now (the callback is not called then). */
struct authd_call *authd_send(struct authd *a, json_t *request, int timeout_ms, authd_answer_fn *fn,
                              void *arg);
/* The answer will be thrown away, its descriptor closed. NULL is fine. */
void authd_cancel(struct authd_call *c);

#endif
