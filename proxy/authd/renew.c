#include "proxy/authd/renew.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "proxy/authd/pods.h"

#define LOOK_MS 5000

static bool by_own_account(const struct connection *c) {
    return c && c->credentials.from == CREDENTIALS_KUBERNETES &&
           (c->credentials.kubernetes_as == KUBERNETES_IMPERSONATION ||
            c->credentials.kubernetes_as == KUBERNETES_SERVICE_ACCOUNT);
}

void renew_own(struct authd *a, struct renew *r, const char *session, const struct connection *c,
               int64_t now) {
    struct err e = { 0 };
    char digest[65];
    if (!by_own_account(c) || now - r->looked < LOOK_MS)
        return;
    r->looked = now;
    struct secret token _secret_ = { 0 };
    if (pods_token(&a->conf, &token, &e)) {
        log_warning("session %s: %s", session, e.text);
        return;
    }
    sha256_hex(token.data, token.len, digest);
    if (strcmp(digest, r->digest) == 0)
        return;
    _json_ json_t *answer =
        sessions_call(a->sessions, session,
                      json_pack("{s:s, s:s}", "op", "token", "token", token.data), NULL, 0, &e);
    if (answer)
        memcpy(r->digest, digest, sizeof digest);
    else
        log_info("session %s gets no newer token: %s", session, e.text); /* at the next look */
}
