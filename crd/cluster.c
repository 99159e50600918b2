/* A few connections kept alive for requests, and the token that goes with each of them. */
#include "crd/cluster.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crd/connection.h"
#include "crd/cluster_impl.h"
#include "guacd/base/clock.h"
#include "guacd/base/http.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define TOKEN_MS 10000 /* a token read longer ago is read again */
#define TIMEOUT_MS 10000
#define TOKEN_MAX 16384

/* ---- configuration --------------------------------------------------------------------------- */

int cluster_server(const char *given, char *out, size_t size, struct err *e) {
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (given && *given)
        snprintf(out, size, "%s", given);
    else if (host && *host)
        snprintf(out, size, strchr(host, ':') ? "https://[%.200s]:%.10s" : "https://%.200s:%.10s",
                 host, port && *port ? port : "443");
    else
        return err_set(e, 0, "is not set, and this is no pod that would be told");
    if (strncmp(out, "https://", 8) != 0)
        return err_set(e, 0, "https only: a token goes there");
    return 0;
}

static int add_namespace(struct cluster *k, const char *name, struct err *e) {
    if (strcmp(name, "*") == 0)
        k->all = true;
    else if (!field_is_label(name))
        return err_set(e, 0, "'%.63s' is no namespace", name);
    else if (k->count == CLUSTER_NAMESPACES_MAX)
        return err_set(e, 0, "more than %d namespaces; use * for all of them",
                       CLUSTER_NAMESPACES_MAX);
    else if (!(k->namespaces[k->count++] = strdup(name)))
        return err_set(e, 0, "no memory");
    return 0;
}

static int add_namespaces(struct cluster *k, const char *list, struct err *e) {
    char own[128] = "", *save = NULL;
    _free_ char *copy = list && *list ? strdup(list) : NULL;
    if (!copy) {
        FILE *f = fopen(CLUSTER_ACCOUNT "/namespace", "re");
        if (f && !fgets(own, sizeof own, f))
            *own = '\0';
        if (f)
            fclose(f);
        own[strcspn(own, "\r\n")] = '\0';
        return *own ? add_namespace(k, own, e)
                    : err_set(e, 0, "no namespaces: this is no pod, so they have to be set");
    }
    for (char *w = strtok_r(copy, " ,\t", &save); w; w = strtok_r(NULL, " ,\t", &save))
        if (add_namespace(k, w, e))
            return -1;
    return 0;
}

static int read_namespaces(struct cluster *k, const char *list, struct err *e) {
    int rc = add_namespaces(k, list, e);
    k->served = k->count;
    return rc;
}

struct cluster *cluster_new(const struct cluster_config *c, struct err *e) {
    struct cluster *k = calloc(1, sizeof *k);
    if (!k) {
        err_set(e, 0, "no memory for a store");
        return NULL;
    }
    pthread_mutex_init(&k->lock, NULL);
    char server[512];
    if (cluster_server(c->server, server, sizeof server, e) == 0)
        k->server = strdup(server);
    k->token_file =
        strdup(c->token_file && *c->token_file ? c->token_file : CLUSTER_ACCOUNT "/token");
    k->ca_file = strdup(c->ca_file && *c->ca_file ? c->ca_file : CLUSTER_ACCOUNT "/ca.crt");
    struct secret token = { 0 };
    if (k->server && k->token_file && k->ca_file && read_namespaces(k, c->namespaces, e) == 0 &&
        (k->all || !c->own || cluster_serves(k, c->own) || add_namespace(k, c->own, e) == 0) &&
        cluster_token(k, false, &token, e) == 0) {
        secret_fini(&token);
        size_t n = strlen(k->server);
        while (n && k->server[n - 1] == '/')
            k->server[--n] = '\0';
        return k;
    }
    cluster_free(k);
    return NULL;
}

void cluster_free(struct cluster *k) {
    if (!k)
        return;
    for (size_t i = 0; i < k->idle_count; i++)
        http_free(k->idle[i]);
    for (size_t i = 0; i < k->count; i++)
        free(k->namespaces[i]);
    secret_fini(&k->token);
    free(k->server);
    free(k->token_file);
    free(k->ca_file);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

size_t cluster_namespace_count(const struct cluster *k, bool served) {
    return k->all ? 1 : served ? k->served : k->count;
}

const char *cluster_namespace(const struct cluster *k, size_t i) {
    return k->all ? NULL : k->namespaces[i];
}

bool cluster_serves(const struct cluster *k, const char *namespace) {
    bool found = k->all;
    for (size_t i = 0; i < k->served; i++)
        found |= strcmp(k->namespaces[i], namespace) == 0;
    return found;
}

/* ---- token ----------------------------------------------------------------------------------- */

/* The kubelet makes a pod's token readable by everybody in the pod (mode 0644, unless it has an
 * fsGroup), so secret_read_file() would refuse it. */
static int read_token(const struct cluster *k, struct secret *out, struct err *e) {
    char text[TOKEN_MAX];
    size_t len = 0;
    _close_ int fd = open(k->token_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_errno(e, STATUS_SERVER_ERROR, "%s", k->token_file);
    for (ssize_t n; len < sizeof text && (n = read(fd, text + len, sizeof text - len)) > 0;)
        len += (size_t)n;
    int rc = len == sizeof text
                 ? err_set(e, STATUS_SERVER_ERROR, "%s is too long for a token", k->token_file)
                 : 0;
    if (rc == 0 && secret_set(out, text, len && text[len - 1] == '\n' ? len - 1 : len))
        rc = err_set(e, STATUS_SERVER_ERROR, "no memory for a token");
    secret_wipe(text, sizeof text);
    return rc;
}

/* A copy. The kubelet replaces the file long before the old token ends. */
int cluster_token(struct cluster *k, bool again, struct secret *out, struct err *e) {
    uint64_t now = clock_ms();
    pthread_mutex_lock(&k->lock);
    int rc = 0;
    if (again || !k->token.data || now - k->token_at > TOKEN_MS) {
        struct secret fresh = { 0 };
        rc = read_token(k, &fresh, e);
        for (size_t i = 0; rc == 0 && i < fresh.len; i++)
            if (!isgraph((unsigned char)fresh.data[i]))
                rc = err_set(e, STATUS_SERVER_ERROR, "%s holds no token", k->token_file);
        if (rc == 0 && fresh.len == 0)
            rc = err_set(e, STATUS_SERVER_ERROR, "%s is empty", k->token_file);
        if (rc == 0) {
            secret_fini(&k->token);
            k->token = fresh;
            k->token_at = now;
        } else {
            secret_fini(&fresh);
            if (k->token.data && !again)
                rc = 0; /* in the middle of a rotation: the old one still counts */
        }
    }
    if (rc == 0 && secret_set(out, k->token.data, k->token.len))
        rc = err_set(e, STATUS_SERVER_ERROR, "no memory for a token");
    pthread_mutex_unlock(&k->lock);
    return rc;
}

/* "Authorization: Bearer …" */
int cluster_bearer(struct cluster *k, bool again, struct buf *out, struct err *e) {
    struct secret token _secret_ = { 0 };
    if (cluster_token(k, again, &token, e))
        return -1;
    buf_clear(out);
    buf_puts(out, "Authorization: Bearer ");
    buf_add(out, token.data, token.len);
    return buf_str(out) ? 0 : err_set(e, STATUS_SERVER_ERROR, "the token is too long");
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct http *borrow(struct cluster *k, struct err *e) {
    pthread_mutex_lock(&k->lock);
    struct http *h = k->idle_count ? k->idle[--k->idle_count] : NULL;
    pthread_mutex_unlock(&k->lock);
    return h ? h : http_new(e);
}

static void give_back(struct cluster *k, struct http *h) {
    pthread_mutex_lock(&k->lock);
    bool room = k->idle_count < CLUSTER_IDLE_MAX;
    if (room)
        k->idle[k->idle_count++] = h;
    pthread_mutex_unlock(&k->lock);
    if (!room)
        http_free(h);
}

void cluster_path(char *out, size_t size, const char *namespace, const char *plural,
                  const char *name, const char *sub) {
    snprintf(out, size, "/apis/%s%s%s/%s%s%s%s%s", CRD_VERSION, namespace ? "/namespaces/" : "",
             namespace ? namespace : "", plural, name ? "/" : "", name ? name : "", sub ? "/" : "",
             sub ? sub : "");
}

void cluster_secret_path(char *out, size_t size, const char *namespace, const char *name) {
    snprintf(out, size, "/api/v1/namespaces/%s/secrets/%s", namespace, name);
}

void cluster_escape(const char *text, char *out, size_t size) {
    size_t n = 0;
    for (; *text && n + 4 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            strchr("-_.~", c))
            out[n++] = (char)c;
        else
            n += (size_t)sprintf(out + n, "%%%02X", c);
    }
    out[n] = '\0';
}

enum resources_result cluster_result(int status, const json_t *answer, const char *what,
                                     struct err *e) {
    const char *reason = json_str(answer, "reason", ""), *text = json_str(answer, "message", "");
    static const struct {
        int http;
        enum resources_result result;
        int status;
    } rows[] = {
        { 400, RESOURCES_INVALID, STATUS_CLIENT_BAD_REQUEST },
        { 401, RESOURCES_REFUSED, STATUS_SERVER_ERROR },
        { 403, RESOURCES_REFUSED, STATUS_SERVER_ERROR },
        { 404, RESOURCES_NOT_FOUND, STATUS_RESOURCE_NOT_FOUND },
        { 409, RESOURCES_CONFLICT, STATUS_RESOURCE_CONFLICT },
        { 413, RESOURCES_INVALID, STATUS_CLIENT_BAD_REQUEST },
        { 422, RESOURCES_INVALID, STATUS_CLIENT_BAD_REQUEST },
    };
    enum resources_result r = RESOURCES_UNAVAILABLE;
    int code = STATUS_UPSTREAM_ERROR;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].http == status) {
            r = rows[i].result;
            code = rows[i].status;
        }
    if (r == RESOURCES_CONFLICT && strcmp(reason, "AlreadyExists") == 0)
        r = RESOURCES_EXISTS;
    err_set(e, code, "%s: the API server answers %d%s%.400s", what, status, *text ? ": " : "",
            text);
    return r;
}

static enum resources_result attempt(struct cluster *k, struct http_request *rq,
                                     struct http_response *rs, bool again, const char *type,
                                     struct err *e) {
    struct buf bearer;
    char content[96] = "";
    buf_init(&bearer, 65536);
    bearer.secret = true;
    if (type)
        snprintf(content, sizeof content, "Content-Type: %s", type);
    enum resources_result r = RESOURCES_UNAVAILABLE;
    struct http *h = cluster_bearer(k, again, &bearer, e) == 0 ? borrow(k, e) : NULL;
    if (h) {
        const char *headers[] = { buf_str(&bearer), "Accept: application/json",
                                  type ? content : NULL, NULL };
        rq->headers = headers;
        r = http_do(h, rq, rs, e) == 0 ? RESOURCES_OK : RESOURCES_UNAVAILABLE;
        rq->headers = NULL;
        give_back(k, h);
    }
    buf_wipe(&bearer);
    return r;
}

enum resources_result cluster_call(struct cluster *k, const char *method, const char *path,
                                   const char *type, const json_t *body, json_t **out,
                                   struct err *e) {
    struct http_response rs = { 0 };
    struct err ignored = { 0 };
    char url[2048], what[600];
    _free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    snprintf(url, sizeof url, "%s%s", k->server, path);
    snprintf(what, sizeof what, "%s %.500s", method, path);
    struct http_request rq = { .method = method,
                               .url = url,
                               .body = text,
                               .body_len = text ? strlen(text) : 0,
                               .timeout_ms = TIMEOUT_MS,
                               .max_body = CLUSTER_BODY_MAX,
                               .ca_file = k->ca_file,
                               .secret = true };
    if (body && !text) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a request");
        return RESOURCES_UNAVAILABLE;
    }
    if (text && !type)
        type = "application/json";
    enum resources_result r = attempt(k, &rq, &rs, false, type, e);
    if (r == RESOURCES_OK && rs.status == 401) { /* rotated a moment ago? once more */
        http_response_fini(&rs);
        r = attempt(k, &rq, &rs, true, type, e);
    }
    if (r != RESOURCES_OK)
        return r;
    bool good = rs.status >= 200 && rs.status < 300;
    _json_ json_t *answer = json_parse(rs.body.data ? rs.body.data : "", rs.body.len,
                                       CLUSTER_BODY_MAX, good ? e : &ignored);
    if (!good) {
        r = cluster_result(rs.status, answer, what, e);
    } else if (!answer) {
        err_prefix(e, "%s", what);
        r = RESOURCES_UNAVAILABLE;
    } else if (out) {
        *out = steal_ptr(answer);
    }
    http_response_fini(&rs);
    return r;
}
