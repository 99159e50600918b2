/* What is fetched from the identity provider, and how long it is believed. */
#include "proxy/authd/oidc.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/proto/status.h"
#include "proxy/authd/oidc_part.h"
#include "proxy/authd/query.h"
#include "proxy/authd/stats.h"

#define FRESH_MS (10u * 60 * 1000) /* documents are fetched again after this */
#define AGAIN_MS 10000u            /* between fetches for an unknown key */
#define TIMEOUT_MS 8000
#define DOCUMENT_MAX 262144

/* ---- discovery ------------------------------------------------------------------------------- */

static int endpoint(const json_t *doc, const char *key, bool needed, bool https, char out[512],
                    struct err *e) {
    const char *url = json_str(doc, key, "");
    struct config_url u;
    struct err ignored = { 0 };
    out[0] = '\0';
    if (!*url && !needed)
        return 0;
    if (strlen(url) >= 512 || config_url(url, &u, &ignored))
        return err_set(e, STATUS_UPSTREAM_ERROR, "discovery names no usable %s", key);
    if (https && !u.https)
        return err_set(e, STATUS_UPSTREAM_ERROR, "discovery leads from https to http by %s", key);
    memcpy(out, url, strlen(url) + 1);
    return 0;
}

int oidc_discovery(const char *text, size_t len, const char *issuer, struct oidc_endpoints *out,
                   struct err *e) {
    struct oidc_endpoints ep;
    _json_ json_t *doc = json_parse(text, len, DOCUMENT_MAX, e);
    if (!doc)
        return -1;
    if (strcmp(json_str(doc, "issuer", ""), issuer) != 0)
        return err_set(e, STATUS_UPSTREAM_ERROR, "discovery names another issuer than %s", issuer);
    bool https = strncmp(issuer, "https:", 6) == 0;
    if (endpoint(doc, "authorization_endpoint", true, https, ep.authorization, e) ||
        endpoint(doc, "token_endpoint", true, https, ep.token, e) ||
        endpoint(doc, "jwks_uri", true, https, ep.jwks, e) ||
        endpoint(doc, "end_session_endpoint", false, https, ep.end_session, e))
        return -1;
    *out = ep;
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct oidc *oidc_new(const struct config *conf, struct err *e) {
    struct oidc *o = calloc(1, sizeof *o);
    if (!o) {
        err_set(e, 0, "no memory for OpenID Connect");
        return NULL;
    }
    o->conf = conf;
    pthread_mutex_init(&o->lock, NULL);
    pthread_mutex_init(&o->fetching, NULL);
    if (conf->oidc_secret && *conf->oidc_secret &&
        secret_read_file(&o->secret, conf->oidc_secret, e)) {
        err_prefix(e, "oidc-secret");
        oidc_free(o);
        return NULL;
    }
    return o;
}

void oidc_free(struct oidc *o) {
    if (!o)
        return;
    keyset_unref(o->keys);
    secret_fini(&o->secret);
    pthread_mutex_destroy(&o->lock);
    pthread_mutex_destroy(&o->fetching);
    free(o);
}

/* ---- fetching -------------------------------------------------------------------------------- */

enum failure oidc_http(struct oidc *o, struct http *h, struct http_request *rq,
                       struct http_response *rs, struct err *e) {
    rq->timeout_ms = TIMEOUT_MS;
    rq->max_body = DOCUMENT_MAX;
    rq->ca_file = o->conf->oidc_ca && *o->conf->oidc_ca ? o->conf->oidc_ca : NULL;
    metric_add(&stats_oidc_requests, 1);
    if (http_do(h, rq, rs, e) == 0 && rs->status < 500)
        return FAILURE_NONE;
    metric_add(&stats_oidc_errors, 1);
    if (rs->status >= 500)
        err_set(e, STATUS_UPSTREAM_ERROR, "%s answered %d", o->conf->oidc_issuer, rs->status);
    return FAILURE_UNREACHABLE;
}

static enum failure get(struct oidc *o, struct http *h, const char *url, struct http_response *rs,
                        struct err *e) {
    static const char *const headers[] = { "Accept: application/json", NULL };
    struct http_request rq = { .method = "GET", .url = url, .headers = headers };
    enum failure f = oidc_http(o, h, &rq, rs, e);
    if (f == FAILURE_NONE && rs->status != 200) {
        err_set(e, STATUS_UPSTREAM_ERROR, "%s answered %d", url, rs->status);
        f = FAILURE_UNREACHABLE;
    }
    return f;
}

static bool fresh(uint64_t when, uint64_t age) {
    return when && clock_ms() - when < age;
}

static enum failure fetch_endpoints(struct oidc *o, struct http *h, struct err *e) {
    char url[600];
    struct http_response rs = { 0 };
    struct oidc_endpoints ep;
    size_t n = strlen(o->conf->oidc_issuer);
    while (n && o->conf->oidc_issuer[n - 1] == '/')
        n--;
    snprintf(url, sizeof url, "%.*s/.well-known/openid-configuration", (int)n,
             o->conf->oidc_issuer);
    enum failure f = get(o, h, url, &rs, e);
    if (f == FAILURE_NONE &&
        oidc_discovery(rs.body.data ? rs.body.data : "", rs.body.len, o->conf->oidc_issuer, &ep, e))
        f = FAILURE_UNREACHABLE;
    http_response_fini(&rs);
    if (f == FAILURE_NONE) {
        pthread_mutex_lock(&o->lock);
        o->endpoints = ep;
        o->endpoints_at = clock_ms();
        pthread_mutex_unlock(&o->lock);
    }
    return f;
}

static bool known_endpoints(struct oidc *o, bool stale_will_do, struct oidc_endpoints *out) {
    pthread_mutex_lock(&o->lock);
    bool known = stale_will_do ? o->endpoints_at != 0 : fresh(o->endpoints_at, FRESH_MS);
    if (known)
        *out = o->endpoints;
    pthread_mutex_unlock(&o->lock);
    return known;
}

enum failure oidc_endpoints(struct oidc *o, struct http *h, struct oidc_endpoints *out,
                            struct err *e) {
    if (known_endpoints(o, false, out))
        return FAILURE_NONE;
    /* One fetches, the others wait for it. */
    pthread_mutex_lock(&o->fetching);
    enum failure f = FAILURE_NONE;
    if (!known_endpoints(o, false, out)) {
        f = fetch_endpoints(o, h, e);
        if (known_endpoints(o, true, out)) {
            if (f != FAILURE_NONE)
                log_warning("discovery is out of date: %s", e->text);
            f = FAILURE_NONE;
        }
    }
    pthread_mutex_unlock(&o->fetching);
    return f;
}

static enum failure fetch_keys(struct oidc *o, struct http *h, const char *url, struct err *e) {
    struct http_response rs = { 0 };
    enum failure f = get(o, h, url, &rs, e);
    struct keyset *k = NULL;
    if (f == FAILURE_NONE && !(k = keyset_parse(rs.body.data ? rs.body.data : "", rs.body.len, e)))
        f = FAILURE_UNREACHABLE;
    http_response_fini(&rs);
    pthread_mutex_lock(&o->lock);
    o->keys_tried = clock_ms();
    if (k) {
        keyset_unref(o->keys);
        o->keys = k;
        o->keys_at = o->keys_tried;
    }
    pthread_mutex_unlock(&o->lock);
    return f;
}

/* The keys at hand, if they will do: fresh, and not asked for anew out of turn. */
static struct keyset *known_keys(struct oidc *o, bool newer, bool stale_will_do) {
    pthread_mutex_lock(&o->lock);
    bool will_do = stale_will_do ||
                   (fresh(o->keys_at, FRESH_MS) && (!newer || fresh(o->keys_tried, AGAIN_MS)));
    struct keyset *k = o->keys && will_do ? keyset_ref(o->keys) : NULL;
    pthread_mutex_unlock(&o->lock);
    return k;
}

enum failure oidc_keys(struct oidc *o, struct http *h, bool newer, struct keyset **out,
                       struct err *e) {
    struct oidc_endpoints ep;
    if ((*out = known_keys(o, newer, false)))
        return FAILURE_NONE;
    enum failure f = oidc_endpoints(o, h, &ep, e);
    if (f != FAILURE_NONE)
        return f;
    pthread_mutex_lock(&o->fetching);
    if (!(*out = known_keys(o, newer, false))) {
        f = fetch_keys(o, h, ep.jwks, e);
        *out = known_keys(o, newer, true);
        if (*out && f != FAILURE_NONE) {
            log_warning("the issuer's keys are out of date: %s", e->text);
            f = FAILURE_NONE;
        }
    }
    pthread_mutex_unlock(&o->fetching);
    return f;
}

/* ---- the way out ----------------------------------------------------------------------------- */

static void random_text(char *out, size_t size, size_t bytes) {
    uint8_t raw[48];
    struct buf b;
    buf_init(&b, 80);
    random_bytes(raw, bytes);
    base64url_add(&b, raw, bytes);
    snprintf(out, size, "%s", buf_str(&b));
    secret_wipe(raw, sizeof raw);
    buf_wipe(&b);
}

void oidc_login_make(struct oidc_login *l) {
    random_text(l->state, sizeof l->state, 24);
    random_text(l->nonce, sizeof l->nonce, 24);
    random_text(l->verifier, sizeof l->verifier, 32);
}

enum failure oidc_authorize(struct oidc *o, struct http *h, const struct oidc_login *l,
                            const struct oidc_step *step, struct buf *url, struct err *e) {
    struct oidc_endpoints ep;
    uint8_t digest[32];
    char redirect[400];
    struct buf challenge;
    enum failure f = oidc_endpoints(o, h, &ep, e);
    if (f != FAILURE_NONE)
        return f;
    buf_init(&challenge, 64);
    sha256(l->verifier, strlen(l->verifier), digest);
    base64url_add(&challenge, digest, sizeof digest);
    snprintf(redirect, sizeof redirect, "%s/auth/callback", o->conf->origin);
    buf_puts(url, ep.authorization);
    buf_putc(url, strchr(ep.authorization, '?') ? '&' : '?');
    query_add(url, "response_type", "code");
    query_add(url, "client_id", o->conf->oidc_client);
    query_add(url, "redirect_uri", redirect);
    query_add(url, "scope", o->conf->oidc_scopes);
    query_add(url, "state", l->state);
    query_add(url, "nonce", l->nonce);
    query_add(url, "code_challenge", buf_str(&challenge));
    query_add(url, "code_challenge_method", "S256");
    if (step && step->acr)
        query_add(url, "acr_values", step->acr);
    if (step && step->max_age_s >= 0) {
        char text[24];
        snprintf(text, sizeof text, "%ld", step->max_age_s);
        query_add(url, "max_age", text);
    }
    buf_fini(&challenge);
    if (!url->failed)
        return FAILURE_NONE;
    err_set(e, STATUS_SERVER_ERROR, "the sign-in URL is too long");
    return FAILURE_UNREACHABLE;
}
