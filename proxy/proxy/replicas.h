/* What this proxy asks of other replicas' proxies, and they of it: a request whose session another
 * replica holds goes there and is answered as if it had come there. The authds decide; a ticket
 * admits one request. The loop's thread. */
#ifndef GUAC_PROXY_REPLICAS_H
#define GUAC_PROXY_REPLICAS_H

#include "proxy/proxy/authd.h"
#include "proxy/proxy/edge.h"

struct replicas;

/* Opens relay-listen, where it is set; before the doors are locked. NULL with e. */
struct replicas *replicas_new(struct edge *x, struct err *e);
void replicas_free(struct replicas *r);
/* Ports that other replicas listen on, for the sandbox: pointer into r. */
const uint16_t *replicas_ports(const struct replicas *r, size_t *count);

/* As authd_send(): asks authd, and where that names a replica (`relay`), asks there. When the
 * replica does not answer, authd's own answer counts. */
struct ask;
struct ask *ask_send(struct edge *x, json_t *request, int timeout_ms, authd_answer_fn *fn,
                     void *arg);
void ask_cancel(struct ask *a);

#endif
