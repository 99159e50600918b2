#include "proxy/authd/usertoken.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/log.h"
#include "guacd/proto/status.h"
#include "proxy/authd/pods.h"

#define KEY "user-token-servers"

int usertoken_parse(const char *item, struct usertoken_server *out, struct err *e) {
    struct usertoken_server s = { 0 };
    char url[600];
    const char *ca = strchr(item, '=');
    size_t n = ca ? (size_t)(ca - item) : strlen(item);
    if (snprintf(url, sizeof url, "%.*s", (int)n, item) >= (int)sizeof url ||
        config_url(url, &s.url, e))
        return err_prefix(e, KEY);
    const char *path = url + s.url.path_at;
    if (!s.url.https || (*path && strcmp(path, "/") != 0))
        return err_set(e, 0, KEY ": '%s' is not https://host:port; tokens go by https only", url);
    if (ca && (ca[1] != '/' || strlen(ca + 1) >= sizeof s.ca))
        return err_set(e, 0, KEY ": what follows = at %s has to be the path of a file", url);
    snprintf(s.ca, sizeof s.ca, "%s", ca ? ca + 1 : "");
    *out = s;
    return 0;
}

struct each {
    int (*fn)(const struct usertoken_server *s, void *arg);
    void *arg;
    struct err *e;
};

static int each(const char *item, void *arg) {
    const struct each *w = arg;
    struct usertoken_server s;
    return usertoken_parse(item, &s, w->e) ? -1 : w->fn(&s, w->arg);
}

int usertoken_each(const struct config *conf,
                   int (*fn)(const struct usertoken_server *s, void *arg), void *arg,
                   struct err *e) {
    struct each w = { fn, arg, e };
    return conf->user_token_servers ? conf_each(conf->user_token_servers, each, &w) : 0;
}

bool usertoken_asked(const struct connection *c) {
    return c->credentials.from == CREDENTIALS_KUBERNETES &&
           c->credentials.kubernetes_as == KUBERNETES_USER_TOKEN;
}

/* ---- where it may go ------------------------------------------------------------------------- */

struct search {
    const struct config_url *want;
    struct usertoken_server found;
};

static int compare(const struct usertoken_server *s, void *arg) {
    struct search *w = arg;
    if (s->url.port != w->want->port || strcmp(s->url.host, w->want->host) != 0)
        return 0;
    w->found = *s;
    return 1;
}

/* What the connection names, in the form of config_url(): small letters, without brackets. */
static int wanted(const struct config *conf, const struct connection *c, struct config_url *out,
                  struct err *e) {
    char url[320];
    if (!c->hostname)
        return pods_server(conf, out, e);
    bool six = strchr(c->hostname, ':');
    snprintf(url, sizeof url, "https://%s%.253s%s:%u", six ? "[" : "", c->hostname, six ? "]" : "",
             c->port);
    return config_url(url, out, e);
}

int usertoken_server(const struct config *conf, const struct connection *c,
                     struct usertoken_server *out, struct err *e) {
    struct config_url url;
    if (wanted(conf, c, &url, e))
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "This connection names no API server that your token could go to.");
    struct search w = { .want = &url };
    int r = usertoken_each(conf, compare, &w, e);
    if (r < 0)
        return -1;
    if (!r)
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "Your token may not go to the API server %s, port %u: the gateway's "
                       "configuration does not list it in " KEY ".",
                       url.host, url.port);
    *out = w.found;
    return 0;
}

/* ---- and the token --------------------------------------------------------------------------- */

int usertoken_fetch(struct oidc *o, struct http *h, const struct identity *who,
                    struct oidc_token *out, struct err *e) {
    struct err why = { 0 };
    if (!o || who->development)
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "A sign-in by a link has no token that a cluster would take.");
    if (!who->refresh)
        return err_set(e, STATUS_CLIENT_UNAUTHORIZED,
                       "Your sign-in cannot be renewed, so it gives no token for the cluster. Sign "
                       "in again.");
    enum failure f = oidc_own_token(o, h, who, out, &why);
    if (f == FAILURE_NONE)
        return 0;
    log_info("a token of %s for a cluster: %s", who->sub, why.text);
    return f == FAILURE_UNREACHABLE
               ? err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                         "The identity provider gives no token now. Try again in a moment.")
               : err_set(e, STATUS_CLIENT_UNAUTHORIZED,
                         "The identity provider gives no token for your sign-in any more. Sign in "
                         "again.");
}
