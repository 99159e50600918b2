/* See realm.h. */
#include "proxy/authd/realm.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/http.h"
#include "guacd/base/json.h"
#include "guacd/base/secret.h"
#include "proxy/authd/query.h"

#define ANSWER_MAX (1 << 20)
#define FORM_MAX 4096
#define TIMEOUT_MS 20000

struct admin {
    const struct config *conf;
    struct http *http;
    char base[512];   /* https://keycloak.example, what stands before /realms/ */
    char realm[256];  /* the issuer's, as in its URL */
    struct buf token; /* the header Authorization */
};

json_t *realm_client(const struct config *conf, const char *secret, struct err *e) {
    char back[400], out[400], logout[400];
    snprintf(back, sizeof back, "%s/auth/callback", conf->origin);
    snprintf(out, sizeof out, "%s/*", conf->origin);
    snprintf(logout, sizeof logout, "%s/auth/backchannel", conf->origin);
    json_t *o = json_pack(
        "{s:s, s:b, s:s, s:b, s:s, s:s, s:b, s:b, s:b, s:b, s:[s], s:[], s:{s:s, s:s, s:s, s:s}}",
        "clientId", conf->oidc_client, "enabled", 1, "protocol", "openid-connect", "publicClient",
        0, "clientAuthenticatorType", "client-secret", "secret", secret, "standardFlowEnabled", 1,
        "implicitFlowEnabled", 0, "directAccessGrantsEnabled", 0, "serviceAccountsEnabled", 0,
        "redirectUris", back, "webOrigins", "attributes", "pkce.code.challenge.method", "S256",
        "post.logout.redirect.uris", out, "backchannel.logout.url", logout,
        "backchannel.logout.session.required", "true");
    if (!o)
        err_set(e, 0, "the client's id or secret is not UTF-8");
    return o;
}

size_t realm_merge(json_t *client, const json_t *wanted) {
    const char *key;
    json_t *value;
    size_t changed = 0;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value) {
        json_t *have = json_object_get(client, key);
        if (json_is_object(value) && json_is_object(have)) {
            changed += realm_merge(have, value);
        } else if (!json_equal(have, value)) {
            json_object_set_new(client, key, json_deep_copy(value));
            changed++;
        }
    }
    return changed;
}

/* ---- the admin API --------------------------------------------------------------------------- */

/* https://host/realms/name, of which Keycloak's own paths are made. */
static int split_issuer(struct admin *a, struct err *e) {
    const char *issuer = a->conf->oidc_issuer, *at = issuer ? strstr(issuer, "/realms/") : NULL;
    const char *name = at ? at + strlen("/realms/") : "";
    size_t len = strcspn(name, "/");
    if (!at || len == 0 || name[len] || (size_t)(at - issuer) >= sizeof a->base ||
        len >= sizeof a->realm)
        return err_set(e, 0, "oidc-issuer: '%s' does not end in /realms/NAME, as Keycloak's do",
                       issuer ? issuer : "");
    snprintf(a->base, sizeof a->base, "%.*s", (int)(at - issuer), issuer);
    snprintf(a->realm, sizeof a->realm, "%.*s", (int)len, name);
    return 0;
}

/* The answer's status; *out (NULL: not wanted) is its JSON. */
static int ask(struct admin *a, const char *method, const char *url, const char *type,
               const struct buf *body, json_t **out, struct err *e) {
    char kind[80];
    snprintf(kind, sizeof kind, "Content-Type: %s", type);
    const char *authorization = buf_str(&a->token);
    const char *headers[] = { kind, authorization && *authorization ? authorization : NULL, NULL };
    const struct http_request rq = { .method = method,
                                     .url = url,
                                     .headers = headers,
                                     .body = body ? body->data : NULL,
                                     .body_len = body ? body->len : 0,
                                     .timeout_ms = TIMEOUT_MS,
                                     .max_body = ANSWER_MAX,
                                     .ca_file = a->conf->oidc_ca && *a->conf->oidc_ca
                                                    ? a->conf->oidc_ca
                                                    : NULL,
                                     .secret = true };
    struct http_response rs = { 0 };
    if (http_do(a->http, &rq, &rs, e) < 0)
        return -1;
    int status = rs.status;
    if (status < 400 && out && !(*out = json_parse(rs.body.data, rs.body.len, ANSWER_MAX, e)))
        status = err_prefix(e, "%s", url);
    http_response_fini(&rs);
    return status;
}

static int sign_in(struct admin *a, struct err *e) {
    _secret_ struct secret user = { 0 }, password = { 0 };
    struct buf form;
    char url[1200];
    if (!a->conf->keycloak_user || !a->conf->keycloak_password)
        return err_set(e, 0,
                       "keycloak-user and keycloak-password: name files with who may manage "
                       "clients of the realm");
    if (secret_read_file(&user, a->conf->keycloak_user, e) ||
        secret_read_file(&password, a->conf->keycloak_password, e))
        return -1;
    buf_init(&form, FORM_MAX);
    form.secret = true;
    query_add(&form, "grant_type", "password");
    query_add(&form, "client_id", "admin-cli");
    query_add(&form, "username", user.data);
    query_add(&form, "password", password.data);
    snprintf(url, sizeof url, "%s/realms/%s/protocol/openid-connect/token", a->base,
             a->conf->keycloak_realm);
    _json_ json_t *answer = NULL;
    int status = ask(a, "POST", url, "application/x-www-form-urlencoded", &form, &answer, e);
    buf_wipe(&form);
    if (status < 0)
        return -1;
    if (status == 404)
        return err_set(e, 0, "Keycloak has no realm %s, which keycloak-realm names",
                       a->conf->keycloak_realm);
    if (status >= 400)
        return err_set(e, 0,
                       "Keycloak does not let %s in (realm %s, HTTP %d): is the password right?",
                       (const char *)user.data, a->conf->keycloak_realm, status);
    if (!json_need(answer, "access_token", e))
        return -1;
    buf_puts(&a->token, "Authorization: Bearer ");
    buf_puts(&a->token, json_str(answer, "access_token", ""));
    return 0;
}

static int refused(const struct admin *a, int status, const char *what, struct err *e) {
    if (status == 403)
        return err_set(e, 0,
                       "%s: Keycloak does not allow it; give this user manage-clients in realm %s",
                       what, a->realm);
    if (status == 404)
        return err_set(e, 0, "%s: Keycloak has no realm %s, which oidc-issuer names", what,
                       a->realm);
    return err_set(e, 0, "%s: Keycloak answers HTTP %d", what, status);
}

static int send_client(struct admin *a, const char *method, const char *url, const json_t *client,
                       struct err *e) {
    struct buf body;
    buf_init(&body, ANSWER_MAX);
    body.secret = true;
    int status = json_write(client, &body) ? err_set(e, 0, "no memory") : 0;
    if (status == 0)
        status = ask(a, method, url, "application/json", &body, NULL, e);
    buf_wipe(&body);
    return status < 0 ? -1 : status >= 400 ? refused(a, status, a->conf->oidc_client, e) : 0;
}

static int make_right(struct admin *a, const json_t *wanted, struct err *e) {
    struct buf url;
    _json_ json_t *found = NULL;
    buf_init(&url, FORM_MAX);
    buf_puts(&url, a->base);
    buf_puts(&url, "/admin/realms/");
    buf_puts(&url, a->realm);
    buf_puts(&url, "/clients");
    size_t all = url.len;
    buf_puts(&url, "?clientId=");
    query_escape(&url, a->conf->oidc_client);
    int status = ask(a, "GET", buf_str(&url), "application/json", NULL, &found, e), rc = -1;
    json_t *client = json_array_get(found, 0);
    if (status >= 400) {
        refused(a, status, "looking for the client", e);
    } else if (status >= 0 && !client) {
        url.len = all;
        rc = send_client(a, "POST", buf_str(&url), wanted, e);
        if (rc == 0)
            printf("%s\n  made in realm %s\n", a->conf->oidc_client, a->realm);
    } else if (status >= 0) {
        size_t changed = realm_merge(client, wanted);
        url.len = all;
        buf_putc(&url, '/');
        query_escape(&url, json_str(client, "id", ""));
        rc = changed ? send_client(a, "PUT", buf_str(&url), client, e) : 0;
        if (rc == 0)
            printf("%s\n  %zu settings put right in realm %s\n", a->conf->oidc_client, changed,
                   a->realm);
    }
    buf_fini(&url);
    return rc;
}

int realm_make_client(const struct config *conf, struct err *e) {
    struct admin a = { .conf = conf };
    _secret_ struct secret secret = { 0 };
    signal(SIGPIPE, SIG_IGN);
    buf_init(&a.token, ANSWER_MAX);
    a.token.secret = true;
    int rc = -1;
    if (!conf->oidc_secret || !*conf->oidc_secret)
        err_set(e, 0, "oidc-secret: name the file with the secret that the client shall have");
    else if (split_issuer(&a, e) == 0 && secret_read_file(&secret, conf->oidc_secret, e) == 0 &&
             (a.http = http_new(e)) && sign_in(&a, e) == 0) {
        _json_ json_t *wanted = realm_client(conf, secret.data, e);
        rc = wanted ? make_right(&a, wanted, e) : -1;
    }
    buf_wipe(&a.token);
    http_free(a.http);
    return rc;
}
