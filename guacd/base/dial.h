/* Resolve, check every address against the address policy, connect. */
#ifndef GUAC_BASE_DIAL_H
#define GUAC_BASE_DIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "guacd/base/err.h"

/* A list of CIDRs or addresses with optional :port, separated by blanks or commas:
 * "10.0.0.0/8 [::1]:22 127.0.0.1:2222". */
struct dial_policy {
    const char *allow;   /* beyond the default; NULL or "": nothing more */
    const char *deny;    /* in front of everything */
    bool any;            /* stock mode: no default refusals */
};

/* Default refusals: loopback, link-local, unspecified, multicast, and IPv4-mapped forms of them. */
int dial_check(const struct dial_policy *p, const struct sockaddr *sa, struct err *e);
/* Checks the syntax of both lists, so that a mistake is told at start. */
int dial_policy_check(const struct dial_policy *p, struct err *e);
/* True when the address (text, without port) is in a list of the same form. For trusted proxies. */
bool dial_listed(const char *list, const char *address);
/* A connected, non-blocking, close-on-exec TCP socket with TCP_NODELAY. Tries all addresses that
 * pass within timeout_ms. Status: 0x0207 not resolved, 0x0208 refused or unreachable, 0x0202 timed
 * out, 0x0303 the policy says no. peer (may be NULL, >= 64 bytes) gets "address:port". */
int dial_tcp(const char *host, uint16_t port, const struct dial_policy *p, int timeout_ms,
             char *peer, size_t peer_size, struct err *e);

#endif
