/* What of a cluster a person may pick for a connection: namespaces, pods and containers, asked as
 * the person, so that the cluster's own access rules decide. */
#include <stdio.h>
#include <string.h>

#include "crd/field.h"
#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/jsontext.h"
#include "proxy/authd/pods.h"
#include "proxy/authd/route.h"
#include "proxy/authd/usertoken.h"

#define LIST_MAX 500   /* objects asked for at once */
#define ANSWER_MAX 100 /* told at once; `more` says that there are others */
#define BODY_MAX (16u << 20)
#define HEADERS_MAX (PODS_GROUPS_MAX + 8)
#define TIMEOUT_MS 8000

static void snapshot_drop(struct snapshot **s) {
    snapshot_unref(*s);
}

/* One person at the API server. */
struct asker {
    struct http *http;
    const struct config *conf;
    char base[300], ca[512];
    bool own;         /* by the person's own token */
    struct buf lines; /* header lines, each ending in a NUL: secret */
    const char *headers[HEADERS_MAX];
};

static void asker_fini(struct asker *k) {
    buf_wipe(&k->lines);
}

static void add_header(struct asker *k, const char *name, const char *value, size_t len) {
    buf_printf(&k->lines, "%s: %.*s", name, (int)len, value);
    buf_putc(&k->lines, '\0');
}

static int by_own_token(struct asker *k, struct exchange *x, const struct connection *c,
                        struct config_url *u, struct secret *token, struct err *e) {
    struct usertoken_server server;
    struct oidc_token own = { 0 };
    if (usertoken_server(k->conf, c, &server, e) ||
        usertoken_fetch(x->a->oidc, x->http, x->who, &own, e))
        return -1;
    *u = server.url;
    memcpy(k->ca, server.ca, sizeof k->ca);
    *token = own.text; /* moved */
    return 0;
}

static int by_account(struct asker *k, struct config_url *u, struct secret *token, struct err *e) {
    snprintf(k->ca, sizeof k->ca, "%s", k->conf->cluster_ca);
    return pods_server(k->conf, u, e) || pods_token(k->conf, token, e) ? -1 : 0;
}

/* As whom the connection would be opened. -1 with e: it cannot be asked for this connection. */
static int asker_init(struct asker *k, struct exchange *x, const struct connection *c,
                      struct err *e) {
    struct config_url u;
    struct secret token = { 0 };
    _json_ json_t *groups = NULL;
    char user[512];
    bool person = c->credentials.kubernetes_as == KUBERNETES_IMPERSONATION;
    *k = (struct asker){ .http = x->http, .conf = &x->a->conf, .own = usertoken_asked(c) };
    buf_init(&k->lines, 256u << 10);
    k->lines.secret = true;
    if (c->credentials.from != CREDENTIALS_KUBERNETES ||
        c->credentials.kubernetes_as == KUBERNETES_CLIENT_CERTIFICATE)
        return err_set(e, STATUS_UNSUPPORTED,
                       "This connection's credentials are not for listing. Type the names.");
    if (k->own ? by_own_token(k, x, c, &u, &token, e) : by_account(k, &u, &token, e))
        return -1;
    bool six = strchr(u.host, ':');
    snprintf(k->base, sizeof k->base, "https://%s%s%s:%u", six ? "[" : "", u.host, six ? "]" : "",
             u.port);
    int r = 0;
    buf_puts(&k->lines, "Authorization: Bearer ");
    buf_add(&k->lines, token.data, token.len);
    buf_putc(&k->lines, '\0');
    add_header(k, "Content-Type", "application/json", 16);
    if (person && (r = pods_person(k->conf, x->who, user, sizeof user, &groups, e)) == 0) {
        size_t i;
        json_t *group;
        add_header(k, "Impersonate-User", user, strlen(user));
        add_header(k, "Impersonate-Uid", x->who->sub, strlen(x->who->sub));
        json_array_foreach(groups, i, group)
            add_header(k, "Impersonate-Group", json_string_value(group), json_string_length(group));
    }
    secret_fini(&token);
    if (r == 0 && k->lines.failed)
        r = err_set(e, STATUS_SERVER_ERROR, "no memory for a request");
    const char *p = k->lines.data, *end = k->lines.data + k->lines.len;
    for (size_t n = 0; r == 0 && p < end && n + 1 < HEADERS_MAX; p += strlen(p) + 1)
        k->headers[n++] = p;
    return r;
}

/* The answer's HTTP status, -1 with e; *out: its JSON, or NULL. */
static int ask(struct asker *k, const char *method, const char *path, const char *body,
               json_t **out, struct err *e) {
    char url[2400];
    struct http_response rs = { 0 };
    snprintf(url, sizeof url, "%s%s", k->base, path);
    struct http_request rq = { .method = method,
                               .url = url,
                               .headers = k->headers,
                               .body = body,
                               .body_len = body ? strlen(body) : 0,
                               .timeout_ms = TIMEOUT_MS,
                               .max_body = BODY_MAX,
                               .ca_file = *k->ca ? k->ca : NULL };
    *out = NULL;
    if (http_do(k->http, &rq, &rs, e))
        return -1;
    struct err bad = { 0 };
    int status = rs.status;
    *out = json_parse(rs.body.data, rs.body.len, BODY_MAX, &bad);
    http_response_fini(&rs);
    return status;
}

/* May this person run commands in pods of that namespace? Which verb a terminal needs differs
 * between versions of the API server: one of both is enough to be shown it. */
static bool may_exec(struct asker *k, const char *namespace) {
    static const char *const verbs[] = { "create", "get" };
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        struct err e = { 0 };
        char body[512];
        _json_ json_t *o = NULL;
        snprintf(body, sizeof body,
                 "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
                 "\"spec\":{\"resourceAttributes\":{\"namespace\":\"%s\",\"verb\":\"%s\","
                 "\"resource\":\"pods\",\"subresource\":\"exec\"}}}",
                 namespace, verbs[i]);
        int status =
            ask(k, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, &o, &e);
        if (status / 100 == 2 && json_flag(json_object_get(o, "status"), "allowed", false))
            return true;
    }
    return false;
}

static bool wanted(const char *name, const char *q) {
    return *name && (!*q || strcasestr(name, q));
}

static const char *name_of(const json_t *object) {
    return json_str(json_object_get(object, "metadata"), "name", "");
}

static void put_namespaces(struct exchange *x, struct asker *k, const json_t *list, const char *q,
                           const char *own) {
    size_t i, told = 0;
    json_t *o;
    bool more = *json_str(json_object_get(list, "metadata"), "continue", "") != '\0';
    jsontext_open(&x->text, "namespaces", '[');
    json_array_foreach(json_object_get(list, "items"), i, o) {
        if (!wanted(name_of(o), q) || !field_is_label(name_of(o)))
            continue;
        if (told == ANSWER_MAX) {
            more = true;
            break;
        }
        if (!may_exec(k, name_of(o)))
            continue;
        jsontext_open(&x->text, NULL, '{');
        jsontext_str(&x->text, "name", name_of(o));
        jsontext_close(&x->text, '{');
        told++;
    }
    if (!list && wanted(own, q)) { /* who may not list them may still know one */
        jsontext_open(&x->text, NULL, '{');
        jsontext_str(&x->text, "name", own);
        jsontext_close(&x->text, '{');
    }
    jsontext_close(&x->text, '[');
    jsontext_bool(&x->text, "more", more);
}

static bool container_ready(const json_t *pod, const char *name) {
    size_t i;
    json_t *o;
    json_array_foreach(json_object_get(json_object_get(pod, "status"), "containerStatuses"), i,
                       o) if (strcmp(json_str(o, "name", ""), name) ==
                              0) return json_flag(o, "ready", false);
    return false;
}

static void put_pod(struct buf *b, const json_t *pod) {
    const json_t *meta = json_object_get(pod, "metadata"), *status = json_object_get(pod, "status");
    size_t i;
    json_t *o;
    bool ready = false;
    json_array_foreach(json_object_get(status, "conditions"), i,
                       o) if (strcmp(json_str(o, "type", ""), "Ready") == 0) ready =
        strcmp(json_str(o, "status", ""), "True") == 0;
    jsontext_open(b, NULL, '{');
    jsontext_str(b, "name", name_of(pod));
    jsontext_str(b, "phase",
                 json_object_get(meta, "deletionTimestamp") ? "Terminating"
                                                            : json_str(status, "phase", ""));
    jsontext_bool(b, "ready", ready);
    jsontext_open(b, "containers", '[');
    json_array_foreach(json_object_get(json_object_get(pod, "spec"), "containers"), i, o) {
        jsontext_open(b, NULL, '{');
        jsontext_str(b, "name", json_str(o, "name", ""));
        jsontext_bool(b, "ready", container_ready(pod, json_str(o, "name", "")));
        jsontext_close(b, '{');
    }
    jsontext_close(b, '[');
    jsontext_close(b, '{');
}

static void put_pods(struct exchange *x, const json_t *list, const char *q) {
    size_t i, told = 0;
    json_t *o;
    bool more = *json_str(json_object_get(list, "metadata"), "continue", "") != '\0';
    jsontext_open(&x->text, "pods", '[');
    json_array_foreach(json_object_get(list, "items"), i, o) {
        if (!wanted(name_of(o), q))
            continue;
        if (told++ == ANSWER_MAX) {
            more = true;
            break;
        }
        put_pod(&x->text, o);
    }
    jsontext_close(&x->text, '[');
    jsontext_bool(&x->text, "more", more);
}

static void refuse(struct exchange *x, const struct asker *k, int status, const json_t *answer) {
    char text[700];
    const char *said = json_str(answer, "message", "it does not say why");
    snprintf(text, sizeof text, "The cluster says no: %s.", said);
    exchange_error(x,
                   status == 401 || status == 403 ? 403
                   : status == 404                ? 404
                                                  : 502,
                   text,
                   status != 401 ? "Ask whoever runs this namespace for the right."
                   : k->own      ? "Tell whoever runs this cluster that it does not take your "
                                   "sign-in's token (its issuer, audience or time)."
                                 : "Tell the gateway's operators that its token is not taken.",
                   "cluster-access");
}

/* What every answer begins with. */
static void put_limits(struct exchange *x, const struct connection *c) {
    buf_clear(&x->text);
    jsontext_open(&x->text, NULL, '{');
    jsontext_strings(&x->text, "choose", c->kubernetes.choose);
    jsontext_str(&x->text, "namespace",
                 c->kubernetes.namespace ? c->kubernetes.namespace : "default");
    jsontext_str(&x->text, "container", c->kubernetes.container);
}

static void finish(struct exchange *x) {
    jsontext_close(&x->text, '{');
    x->status = 200;
    exchange_header(x, "content-type", "application/json; charset=utf-8");
}

static void list_namespaces(struct exchange *x, struct asker *k, const struct connection *c) {
    struct err e = { 0 };
    char path[64];
    _json_ json_t *list = NULL;
    snprintf(path, sizeof path, "/api/v1/namespaces?limit=%d", LIST_MAX);
    int status = ask(k, "GET", path, NULL, &list, &e);
    if (status < 0) {
        exchange_error(x, 502, e.text, "Try again in a moment.", NULL);
    } else if (status != 200 && status != 403) {
        refuse(x, k, status, list);
    } else {
        put_limits(x, c);
        put_namespaces(x, k, status == 200 ? list : NULL, query_get(&x->query, "q", ""),
                       c->kubernetes.namespace ? c->kubernetes.namespace : "default");
        finish(x);
    }
}

static void list_pods(struct exchange *x, struct asker *k, const struct connection *c,
                      const char *namespace) {
    struct err e = { 0 };
    _buf_cleanup_ struct buf path = { 0 };
    _json_ json_t *list = NULL;
    buf_init(&path, 2048);
    buf_printf(&path, "/api/v1/namespaces/%s/pods?limit=%d", namespace, LIST_MAX);
    if (c->kubernetes.selector)
        query_add(&path, "labelSelector", c->kubernetes.selector);
    int status = ask(k, "GET", buf_str(&path), NULL, &list, &e);
    if (status < 0) {
        exchange_error(x, 502, e.text, "Try again in a moment.", NULL);
    } else if (status != 200) {
        refuse(x, k, status, list);
    } else {
        put_limits(x, c);
        jsontext_bool(&x->text, "allowed", may_exec(k, namespace));
        put_pods(x, list, query_get(&x->query, "q", ""));
        finish(x);
    }
}

void api_targets(struct exchange *x) {
    struct snapshot *snapshot __attribute__((cleanup(snapshot_drop))) =
        catalog_snapshot(x->a->catalog);
    const struct connection *c = snapshot_find(snapshot, x->params[0], x->params[1]);
    const char *namespace = query_get(&x->query, "namespace", "");
    struct decision d = { 0 };
    if (c) {
        struct authd_view view;
        authd_view_init(&view, x->a, x->who, snapshot);
        authd_decide(&view, c, false, &d);
        authd_view_fini(&view);
    }
    if (!c || !c->protocol || strcmp(c->protocol->name, "kubernetes") != 0) {
        exchange_error(x, 404, "There is no such connection to a cluster.", "Check the address.",
                       NULL);
        return;
    }
    if (!d.allow) {
        exchange_error(x, status_http(d.status), d.why, d.advice, d.name);
        return;
    }
    bool free = json_has_string(c->kubernetes.choose, "namespace");
    const char *own = c->kubernetes.namespace ? c->kubernetes.namespace : "default";
    if (*namespace && (!field_is_label(namespace) || (!free && strcmp(namespace, own) != 0))) {
        exchange_error(x, 403, "This connection does not let you choose that namespace.",
                       "Take one of the list.", NULL);
        return;
    }
    struct asker k;
    struct err e = { 0 };
    if (asker_init(&k, x, c, &e))
        exchange_error(x, status_http(e.status), e.text, "Tell the gateway's operators.", NULL);
    else if (free && !*namespace)
        list_namespaces(x, &k, c);
    else
        list_pods(x, &k, c, *namespace ? namespace : own);
    asker_fini(&k);
}
