/* _bulk with `create` and fixed ids: what was delivered before answers 409, which is as good. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/http.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "proxy/authd/ship.h"

#define ANSWER_MAX (4u << 20)
#define TIMEOUT_MS 30000

struct opensearch {
    struct http *http;
    char *url, *ca;
    struct buf authorization; /* "Authorization: Basic …", or empty */
};

int ship_bulk_format(const char *lines, size_t len, struct buf *out, size_t *count) {
    *count = 0;
    for (const char *at = lines, *end = lines + len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        struct err ignored = { 0 };
        _json_ json_t *event = json_parse(at, n, SHIP_BYTES_MAX, &ignored);
        const char *id = json_str(json_object_get(event, "metadata"), "uid", "");
        if (*id && strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-") == strlen(id)) {
            buf_printf(out, "{\"create\":{\"_id\":\"%s\"}}\n", id);
            buf_add(out, at, n);
            buf_putc(out, '\n');
            ++*count;
        }
        at += n + 1;
    }
    return out->failed ? -1 : 0;
}

int ship_bulk_answer(const char *text, size_t len, size_t count, size_t *rejected, struct err *e) {
    struct err bad = { 0 };
    _json_ json_t *answer = json_parse(text, len, ANSWER_MAX, &bad);
    json_t *items = json_object_get(answer, "items"), *item;
    size_t i, refused = 0;
    const char *why = "";
    if (json_array_size(items) != count)
        return err_set(e, 0, "the answer does not say what became of each event");
    json_array_foreach(items, i, item) {
        const json_t *one = json_object_get(item, "create");
        int64_t status = json_num(one, "status", 0);
        if (status == 200 || status == 201 || status == 409)
            continue;
        why = json_str(json_object_get(one, "error"), "reason", "no reason");
        if (status < 400 || status == 429 || status >= 500)
            return err_set(e, 0, "an event was answered %lld: %.200s", (long long)status, why);
        refused++;
    }
    if (refused)
        log_error("OpenSearch refuses %zu audit events for good: %.200s", refused, why);
    *rejected = refused;
    return 0;
}

static int bulk_send(void *state, const char *lines, size_t len, size_t *rejected, struct err *e) {
    struct opensearch *o = state;
    struct http_response rs = { 0 };
    struct buf body;
    size_t count = 0;
    buf_init(&body, 2 * SHIP_BYTES_MAX);
    int rc = ship_bulk_format(lines, len, &body, &count);
    if (rc < 0)
        err_set(e, 0, "no memory for a batch");
    if (rc == 0 && count > 0) {
        const char *headers[] = { "Content-Type: application/x-ndjson",
                                  o->authorization.len ? buf_str(&o->authorization) : NULL, NULL };
        const struct http_request rq = { .method = "POST",
                                         .url = o->url,
                                         .headers = headers,
                                         .body = body.data,
                                         .body_len = body.len,
                                         .timeout_ms = TIMEOUT_MS,
                                         .max_body = ANSWER_MAX,
                                         .ca_file = o->ca };
        rc = http_do(o->http, &rq, &rs, e);
        if (rc == 0 && rs.status != 200)
            rc = err_set(e, 0, "HTTP %d: %.200s", rs.status,
                         rs.body.len ? buf_str(&rs.body) : "no more was said");
        else if (rc == 0)
            rc =
                ship_bulk_answer(rs.body.data ? rs.body.data : "", rs.body.len, count, rejected, e);
        http_response_fini(&rs);
    }
    buf_fini(&body);
    return rc;
}

static void bulk_close(void *state) {
    struct opensearch *o = state;
    http_free(o->http);
    buf_wipe(&o->authorization);
    free(o->url);
    free(o->ca);
    free(o);
}

/* The file holds user:password. */
static int read_account(struct opensearch *o, const char *path, struct err *e) {
    _secret_ struct secret s = { 0 };
    if (secret_read_file(&s, path, e) < 0)
        return err_prefix(e, "audit-opensearch-account");
    char *text = malloc(4 * (s.len / 3 + 1) + 1);
    if (!text)
        return err_set(e, 0, "no memory");
    text[base64_encode(s.data, s.len, text)] = '\0';
    int rc = buf_printf(&o->authorization, "Authorization: Basic %s", text);
    secret_wipe(text, strlen(text));
    free(text);
    return rc;
}

static void *bulk_open(const struct config *c, struct err *e) {
    struct config_url u;
    if (!c->audit_opensearch || !*c->audit_opensearch)
        return NULL;
    if (config_url(c->audit_opensearch, &u, e)) {
        err_prefix(e, "audit-opensearch");
        return NULL;
    }
    struct opensearch *o = calloc(1, sizeof *o);
    char url[800];
    snprintf(url, sizeof url, "%s/_bulk", c->audit_opensearch);
    if (o) {
        buf_init(&o->authorization, 8192);
        o->authorization.secret = true;
        o->url = strdup(url);
        o->ca = c->audit_opensearch_ca && *c->audit_opensearch_ca ? strdup(c->audit_opensearch_ca)
                                                                  : NULL;
        o->http = http_new(e);
    }
    bool account = c->audit_opensearch_account && *c->audit_opensearch_account;
    if (o && o->url && o->http &&
        (!account || read_account(o, c->audit_opensearch_account, e) == 0))
        return o;
    if (o)
        bulk_close(o);
    if (!e->text[0])
        err_set(e, 0, "no memory for audit-opensearch");
    return NULL;
}

const struct ship_sink ship_opensearch = { "opensearch", bulk_open, bulk_close, bulk_send };
