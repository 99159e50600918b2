/* What the parts of guac-proxy share. One process, one loop, one thread. */
#ifndef GUAC_PROXY_EDGE_H
#define GUAC_PROXY_EDGE_H

#include <libwebsockets.h>
#include <uv.h>

#include "guacd/base/metrics.h"
#include "proxy/proxy/assets.h"
#include "proxy/proxy/authd.h"
#include "proxy/proxy/certificate.h"
#include "proxy/proxy/config.h"
#include "proxy/proxy/waiting.h"

struct edge {
    struct proxy_config conf;
    uv_loop_t loop;
    struct lws_context *context;
    struct assets *assets;
    struct authd *authd;
    struct replicas *replicas;
    struct certificate certificate;
    struct waiting *waiting;
    size_t accepted; /* ticket of the connection that lws makes its own of at this moment */
    long tunnels;
    bool draining;
};

/* Metrics of this process, written by edge_metrics(). */
extern struct metric metric_tunnels, metric_tunnels_total, metric_refused_total, metric_down_bytes,
    metric_up_bytes, metric_http_requests;
void edge_metrics(struct buf *out);
void replicas_metrics(struct buf *out); /* replicas.c's, written by it */

struct edge *edge_of(struct lws *wsi);

/* Connections that wait, of the public listener: accepted, made lws's own, gone. edge_accept():
 * false: hang up. */
bool edge_accept(struct edge *x, const struct lws_filter_network_conn_args *from);
void edge_adopted(struct lws *wsi);
/* It was answered, admitted or is gone: it waits no more. May be said more than once. */
void edge_served(struct lws *wsi);

/* The request's headers, for authd: cookie, origin, … Owned by the caller. */
json_t *edge_headers(struct lws *wsi);
/* Where the request comes from: the peer, or what a trusted proxy says of it. */
void edge_peer(struct edge *x, struct lws *wsi, char *out, size_t size);
/* The query as it came: name=value joined by &, percent-encoded again. */
int edge_query(struct lws *wsi, struct buf *out);

/* lws callbacks: HTTP of the public listener, of the admin listener, and the tunnel. */
int web_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len);
int admin_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in,
                   size_t len);
int tunnel_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in,
                    size_t len);
#define TUNNEL_READ_MAX 65536 /* bytes relayed at one time */

#endif
