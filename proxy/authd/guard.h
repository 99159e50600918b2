/* Which page a request comes from. Pure. */
#ifndef GUAC_AUTHD_GUARD_H
#define GUAC_AUTHD_GUARD_H

#include "proxy/authd/failure.h"

enum guard_kind {
    GUARD_NAVIGATION, /* a link or redirect from anywhere: sign-in and callback */
    GUARD_READ,       /* our page reads: a foreign one may not, if the browser says so */
    GUARD_CHANGE,     /* our page changes something: the browser must say that it is ours */
    GUARD_SOCKET,     /* our page's WebSocket: SameSite does not cover it */
};

/* origin, fetch_site: the headers Origin and Sec-Fetch-Site, NULL when absent; ours: the configured
 * origin. */
enum failure guard_check(enum guard_kind kind, const char *origin, const char *fetch_site,
                         const char *ours);

#endif
