/* The rows. Counting stands beside the other metrics in stats.c. */
#include "proxy/authd/failure.h"

static const struct failure_row rows[FAILURE_COUNT] = {
    [FAILURE_NONE] = { "none", 200, "Nothing is wrong.", "" },
    [FAILURE_NO_COOKIE] = { "no-cookie", 401, "You are not signed in.", "Sign in." },
    [FAILURE_COOKIE] = { "cookie", 401, "Your sign-in could not be read.", "Sign in again." },
    [FAILURE_EXPIRED] = { "expired", 401, "Your sign-in has expired.", "Sign in again." },
    [FAILURE_SIGNED_OUT] = { "signed-out", 401, "Your sign-in was ended.", "Sign in again." },
    [FAILURE_LOCKED] = { "locked", 401, "Your access is locked.",
                         "Signing in again does not help: ask your security team." },
    [FAILURE_ORIGIN] = { "origin", 403, "The request came from another site.",
                         "Open the gateway's own address and try again there." },
    [FAILURE_CSRF] = { "csrf", 403, "The request did not carry this page's token.",
                       "Reload the page and try again." },
    [FAILURE_STATE] = { "state", 400, "This sign-in was not started here, or took too long.",
                        "Start again; leave other sign-in tabs closed and allow this site's "
                        "cookies." },
    [FAILURE_NONCE] = { "nonce", 400, "The answer belongs to another sign-in.", "Start again." },
    [FAILURE_REFUSED] = { "refused", 403, "The identity provider refused the sign-in.",
                          "Start again; if it is refused once more, ask who runs the realm." },
    [FAILURE_UNREACHABLE] = { "unreachable", 502, "The identity provider cannot be reached.",
                              "Try again in a minute; sessions that run go on." },
    [FAILURE_TOKEN] = { "token", 403, "The identity provider's answer could not be verified.",
                        "Start again; if it happens once more, tell the gateway's operators the "
                        "id below." },
    [FAILURE_CLOCK] = { "clock", 403, "The clocks of gateway and identity provider differ.",
                        "Tell the gateway's operators: time synchronisation is broken on one of "
                        "the two." },
    [FAILURE_ROLE] = { "role", 403, "You are signed in, but no role of yours is of use here.",
                       "Ask for a role that a connection's audience names." },
    [FAILURE_LINK] = { "link", 401, "This link has been used, or was never issued.",
                       "Make a new one with 'guac-authd link'." },
    [FAILURE_NOT_CONFIGURED] = { "not-configured", 404,
                                 "This way of signing in is not configured here.",
                                 "Use the address or the link that you were given." },
    [FAILURE_TOO_MANY] = { "too-many", 429, "There were too many sign-ins from your address.",
                           "Wait a minute, then start again." },
    [FAILURE_FORBIDDEN] = { "forbidden", 403, "You may not do this.",
                            "Ask for the role that the message names." },
};

const struct failure_row *failure_row(enum failure f) {
    return &rows[f];
}
