/* Origin is exact, since browsers write it in one way (RFC 6454). */
#include "proxy/authd/guard.h"

#include <stdbool.h>
#include <string.h>

enum failure guard_check(enum guard_kind kind, const char *origin, const char *fetch_site,
                         const char *ours) {
    if (kind == GUARD_NAVIGATION)
        return FAILURE_NONE;
    bool must = kind == GUARD_CHANGE || kind == GUARD_SOCKET;
    if (origin ? strcmp(origin, ours) != 0 : must)
        return FAILURE_ORIGIN;
    if (!fetch_site)
        return FAILURE_NONE;
    /* "none": typed or bookmarked, which reads only; same-site is another origin of the domain. */
    bool own = strcmp(fetch_site, "same-origin") == 0 ||
               (kind == GUARD_READ && strcmp(fetch_site, "none") == 0);
    return own ? FAILURE_NONE : FAILURE_ORIGIN;
}
