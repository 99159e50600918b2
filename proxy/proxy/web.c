/* HTTP: the page's files from memory, everything below /api and /auth from authd. Bodies are
 * bounded here, decided there. */
#include <errno.h>
#include <fcntl.h>

#include "guacd/base/buf.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "proxy/proxy/edge.h"
#include "proxy/proxy/replicas.h"

#define BODY_MAX (64u << 10)
#define ANSWER_TIMEOUT_MS 60000
#define ADMIN_TIMEOUT_MS 10000
#define PIECE 65536

/* Sent with everything. The page needs no inline script or style, and loads nothing from elsewhere.
 */
static const char *const security_headers[][2] = {
    { "content-security-policy:",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
      "connect-src 'self'; font-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; "
      "manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'" },
    { "x-content-type-options:", "nosniff" },
    { "referrer-policy:", "no-referrer" },
    { "cross-origin-opener-policy:", "same-origin" },
    { "cross-origin-resource-policy:", "same-origin" },
    { "permissions-policy:",
      "clipboard-read=(self), clipboard-write=(self), microphone=(self), fullscreen=(self), "
      "camera=(), geolocation=(), usb=(), payment=()" },
};

struct request {
    struct edge *edge;
    struct lws *wsi;
    struct ask *call;
    json_t *message; /* until its body is whole */
    struct buf body;
    size_t expected;
    bool head;
    /* the answer */
    unsigned status;
    json_t *answer; /* holds headers and text */
    const struct asset *asset;
    struct slice bytes; /* borrowed from answer, asset, or text */
    struct buf text;
    const char *encoding;
    bool headers_sent;
    size_t sent;
    int fd;          /* body from a descriptor, or -1 */
    int64_t fd_left; /* -1: until it ends */
    uv_poll_t poll;  /* while a pipe has nothing to read */
    bool poll_open;
};

static void free_request(struct request *r) {
    json_decref(r->answer);
    json_decref(r->message);
    buf_fini(&r->body);
    buf_fini(&r->text);
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

static void on_poll_closed(uv_handle_t *h) {
    free_request(h->data);
}

static void end_request(struct request **slot) {
    struct request *r = *slot;
    *slot = NULL;
    if (!r)
        return;
    r->wsi = NULL;
    ask_cancel(r->call);
    if (r->poll_open) {
        uv_poll_stop(&r->poll);
        uv_close((uv_handle_t *)&r->poll, on_poll_closed);
    } else {
        free_request(r);
    }
}

static struct request *new_request(struct lws *wsi) {
    struct request *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->edge = edge_of(wsi);
    r->wsi = wsi;
    r->fd = -1;
    buf_init(&r->body, BODY_MAX);
    buf_init(&r->text, 4u << 20);
    metric_add(&metric_http_requests, 1);
    return r;
}

/* ---- answers ------------------------------------------------------------------------------- */

static int ready(struct request *r) {
    lws_set_timeout(r->wsi, PENDING_TIMEOUT_HTTP_CONTENT, 60);
    lws_callback_on_writable(r->wsi);
    return 0;
}

static int answer_text(struct request *r, unsigned status, const char *text) {
    r->status = status;
    if (r->text.len == 0)
        buf_puts(&r->text, text);
    r->bytes = (struct slice){ r->text.data, r->text.len };
    return ready(r);
}

static void on_answer(void *arg, const json_t *answer, int fd) {
    struct request *r = arg;
    r->call = NULL;
    if (!answer) {
        r->answer = json_pack("{s:[[s,s]]}", "headers", "content-type", "application/json");
        buf_puts(&r->text, "{\"error\":\"Sign-in is being restarted.\","
                           "\"advice\":\"Try again in a moment.\"}");
        answer_text(r, 503, "");
        return;
    }
    r->answer = json_incref((json_t *)(uintptr_t)answer);
    r->status = (unsigned)json_num(answer, "status", 500);
    const char *body = json_str(answer, "body", "");
    r->bytes = (struct slice){ body, strlen(body) };
    if (fd >= 0) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        r->fd = fd;
        r->fd_left = json_num(answer, "size", -1);
    }
    ready(r);
}

static int add(struct lws *wsi, const char *name, const char *value, unsigned char **p,
               unsigned char *end) {
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), p, end);
}

static int add_own_headers(struct request *r, unsigned char **p, unsigned char *end) {
    for (size_t i = 0; i < ARRAY_LEN(security_headers); i++)
        if (add(r->wsi, security_headers[i][0], security_headers[i][1], p, end))
            return -1;
    if (!r->asset)
        return add(r->wsi, "cache-control:", "no-store", p, end);
    return add(r->wsi, "content-type:", r->asset->type, p, end) ||
                   add(r->wsi, "etag:", r->asset->etag, p, end) ||
                   add(r->wsi, "vary:", "accept-encoding", p, end) ||
                   (r->encoding && add(r->wsi, "content-encoding:", r->encoding, p, end)) ||
                   add(r->wsi, "cache-control:",
                       r->asset->immutable ? "public, max-age=31536000, immutable" : "no-cache", p,
                       end)
               ? -1
               : 0;
}

static int add_authd_headers(struct request *r, unsigned char **p, unsigned char *end) {
    size_t i;
    json_t *pair;
    json_array_foreach(json_object_get(r->answer, "headers"), i, pair) {
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));
        char with_colon[64];
        if (!name || !value || strpbrk(value, "\r\n") || strcasecmp(name, "cache-control") == 0 ||
            snprintf(with_colon, sizeof with_colon, "%s:", name) >= (int)sizeof with_colon)
            continue;
        for (char *c = with_colon; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c | 0x20);
        if (add(r->wsi, with_colon, value, p, end))
            return -1;
    }
    return 0;
}

static int send_headers(struct request *r) {
    unsigned char out[LWS_PRE + 16384], *start = out + LWS_PRE, *p = start,
                                        *end = out + sizeof out - 1;
    int64_t length = r->fd >= 0 ? r->fd_left : (int64_t)r->bytes.len;
    if (lws_add_http_header_status(r->wsi, r->status, &p, end) || add_own_headers(r, &p, end) ||
        add_authd_headers(r, &p, end))
        return -1;
    if (length >= 0 && r->status != 304) {
        if (lws_add_http_header_content_length(r->wsi, (lws_filepos_t)length, &p, end))
            return -1;
    } else if (r->status != 304 && add(r->wsi, "connection:", "close", &p, end)) {
        return -1;
    }
    if (lws_finalize_write_http_header(r->wsi, start, &p, end))
        return -1;
    r->headers_sent = true;
    return 0;
}

static int finished(struct lws *wsi, struct request **slot, bool keep_alive) {
    edge_served(wsi);
    end_request(slot);
    return !keep_alive || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static void on_pipe(uv_poll_t *p, int status, int events) {
    struct request *r = p->data;
    (void)status;
    (void)events;
    uv_poll_stop(p);
    if (r->wsi)
        lws_callback_on_writable(r->wsi);
}

static int wait_for_pipe(struct request *r) {
    if (!r->poll_open) {
        if (uv_poll_init(&r->edge->loop, &r->poll, r->fd) != 0)
            return -1;
        r->poll.data = r;
        r->poll_open = true;
    }
    return uv_poll_start(&r->poll, UV_READABLE | UV_DISCONNECT, on_pipe) == 0 ? 0 : -1;
}

static int send_from_fd(struct lws *wsi, struct request **slot) {
    struct request *r = *slot;
    static unsigned char out[LWS_PRE + PIECE];
    size_t want = PIECE;
    if (r->fd_left >= 0 && (int64_t)want > r->fd_left)
        want = (size_t)r->fd_left;
    ssize_t n = want ? read(r->fd, out + LWS_PRE, want) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return wait_for_pipe(r);
    if (n <= 0) /* an early end shows in the length the browser was told */
        return finished(wsi, slot, r->fd_left == 0);
    if (r->fd_left >= 0)
        r->fd_left -= n;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, 60);
    bool last = r->fd_left == 0;
    if (lws_write(wsi, out + LWS_PRE, (size_t)n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < n)
        return -1;
    if (last)
        return finished(wsi, slot, true);
    lws_callback_on_writable(wsi);
    return 0;
}

static int send_from_memory(struct lws *wsi, struct request **slot) {
    struct request *r = *slot;
    static unsigned char out[LWS_PRE + PIECE];
    size_t n = MIN_OF((size_t)PIECE, r->bytes.len - r->sent);
    memcpy(out + LWS_PRE, r->bytes.data + r->sent, n);
    r->sent += n;
    bool last = r->sent == r->bytes.len;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, 60);
    if (lws_write(wsi, out + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)n)
        return -1;
    if (last)
        return finished(wsi, slot, true);
    lws_callback_on_writable(wsi);
    return 0;
}

static int writeable(struct lws *wsi, struct request **slot) {
    struct request *r = *slot;
    if (!r || !r->status)
        return 0;
    if (!r->headers_sent) {
        if (send_headers(r) < 0)
            return -1;
        if (r->head || r->status == 304 || (r->fd < 0 && r->bytes.len == 0))
            return finished(wsi, slot, true);
        lws_callback_on_writable(wsi);
        return 0;
    }
    return r->fd >= 0 ? send_from_fd(wsi, slot) : send_from_memory(wsi, slot);
}

/* ---- requests ------------------------------------------------------------------------------- */

static int answer_asset(struct request *r, const struct asset *a) {
    char value[256] = "";
    r->asset = a;
    r->status = 200;
    r->bytes = a->plain;
    if (lws_hdr_custom_copy(r->wsi, value, sizeof value, "if-none-match:", 14) > 0 &&
        strstr(value, a->etag)) {
        r->status = 304;
        return ready(r);
    }
    if (lws_hdr_copy(r->wsi, value, sizeof value, WSI_TOKEN_HTTP_ACCEPT_ENCODING) > 0) {
        if (a->brotli.data && strstr(value, "br")) {
            r->bytes = a->brotli;
            r->encoding = "br";
        } else if (a->gzip.data && strstr(value, "gzip")) {
            r->bytes = a->gzip;
            r->encoding = "gzip";
        }
    }
    return ready(r);
}

static int send_to_authd(struct request *r) {
    if (r->body.len > 0) {
        json_t *body = json_stringn(r->body.data, r->body.len);
        if (!body)
            return answer_text(r, 400, "The request's body is not UTF-8.\n");
        json_object_set_new(r->message, "body", body);
    }
    /* The wait is authd's to bound: lws shall not cut a long poll. */
    lws_set_timeout(r->wsi, NO_PENDING_TIMEOUT, 0);
    r->call = ask_send(r->edge, steal_ptr(r->message), ANSWER_TIMEOUT_MS, on_answer, r);
    if (!r->call)
        on_answer(r, NULL, -1);
    return 0;
}

static const char *method_name(struct lws *wsi) {
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } methods[] = {
        { WSI_TOKEN_GET_URI, "GET" },     { WSI_TOKEN_POST_URI, "POST" },
        { WSI_TOKEN_HEAD_URI, "HEAD" },   { WSI_TOKEN_PUT_URI, "PUT" },
        { WSI_TOKEN_PATCH_URI, "PATCH" }, { WSI_TOKEN_DELETE_URI, "DELETE" },
    };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (lws_hdr_total_length(wsi, methods[i].token))
            return methods[i].name;
    return NULL;
}

/* Before its body was read: libwebsockets gives no callback later, so at once, and close. */
static int refuse_body(struct request *r, unsigned status) {
    lws_return_http_status(r->wsi, status, NULL);
    return -1;
}

static int ask_authd(struct request *r, const char *method, const char *path) {
    _buf_cleanup_ struct buf query;
    buf_init(&query, 16384);
    char peer[64], length[24] = "";
    if (edge_query(r->wsi, &query) < 0)
        return answer_text(r, 414, "The address is too long.\n");
    edge_peer(r->edge, r->wsi, peer, sizeof peer);
    r->message =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "op", "http", "method", method, "path", path,
                  "query", buf_str(&query), "peer", peer, "headers", edge_headers(r->wsi));
    if (!r->message)
        return answer_text(r, 400, "The address is not UTF-8.\n");
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return send_to_authd(r);
    if (lws_hdr_copy(r->wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return refuse_body(r, HTTP_STATUS_LENGTH_REQUIRED);
    long n = strtol(length, NULL, 10);
    if (n < 0 || n > (long)BODY_MAX)
        return refuse_body(r, HTTP_STATUS_REQ_ENTITY_TOO_LARGE);
    r->expected = (size_t)n;
    return r->expected == 0 ? send_to_authd(r) : 0;
}

static bool is_authd_path(const char *path) {
    return strncmp(path, "/api/", 5) == 0 || strncmp(path, "/auth/", 6) == 0;
}

static void on_ready(void *arg, const json_t *answer, int fd) {
    struct request *r = arg;
    r->call = NULL;
    if (fd >= 0)
        close(fd);
    const char *name;
    json_t *check;
    json_object_foreach(json_object_get(answer, "checks"), name, check)
        buf_printf(&r->text, "%s: %s\n", name, json_string_value(check));
    bool ok = answer && json_flag(answer, "ok", false);
    answer_text(r, ok ? 200 : 503, answer ? "ok\n" : "authd: away\n");
}

static int ask_readiness(struct request *r) {
    lws_set_timeout(r->wsi, NO_PENDING_TIMEOUT, 0);
    r->call = ask_send(r->edge, json_pack("{s:s}", "op", "ready"), ADMIN_TIMEOUT_MS, on_ready, r);
    if (!r->call)
        on_ready(r, NULL, -1);
    return 0;
}

static int on_request(struct lws *wsi, struct request **slot, const char *path) {
    end_request(slot); /* of a transaction before, on a connection kept alive */
    struct request *r = *slot = new_request(wsi);
    if (!r)
        return -1;
    const char *method = method_name(wsi);
    if (!method)
        return answer_text(r, 405, "That method is not served.\n");
    r->head = strcmp(method, "HEAD") == 0;
    if (is_authd_path(path))
        return ask_authd(r, method, path);
    if (strcmp(method, "GET") != 0 && !r->head)
        return answer_text(r, 405, "That method is not served here.\n");
    if (strcmp(path, "/healthz") == 0)
        return answer_text(r, 200, "ok\n");
    if (strcmp(path, "/readyz") == 0)
        return ask_readiness(r);
    if (strcmp(path, "/metrics") == 0)
        return answer_text(r, 404, "Metrics are served at admin-listen.\n");
    if (strcmp(path, "/tunnel") == 0)
        return answer_text(r, 426, "This address speaks WebSocket, sub-protocol guacamole.\n");
    const struct asset *a = assets_find(r->edge->assets, path);
    return a ? answer_asset(r, a) : answer_text(r, 404, "There is no such page.\n");
}

static int on_body(struct request *r, const char *data, size_t len) {
    if (!r || !r->message)
        return 0;
    if (r->body.len + len > r->expected || buf_add(&r->body, data, len) < 0)
        return -1;
    return 0;
}

static int http_callback(struct lws *wsi, enum lws_callback_reasons why, struct request **slot,
                         void *in, size_t len,
                         int (*request)(struct lws *, struct request **, const char *)) {
    switch ((int)why) {
    case LWS_CALLBACK_HTTP:
        return request(wsi, slot, in);
    case LWS_CALLBACK_HTTP_BODY:
        return slot ? on_body(*slot, in, len) : -1;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return slot && *slot && (*slot)->message ? send_to_authd(*slot) : 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return slot ? writeable(wsi, slot) : 0;
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (slot)
            end_request(slot);
        return 0;
    default:
        return 0;
    }
}

int web_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len) {
    if (why == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) { /* user is the SSL_CTX */
        edge_of(wsi)->certificate.ctx = user;
        return 0;
    }
    switch ((int)why) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        return edge_accept(edge_of(wsi), user) ? 0 : -1;
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        edge_adopted(wsi);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        edge_served(wsi);
        return 0;
    default:
        return http_callback(wsi, why, user, in, len, on_request);
    }
}

/* ---- the admin listener ---------------------------------------------------------------------- */

static void on_metrics(void *arg, const json_t *answer, int fd) {
    struct request *r = arg;
    r->call = NULL;
    if (fd >= 0)
        close(fd);
    r->answer = json_pack("{s:[[s,s]]}", "headers", "content-type", "text/plain; version=0.0.4");
    edge_metrics(&r->text);
    buf_puts(&r->text, json_str(answer, "text", ""));
    answer_text(r, 200, "");
}

static int on_admin_request(struct lws *wsi, struct request **slot, const char *path) {
    end_request(slot);
    struct request *r = *slot = new_request(wsi);
    if (!r)
        return -1;
    if (strcmp(path, "/healthz") == 0)
        return answer_text(r, 200, "ok\n");
    if (strcmp(path, "/readyz") == 0)
        return ask_readiness(r);
    if (strcmp(path, "/metrics") != 0)
        return answer_text(r, 404, "/metrics, /healthz and /readyz are served here.\n");
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    r->call =
        ask_send(r->edge, json_pack("{s:s}", "op", "metrics"), ADMIN_TIMEOUT_MS, on_metrics, r);
    if (!r->call)
        on_metrics(r, NULL, -1);
    return 0;
}

int admin_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in,
                   size_t len) {
    return http_callback(wsi, why, user, in, len, on_admin_request);
}
