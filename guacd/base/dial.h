/* Resolve, check every address against the address policy, connect. */
#ifndef GUAC_BASE_DIAL_H
#define GUAC_BASE_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "guacd/base/err.h"

/* A list of CIDRs or addresses with optional :port, separated by blanks or commas:
 * "10.0.0.0/8 [::1]:22 [fd00::/8]:22 127.0.0.1:2222". IPv4-mapped IPv6 counts as IPv4. */
struct dial_policy {
    const char *allow; /* beyond the default; NULL or "": nothing more */
    const char *deny;  /* in front of everything */
    bool any;          /* stock mode: no default refusals */
};

#define DIAL_ADDRESSES_MAX 8

/* Pure. Default refusals: loopback, link-local, unspecified, multicast, reserved, and IPv4-mapped,
 * IPv4-compatible and NAT64 forms of them. Check the lists at start. */
int dial_check(const struct dial_policy *p, const struct sockaddr *sa, struct err *e);
/* Checks the syntax of both lists, so that a mistake is told at start. */
int dial_policy_check(const struct dial_policy *p, struct err *e);
/* True when the address (text, without port) is in a list of the same form. For trusted proxies. */
bool dial_listed(const char *list, const char *address);
/* True when `allow` (or `any`) lets this address in, not the default alone. Pure. */
bool dial_allowed_by_name(const struct dial_policy *p, const struct sockaddr *sa);
/* The same address, whatever the port. Pure. */
bool dial_same_host(const struct sockaddr *x, const struct sockaddr *y);
/* True for what no name server is asked about: an address in text ("[::1]" too), localhost. Pure.
 */
bool dial_needs_no_resolver(const char *host);
/* The addresses of host that pass, this machine's own refused like loopback: for a library that
 * connects by itself and is given the number. Returns how many (1 to max), or -1 as dial_tcp. The
 * resolver's patience follows timeout_ms, but glibc gives no hard limit. */
int dial_resolve(const char *host, uint16_t port, const struct dial_policy *p, int timeout_ms,
                 struct sockaddr_storage *out, size_t max, struct err *e);
/* A connected, non-blocking, close-on-exec TCP socket with TCP_NODELAY and keep-alive. Tries all
 * addresses that pass within timeout_ms. Status: 0x0207 not resolved, 0x0208 refused or
 * unreachable, 0x0202 timed out, 0x0303 the policy says no. peer (may be NULL, >= 64 bytes) gets
 * "address:port". */
int dial_tcp(const char *host, uint16_t port, const struct dial_policy *p, int timeout_ms,
             char *peer, size_t peer_size, struct err *e);
/* Another connection to an address (with port) that dial_tcp() found good: by getpeername() on its
 * socket. No resolver, no policy, so it works where a sandbox leaves TCP alone. Never blocks: the
 * socket is there at once and connected when dial_done() says so. */
int dial_again(const struct sockaddr_storage *peer, struct err *e);
/* 1: connected, 0: not yet (poll for POLLOUT), -1: e. The descriptor stays the caller's. */
int dial_done(int fd, const struct sockaddr_storage *peer, struct err *e);

#endif
