/* A session that goes by its owner's own token asks for newer ones by the page: the refresh token
 * is in the cookie, and nowhere else. */
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/relay.h"
#include "proxy/authd/route.h"
#include "proxy/authd/sight.h"
#include "proxy/authd/usertoken.h"

#define AGAIN_LEAST_S 5
#define AGAIN_MOST_S 3600

/* Before two thirds of its time are over there is a newer one. */
static int again(int64_t until) {
    int64_t left = until - (int64_t)(clock_wall_ms() / 1000);
    return (int)MIN_OF(MAX_OF(left * 2 / 3, (int64_t)AGAIN_LEAST_S), (int64_t)AGAIN_MOST_S);
}

static void hand_on(struct exchange *x, const struct sight *s) {
    struct err e = { 0 };
    struct usertoken_server server;
    struct oidc_token own __attribute__((cleanup(oidc_token_fini))) = { 0 };
    _json_ json_t *answer = NULL;
    if (usertoken_server(&x->a->conf, s->c, &server, &e) == 0 &&
        usertoken_fetch(x->a->oidc, x->http, x->who, &own, &e) == 0)
        answer = sessions_call(x->a->sessions, s->id,
                               json_pack("{s:s, s:s}", "op", "token", "token", own.text.data), NULL,
                               0, &e);
    if (answer) {
        exchange_json(x, 200, json_pack("{s:i}", "again", again(own.until)));
        return;
    }
    log_info("session %s gets no newer token: %s", s->id, e.text);
    exchange_error(x, status_http(e.status), e.text, "Sign in again, or try again in a moment.",
                   NULL);
}

void api_session_token(struct exchange *x) {
    struct sight_all all;
    struct sight s;
    struct session local;
    sight_init(&all, x);
    if (sight_one(&all, &s, &local)) {
        if (strcmp(s.owner, x->who->sub) != 0)
            exchange_fail(x, FAILURE_FORBIDDEN, "The session is another person's.");
        else if (!s.c || !usertoken_asked(s.c))
            exchange_json(x, 200, json_pack("{s:i}", "again", 0));
        else if (s.local)
            hand_on(x, &s);
        else {
            x->relay = x->relayed ? NULL : relay_to(x->a, s.id);
            exchange_error(x, 503, "The gateway that holds this session cannot be reached.",
                           "Try again in a moment.", NULL);
        }
    }
    session_fini(&local);
    sight_fini(&all);
}
