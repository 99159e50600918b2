/* See edge.h. */
#include "proxy/proxy/edge.h"

#include <ctype.h>

#include "guacd/base/buf.h"
#include "guacd/base/dial.h"
#include "guacd/base/enc.h"

struct metric metric_tunnels = { .name = "guacamole_proxy_tunnels",
                                 .type = METRIC_GAUGE,
                                 .help = "Open tunnels." };
struct metric metric_tunnels_total = { .name = "guacamole_proxy_tunnels_total",
                                       .help = "Tunnels opened." };
struct metric metric_refused_total = { .name = "guacamole_proxy_tunnels_refused_total",
                                       .help = "Tunnels refused." };
struct metric metric_down_bytes = { .name = "guacamole_proxy_bytes_total",
                                    .labels = "direction=\"down\"",
                                    .help = "Bytes relayed between browsers and sessions." };
struct metric metric_up_bytes = { .name = "guacamole_proxy_bytes_total",
                                  .labels = "direction=\"up\"",
                                  .help = "Bytes relayed between browsers and sessions." };
struct metric metric_http_requests = { .name = "guacamole_proxy_http_requests_total",
                                       .help = "HTTP requests." };

static struct metric metric_waiting = { .name = "guacamole_proxy_waiting",
                                        .type = METRIC_GAUGE,
                                        .help = "Connections not answered or admitted yet." };
static struct metric metric_cut_total = {
    .name = "guacamole_proxy_cut_total",
    .help = "Connections hung up on, since too many of their address waited."
};

void edge_metrics(struct buf *out) {
    struct metric *const table[] = {
        &metric_tunnels,  &metric_tunnels_total, &metric_refused_total, &metric_down_bytes,
        &metric_up_bytes, &metric_http_requests, &metric_waiting,       &metric_cut_total,
    };
    metrics_write(table, ARRAY_LEN(table), out);
    replicas_metrics(out);
}

struct edge *edge_of(struct lws *wsi) {
    return lws_context_user(lws_get_context(wsi));
}

bool edge_accept(struct edge *x, const struct lws_filter_network_conn_args *from) {
    waiting_leave(x->waiting, x->accepted); /* lws could not make the one before its own */
    bool may = waiting_enter(x->waiting, (const struct sockaddr *)&from->cli_addr, &x->accepted);
    if (!may)
        metric_add(&metric_cut_total, 1);
    metric_set(&metric_waiting, (int64_t)waiting_count(x->waiting));
    return may;
}

void edge_adopted(struct lws *wsi) {
    struct edge *x = edge_of(wsi);
    lws_set_opaque_user_data(wsi, (void *)(uintptr_t)x->accepted);
    x->accepted = 0;
}

void edge_served(struct lws *wsi) {
    struct edge *x = edge_of(wsi);
    waiting_leave(x->waiting, (size_t)(uintptr_t)lws_get_opaque_user_data(wsi));
    lws_set_opaque_user_data(wsi, NULL);
    metric_set(&metric_waiting, (int64_t)waiting_count(x->waiting));
}

static void set_header(json_t *o, const char *name, const char *value) {
    json_t *s = json_string(value); /* NULL when it is not UTF-8: then authd does not see it */
    if (s)
        json_object_set_new(o, name, s);
}

json_t *edge_headers(struct lws *wsi) {
    static const struct {
        const char *name;
        enum lws_token_indexes token;
    } known[] = {
        { "cookie", WSI_TOKEN_HTTP_COOKIE }, { "origin", WSI_TOKEN_ORIGIN },
        { "host", WSI_TOKEN_HOST },          { "content-type", WSI_TOKEN_HTTP_CONTENT_TYPE },
        { "accept", WSI_TOKEN_HTTP_ACCEPT }, { "accept-language", WSI_TOKEN_HTTP_ACCEPT_LANGUAGE },
    };
    static const char *const custom[] = { "x-csrf", "sec-fetch-site", "if-none-match" };
    char value[8192];
    json_t *o = json_object();
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (lws_hdr_copy(wsi, value, sizeof value, known[i].token) > 0)
            set_header(o, known[i].name, value);
    for (size_t i = 0; i < ARRAY_LEN(custom); i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "%s:", custom[i]);
        if (lws_hdr_custom_copy(wsi, value, sizeof value, name, n) > 0)
            set_header(o, custom[i], value);
    }
    return o;
}

void edge_peer(struct edge *x, struct lws *wsi, char *out, size_t size) {
    out[0] = '\0';
    lws_get_peer_simple(wsi, out, size);
    if (strncmp(out, "::ffff:", 7) == 0 && strchr(out, '.')) /* IPv4 on a listener for both */
        memmove(out, out + 7, strlen(out + 7) + 1);
    char chain[1024];
    if (!x->conf.trusted_proxies || !dial_listed(x->conf.trusted_proxies, out) ||
        lws_hdr_copy(wsi, chain, sizeof chain, WSI_TOKEN_X_FORWARDED_FOR) <= 0)
        return;
    /* From the right: the first address that is not one of our own proxies. */
    for (char *end = chain + strlen(chain); end > chain;) {
        char *start = end;
        while (start > chain && start[-1] != ',')
            start--;
        char *word = start;
        while (*word == ' ')
            word++;
        size_t n = (size_t)(end - word);
        while (n > 0 && word[n - 1] == ' ')
            n--;
        if (n == 0 || n >= size)
            return;
        memcpy(out, word, n);
        out[n] = '\0';
        if (!dial_listed(x->conf.trusted_proxies, out))
            return;
        end = start > chain ? start - 1 : chain;
    }
}

static void put_encoded(struct buf *out, const char *s, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (isalnum(c) || strchr("-._~/", c))
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

int edge_query(struct lws *wsi, struct buf *out) {
    char piece[8192];
    for (int i = 0;; i++) {
        int n = lws_hdr_copy_fragment(wsi, piece, sizeof piece, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n == -2)
            return -1; /* longer than any of ours */
        if (n < 0)
            break;
        const char *eq = memchr(piece, '=', (size_t)n);
        if (i > 0)
            buf_putc(out, '&');
        put_encoded(out, piece, eq ? (size_t)(eq - piece) : (size_t)n);
        if (eq) {
            buf_putc(out, '=');
            put_encoded(out, eq + 1, (size_t)(piece + n - eq - 1));
        }
    }
    return out->failed ? -1 : 0;
}
