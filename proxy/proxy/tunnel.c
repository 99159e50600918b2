/* One WebSocket tunnel: a browser on one side, the Unix socket of a session on the other. Reads one
 * side only while the other takes: a slow browser stops the reading of its session's socket, so the
 * daemon sees the slowness and skips frames. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/proto/instr.h"
#include "guacd/proto/status.h"
#include "proxy/proxy/edge.h"
#include "proxy/proxy/relay.h"
#include "proxy/proxy/replicas.h"

#define OPEN_TIMEOUT_MS 60000
#define CLOSE_TIMEOUT_S 3
#define WRITE_CLOSE ((enum lws_write_protocol)4) /* known inside lws, left out of its header */
#define UP_MAX (256u << 10)                      /* browser's bytes not yet taken by the session */
#define DOWN_MAX (64u << 10)                     /* pings' answers and the last words */

struct tunnel {
    struct edge *edge;
    struct lws *wsi;  /* NULL once the browser is gone */
    struct ask *call; /* while authd decides */
    int fd;           /* the session, -1: not yet or no longer */
    uv_poll_t poll;
    bool poll_open, poll_closing;
    bool full;       /* our own client: text is passed as it is */
    bool choked;     /* the browser is behind: its session is not read */
    bool rx_stopped; /* the session is behind: the browser is not read */
    bool ending;     /* close once `down` is out */
    bool close_sent;
    bool goodbye; /* the session has said how it ended */
    char close_reason[12];
    struct buf in; /* browser's bytes, the beginning of an instruction */
    struct buf up, down;
    char *tail; /* session's bytes, the beginning of an instruction */
    size_t tail_len;
    char id[64];
};

/* One for the process: room for lws's header, a kept tail and one read. */
static unsigned char relay_buffer[LWS_PRE + INSTR_BYTES_MAX + TUNNEL_READ_MAX];

static void on_session(uv_poll_t *p, int status, int events);

static void watch(struct tunnel *t) {
    if (!t->poll_open)
        return;
    int events = (t->choked || t->ending ? 0 : UV_READABLE) | (t->up.len ? UV_WRITABLE : 0);
    if (events)
        uv_poll_start(&t->poll, events, on_session);
    else
        uv_poll_stop(&t->poll);
}

static void free_tunnel(struct tunnel *t) {
    buf_fini(&t->in);
    buf_fini(&t->up);
    buf_fini(&t->down);
    free(t->tail);
    free(t);
}

static void on_poll_closed(uv_handle_t *h) {
    struct tunnel *t = h->data;
    t->poll_closing = false;
    if (!t->wsi)
        free_tunnel(t);
}

/* The handle before the descriptor: libuv forgets a handle's number in epoll when it is closed, and
 * by then a connection that was just accepted may have that number. */
static void close_session(struct tunnel *t) {
    if (t->poll_open) {
        t->poll_open = false;
        t->poll_closing = true;
        uv_close((uv_handle_t *)&t->poll, on_poll_closed);
    }
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

/* Say why and close. Statuses go as an `error` instruction and, decimal, as the reason. */
static void end_tunnel(struct tunnel *t, int status, const char *text) {
    if (t->ending)
        return;
    t->ending = true;
    if (!t->goodbye && text) {
        char ascii[256], code[12];
        size_t n = 0;
        for (const char *s = text; *s && n < sizeof ascii - 1; s++)
            ascii[n++] = (unsigned char)*s < 0x80 && (unsigned char)*s >= 0x20 ? *s : '?';
        ascii[n] = '\0';
        snprintf(code, sizeof code, "%d", status);
        instr_put(&t->down, "error", ascii, code, NULL);
    }
    snprintf(t->close_reason, sizeof t->close_reason, "%d", status);
    close_session(t);
    if (t->wsi)
        lws_callback_on_writable(t->wsi);
}

/* Send the browser `len` bytes that stand in relay_buffer behind LWS_PRE. */
static int send_down(struct tunnel *t, unsigned char *at, size_t len) {
    if (lws_write(t->wsi, at, len, LWS_WRITE_TEXT) < (int)len) {
        end_tunnel(t, STATUS_SERVER_ERROR, NULL);
        return -1;
    }
    metric_add(&metric_down_bytes, (int64_t)len);
    return 0;
}

static void keep_tail(struct tunnel *t, const unsigned char *data, size_t len) {
    free(t->tail);
    t->tail = NULL;
    t->tail_len = 0;
    if (len == 0)
        return;
    t->tail = malloc(len);
    if (!t->tail) {
        end_tunnel(t, STATUS_SERVER_ERROR, "The gateway is out of memory.");
        return;
    }
    memcpy(t->tail, data, len);
    t->tail_len = len;
}

static void pass_down(struct tunnel *t, unsigned char *start, size_t have) {
    bool bad = false;
    size_t whole = instr_whole((const char *)start, have, COUNT_CODE_POINTS, &bad);
    if (whole > 0) {
        const char *data = (const char *)start;
        t->goodbye = relay_said_goodbye(data, whole);
        if (!t->full && relay_ambiguous(data, whole)) {
            struct err e = { 0 };
            struct buf out;
            buf_init(&out, 2 * sizeof relay_buffer);
            char room[LWS_PRE] = { 0 };
            buf_add(&out, room, sizeof room);
            if (relay_downstream(data, whole, &out, &e) < 0)
                end_tunnel(t, e.status, e.text);
            else
                send_down(t, (unsigned char *)out.data + LWS_PRE, out.len - LWS_PRE);
            keep_tail(t, start + whole, have - whole);
            buf_fini(&out);
        } else {
            /* lws writes its header into the bytes before: the tail is saved first. */
            keep_tail(t, start + whole, have - whole);
            send_down(t, start, whole);
        }
    } else {
        keep_tail(t, start, have);
    }
    if (bad || t->tail_len > INSTR_BYTES_MAX) {
        log_error("session %s sent a malformed instruction", t->id);
        end_tunnel(t, STATUS_UPSTREAM_ERROR, "The session sent something unreadable.");
    }
}

static void read_session(struct tunnel *t) {
    if (lws_partial_buffered(t->wsi) || t->down.len > 0) {
        t->choked = true;
        lws_callback_on_writable(t->wsi);
        return;
    }
    unsigned char *start = relay_buffer + LWS_PRE;
    if (t->tail_len > 0)
        memcpy(start, t->tail, t->tail_len);
    ssize_t n = recv(t->fd, start + t->tail_len, TUNNEL_READ_MAX, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (t->goodbye)
            end_tunnel(t, STATUS_SUCCESS, NULL);
        else
            end_tunnel(t, STATUS_SERVER_ERROR,
                       "The session ended unexpectedly. What was recorded is kept.");
        return;
    }
    pass_down(t, start, t->tail_len + (size_t)n);
}

static void write_session(struct tunnel *t) {
    while (t->up.len > 0 && t->fd >= 0) {
        ssize_t n = send(t->fd, t->up.data, t->up.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                buf_clear(&t->up); /* the reading side learns of the end, with its last words */
            break;
        }
        metric_add(&metric_up_bytes, n);
        buf_consume(&t->up, (size_t)n);
    }
    bool behind = t->up.len > 0;
    if (behind != t->rx_stopped && t->wsi) {
        t->rx_stopped = behind;
        lws_rx_flow_control(t->wsi, behind ? 0 : 1);
    }
}

static void on_session(uv_poll_t *p, int status, int events) {
    struct tunnel *t = p->data;
    if (!t->wsi || t->fd < 0)
        return;
    if (status < 0)
        events = UV_READABLE; /* recv tells what it is */
    if (events & UV_WRITABLE)
        write_session(t);
    if (events & UV_READABLE)
        read_session(t);
    if (t->fd >= 0)
        watch(t);
}

static void on_decision(void *arg, const json_t *answer, int fd) {
    struct tunnel *t = arg;
    t->call = NULL;
    if (!answer || !json_flag(answer, "ok", false) || fd < 0) {
        if (fd >= 0)
            close(fd);
        metric_add(&metric_refused_total, 1);
        end_tunnel(t,
                   answer ? (int)json_num(answer, "status", STATUS_SERVER_ERROR)
                          : STATUS_UPSTREAM_UNAVAILABLE,
                   json_str(answer, "error", "Sign-in is being restarted. Try again in a moment."));
        return;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (uv_poll_init(&t->edge->loop, &t->poll, fd) != 0) {
        close(fd);
        end_tunnel(t, STATUS_SERVER_ERROR, "The gateway cannot watch the session.");
        return;
    }
    edge_served(t->wsi);
    t->fd = fd;
    t->poll.data = t;
    t->poll_open = true;
    snprintf(t->id, sizeof t->id, "%s", json_str(answer, "id", ""));
    instr_put(&t->down, "", t->id, NULL);
    metric_add(&metric_tunnels_total, 1);
    t->choked = true; /* until the tunnel's id is out */
    lws_callback_on_writable(t->wsi);
    watch(t);
}

static int ask_authd(struct tunnel *t) {
    _buf_cleanup_ struct buf query;
    buf_init(&query, 16384);
    if (edge_query(t->wsi, &query) < 0) {
        end_tunnel(t, STATUS_CLIENT_BAD_REQUEST, "The tunnel's query is too long.");
        return 0;
    }
    const char *q = buf_str(&query);
    t->full = strstr(q, "client=") != NULL;
    char peer[64];
    edge_peer(t->edge, t->wsi, peer, sizeof peer);
    json_t *rq = json_pack("{s:s, s:s, s:s, s:o}", "op", "tunnel", "query", q, "peer", peer,
                           "headers", edge_headers(t->wsi));
    t->call = rq ? ask_send(t->edge, rq, OPEN_TIMEOUT_MS, on_decision, t) : NULL;
    if (!t->call)
        on_decision(t, NULL, -1);
    return 0;
}

static struct tunnel *open_tunnel(struct lws *wsi) {
    struct tunnel *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->edge = edge_of(wsi);
    t->wsi = wsi;
    t->fd = -1;
    buf_init(&t->in, 2 * INSTR_BYTES_MAX + TUNNEL_READ_MAX);
    buf_init(&t->up, UP_MAX);
    buf_init(&t->down, DOWN_MAX);
    t->edge->tunnels++;
    metric_set(&metric_tunnels, t->edge->tunnels);
    return t;
}

static void browser_gone(struct tunnel *t) {
    t->wsi = NULL;
    ask_cancel(t->call);
    close_session(t);
    t->edge->tunnels--;
    metric_set(&metric_tunnels, t->edge->tunnels);
    if (!t->poll_closing)
        free_tunnel(t);
}

static int receive(struct tunnel *t, const char *data, size_t len) {
    if (t->ending)
        return 0;
    struct err e = { 0 };
    size_t used = 0;
    if (buf_add(&t->in, data, len) < 0 ||
        relay_upstream(t->in.data ? t->in.data : "", t->in.len, &used, &t->up, &t->down, &e) < 0) {
        if (!e.status)
            err_set(&e, STATUS_CLIENT_OVERRUN, "an instruction is too long");
        log_info("tunnel %s: %s", t->id, e.text);
        end_tunnel(t, e.status, e.text);
        return 0;
    }
    buf_consume(&t->in, used);
    if (t->in.len == 0)
        buf_fini(&t->in);
    if (t->in.max == 0)
        buf_init(&t->in, 2 * INSTR_BYTES_MAX + TUNNEL_READ_MAX);
    if (t->down.len > 0)
        lws_callback_on_writable(t->wsi);
    if (t->fd >= 0) {
        write_session(t);
        watch(t);
    }
    return 0;
}

/* RFC 6455 section 5.5.1, written by hand: Debian's libwebsockets with libuv closes a second time
 * where lws_close_reason() is used, before its close frame is out. */
static int send_close(struct tunnel *t) {
    unsigned char frame[LWS_PRE + 2 + sizeof t->close_reason];
    size_t n = strlen(t->close_reason);
    frame[LWS_PRE] = LWS_CLOSE_STATUS_NORMAL >> 8;
    frame[LWS_PRE + 1] = LWS_CLOSE_STATUS_NORMAL & 0xff;
    memcpy(frame + LWS_PRE + 2, t->close_reason, n);
    t->close_sent = true;
    lws_set_timeout(t->wsi, PENDING_TIMEOUT_CLOSE_ACK, CLOSE_TIMEOUT_S);
    return lws_write(t->wsi, frame + LWS_PRE, 2 + n, WRITE_CLOSE) < 0 ? -1 : 0;
}

/* Our own words first, then the session's stream goes on. */
static int writeable(struct tunnel *t) {
    if (t->down.len > 0) {
        _free_ unsigned char *out = malloc(LWS_PRE + t->down.len);
        if (!out)
            return -1;
        memcpy(out + LWS_PRE, t->down.data, t->down.len);
        size_t n = t->down.len;
        buf_fini(&t->down);
        buf_init(&t->down, DOWN_MAX);
        if (lws_write(t->wsi, out + LWS_PRE, n, LWS_WRITE_TEXT) < (int)n)
            return -1;
        lws_callback_on_writable(t->wsi);
        return 0;
    }
    if (t->ending)
        return t->close_sent ? 0 : send_close(t);
    if (t->edge->draining) {
        end_tunnel(t, STATUS_SERVER_BUSY, "The gateway restarts. The session goes on.");
        return 0;
    }
    if (t->choked) {
        t->choked = false;
        watch(t);
    }
    return 0;
}

int tunnel_callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in,
                    size_t len) {
    struct tunnel **slot = user;
    struct tunnel *t = slot ? *slot : NULL;
    switch ((int)why) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: {
        char path[64] = "";
        lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
        if (strcmp(path, "/tunnel") != 0) {
            lws_return_http_status(wsi, HTTP_STATUS_NOT_FOUND, NULL);
            return 1;
        }
        return 0;
    }
    case LWS_CALLBACK_ESTABLISHED:
        *slot = t = open_tunnel(wsi);
        if (!t)
            return -1;
        if (t->edge->tunnels > t->edge->conf.max_tunnels) {
            metric_add(&metric_refused_total, 1);
            end_tunnel(t, STATUS_SERVER_BUSY, "The gateway is full. Try again later.");
            return 0;
        }
        return ask_authd(t);
    case LWS_CALLBACK_RECEIVE:
        return t ? receive(t, in, len) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return t ? writeable(t) : -1;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return t && t->close_sent ? -1 : 0; /* it answers ours */
    case LWS_CALLBACK_CLOSED:
        if (t)
            browser_gone(t);
        *slot = NULL;
        return 0;
    default:
        return 0;
    }
}
