/* Each direction has one bounded buffer; a side is read only while the other's buffer has room. */
#include "proxy/proxy/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/buf.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define PIECE 16384
#define STREAM_MAX (256u << 10) /* a direction's bytes that the other side has not taken */
#define LINGER_MS 5000          /* for the last words to arrive */
#define SILENT_MS 20000         /* unacknowledged by the other machine: it is gone */

enum state { CONNECTING, TICKET, WAITING, HANDSHAKE, MESSAGE, STREAM, LAST, OVER };

/* A socket that libuv watches; its memory lives until libuv lets go of it. */
struct end {
    uv_poll_t poll;
    int fd;
    bool open;
};

struct channel {
    uv_loop_t *loop;
    const struct channel_events *ev;
    void *arg;
    enum state state;
    bool server, told;
    struct end net, local;
    uv_timer_t timer;
    int handles; /* libuv's, to be closed */
    SSL *ssl;
    bool net_wants_write; /* TLS does */
    bool net_done;        /* nothing more comes from there */
    unsigned char key[SECURE_KEY_LEN];
    struct buf ticket; /* plain bytes, either way */
    struct buf in;     /* from the other replica: a message, then the stream */
    struct buf out;    /* to it */
};

static void on_net(uv_poll_t *p, int status, int events);
static void on_local(uv_poll_t *p, int status, int events);

/* ---- ends ------------------------------------------------------------------------------------ */

static void on_closed(uv_handle_t *h) {
    struct channel *c = h->data;
    if (--c->handles > 0)
        return;
    explicit_bzero(c->key, sizeof c->key);
    buf_wipe(&c->ticket);
    buf_wipe(&c->in);
    buf_wipe(&c->out);
    free(c);
}

static int end_open(struct channel *c, struct end *x, int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    x->fd = fd;
    if (uv_poll_init(c->loop, &x->poll, fd) != 0)
        return -1;
    x->poll.data = c;
    x->open = true;
    c->handles++;
    return 0;
}

static void end_close(struct end *x) {
    if (x->open) {
        x->open = false;
        uv_poll_stop(&x->poll);
        uv_close((uv_handle_t *)&x->poll, on_closed);
    }
    if (x->fd >= 0)
        close(x->fd);
    x->fd = -1;
}

static void over(struct channel *c, const char *why) {
    if (c->state == OVER)
        return;
    c->state = OVER;
    secure_free(c->ssl);
    c->ssl = NULL;
    end_close(&c->net);
    end_close(&c->local);
    if (!c->told) {
        c->told = true;
        c->ev->on_gone(c->arg, why);
    }
    uv_timer_stop(&c->timer);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

void channel_close(struct channel *c) {
    if (!c)
        return;
    c->told = true;
    over(c, "");
}

static void on_deadline(uv_timer_t *t) {
    over(t->data, "the other replica does not answer in time");
}

static void watch(struct channel *c) {
    int net = 0, local = 0;
    switch (c->state) {
    case CONNECTING:
        net = UV_WRITABLE;
        break;
    case TICKET:
    case HANDSHAKE:
    case MESSAGE:
        net = UV_READABLE | (c->net_wants_write || c->out.len ? UV_WRITABLE : 0);
        break;
    case LAST:
        net = c->out.len ? UV_WRITABLE : UV_READABLE;
        break;
    case STREAM:
        net = (!c->net_done && c->in.len < STREAM_MAX - PIECE ? UV_READABLE : 0) |
              (c->net_wants_write || c->out.len ? UV_WRITABLE : 0);
        local = (c->out.len < STREAM_MAX - PIECE ? UV_READABLE : 0) | (c->in.len ? UV_WRITABLE : 0);
        break;
    case WAITING:
        net = UV_DISCONNECT;
        break;
    case OVER:
        return;
    }
    if (c->net.open && net)
        uv_poll_start(&c->net.poll, net, on_net);
    else if (c->net.open)
        uv_poll_stop(&c->net.poll);
    if (c->local.open) {
        if (local)
            uv_poll_start(&c->local.poll, local, on_local);
        else
            uv_poll_stop(&c->local.poll);
    }
}

static struct channel *make(uv_loop_t *loop, int fd, const struct channel_events *ev, void *arg) {
    struct channel *c = calloc(1, sizeof *c);
    int on = 1, idle = 15, every = 5, times = 3;
    unsigned silent = SILENT_MS;
    if (!c) {
        close(fd);
        return NULL;
    }
    c->loop = loop;
    c->ev = ev;
    c->arg = arg;
    c->local.fd = -1;
    buf_init(&c->ticket, CHANNEL_TICKET_MAX + 2);
    buf_init(&c->in, MAX_OF(STREAM_MAX, CHANNEL_MESSAGE_MAX + 4u) + PIECE);
    buf_init(&c->out, MAX_OF(STREAM_MAX, CHANNEL_MESSAGE_MAX + 4u) + PIECE);
    c->in.secret = c->out.secret = true;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent, sizeof silent);
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    c->handles = 1;
    uv_timer_start(&c->timer, on_deadline, CHANNEL_DEADLINE_MS, 0);
    if (end_open(c, &c->net, fd) == 0)
        return c;
    channel_close(c);
    return NULL;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* 0: all out or the socket is full; -1: it broke. */
static int flush_net(struct channel *c) {
    c->net_wants_write = false;
    while (c->out.len > 0) {
        ERR_clear_error();
        int n = SSL_write(c->ssl, c->out.data, (int)MIN_OF(c->out.len, (size_t)PIECE));
        if (n <= 0) {
            int why = SSL_get_error(c->ssl, n);
            c->net_wants_write = why == SSL_ERROR_WANT_WRITE;
            return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
        }
        buf_consume(&c->out, (size_t)n);
    }
    return 0;
}

/* 1: it may go on, 0: the other end is done, -1: it broke. */
static int fill_net(struct channel *c) {
    while (c->in.len < STREAM_MAX - PIECE || c->state == MESSAGE) {
        char *room = buf_reserve(&c->in, PIECE);
        ERR_clear_error();
        int n = room ? SSL_read(c->ssl, room, PIECE) : -1;
        if (n <= 0) {
            int why = room ? SSL_get_error(c->ssl, n) : SSL_ERROR_SSL;
            if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
                return 1;
            return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
        }
        c->in.len += (size_t)n;
    }
    return 1;
}

static void put_message(struct channel *c, const json_t *message) {
    struct buf text;
    buf_init(&text, CHANNEL_MESSAGE_MAX);
    text.secret = true;
    if (json_write(message, &text) == 0) {
        for (unsigned i = 0; i < 4; i++)
            buf_putc(&c->out, (char)(text.len >> (8 * i)));
        buf_add(&c->out, text.data, text.len);
    } else {
        c->out.failed = true;
    }
    buf_wipe(&text);
}

/* What was said stays to be read on the other side: close only when it has heard it. */
static void say_goodbye(struct channel *c) {
    c->state = LAST;
    end_close(&c->local);
    uv_timer_start(&c->timer, on_deadline, LINGER_MS, 0);
    if (c->out.len == 0) {
        SSL_shutdown(c->ssl);
        shutdown(c->net.fd, SHUT_WR);
    }
}

/* ---- the steps ------------------------------------------------------------------------------- */

static void send_ticket(struct channel *c) {
    int broken = 0;
    socklen_t size = sizeof broken;
    struct err e = { 0 };
    if (getsockopt(c->net.fd, SOL_SOCKET, SO_ERROR, &broken, &size) < 0 || broken) {
        over(c, strerror(broken ? broken : errno));
        return;
    }
    /* A fresh socket takes so little at once. */
    if (send(c->net.fd, c->ticket.data, c->ticket.len, MSG_NOSIGNAL) != (ssize_t)c->ticket.len ||
        !(c->ssl = secure_new(c->net.fd, false, c->key, &e))) {
        over(c, "the ticket could not be sent");
        return;
    }
    c->state = HANDSHAKE;
}

/* Exactly the ticket: what follows is TLS's. */
static void read_ticket(struct channel *c) {
    for (;;) {
        size_t len = 0;
        int whole = channel_whole(c->ticket.data, c->ticket.len, 2, CHANNEL_TICKET_MAX, &len);
        if (whole < 0) {
            over(c, "that is no ticket");
            return;
        }
        if (whole)
            break;
        size_t want = 2 + len - c->ticket.len;
        char *room = buf_reserve(&c->ticket, want);
        ssize_t n = room ? recv(c->net.fd, room, want, MSG_DONTWAIT) : -1;
        if (n < 0 && room && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            over(c, "it left without a ticket");
            return;
        }
        c->ticket.len += (size_t)n;
    }
    buf_consume(&c->ticket, 2);
    c->state = WAITING;
    const char *text = buf_str(&c->ticket);
    c->ev->on_ticket(c->arg, text && strlen(text) == c->ticket.len ? text : "");
}

static void take_message(struct channel *c) {
    struct err e = { 0 };
    size_t len = 0;
    int whole = channel_whole(c->in.data, c->in.len, 4, CHANNEL_MESSAGE_MAX, &len);
    if (whole < 0)
        over(c, "the other replica's message is too long");
    if (whole <= 0)
        return;
    _json_ json_t *message = json_parse(c->in.data + 4, len, CHANNEL_MESSAGE_MAX, &e);
    buf_consume(&c->in, 4 + len);
    if (!json_is_object(message)) {
        over(c, "the other replica's message is malformed");
        return;
    }
    c->state = WAITING;
    c->ev->on_message(c->arg, message);
}

static void shake(struct channel *c) {
    struct err e = { 0 };
    int n = secure_handshake(c->ssl, &e);
    if (n < 0) {
        over(c, e.text);
        return;
    }
    c->net_wants_write = n == 0 && SSL_want_write(c->ssl);
    if (n > 0)
        c->state = MESSAGE;
}

/* Bytes both ways until one end is done; what is under way for the other goes out first. */
static void pump_net(struct channel *c, int events) {
    int more = events & UV_READABLE ? fill_net(c) : 1;
    c->net_done |= more == 0;
    if (flush_net(c) < 0 || more < 0)
        over(c, "the connection between the replicas broke");
    else if (c->state == MESSAGE)
        take_message(c);
    if ((c->state == MESSAGE || (c->state == STREAM && c->in.len == 0)) && c->net_done)
        over(c, c->state == MESSAGE ? "the other replica left" : "");
}

static void last_words(struct channel *c) {
    char waste[4096];
    if (c->out.len > 0) {
        if (flush_net(c) < 0)
            over(c, "");
        else if (c->out.len == 0)
            say_goodbye(c);
        return;
    }
    ssize_t n = recv(c->net.fd, waste, sizeof waste, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        over(c, "");
}

static void on_net(uv_poll_t *p, int status, int events) {
    struct channel *c = p->data;
    if (status < 0)
        events = UV_READABLE | UV_WRITABLE; /* the call that follows tells what it is */
    switch (c->state) {
    case CONNECTING:
        send_ticket(c);
        break;
    case TICKET:
        read_ticket(c);
        break;
    case WAITING:
        over(c, "the other replica left");
        break;
    case HANDSHAKE:
        shake(c);
        if (c->state == MESSAGE)
            pump_net(c, UV_READABLE | UV_WRITABLE);
        break;
    case MESSAGE:
    case STREAM:
        pump_net(c, events);
        break;
    case LAST:
        last_words(c);
        break;
    case OVER:
        return;
    }
    if (c->state != OVER)
        watch(c);
}

static void on_local(uv_poll_t *p, int status, int events) {
    struct channel *c = p->data;
    if (c->state != STREAM)
        return;
    bool done = status < 0;
    while (c->in.len > 0) {
        ssize_t n = send(c->local.fd, c->in.data, c->in.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            buf_clear(&c->in); /* reading tells how it ended, with the last words */
            break;
        }
        buf_consume(&c->in, (size_t)n);
    }
    if (events & UV_READABLE || done) {
        char *room = buf_reserve(&c->out, PIECE);
        ssize_t n = room ? recv(c->local.fd, room, PIECE, MSG_DONTWAIT) : -1;
        if (n > 0)
            c->out.len += (size_t)n;
        else
            done = n == 0 || !room || (errno != EAGAIN && errno != EINTR);
    }
    if (flush_net(c) < 0)
        over(c, "the connection between the replicas broke");
    else if (done)
        say_goodbye(c);
    else if (c->in.len == 0 && c->net_done)
        over(c, "");
    else if (SSL_pending(c->ssl) > 0)
        pump_net(c, UV_READABLE); /* poll does not know what TLS has read already */
    if (c->state != OVER)
        watch(c);
}

/* ---- the front ------------------------------------------------------------------------------- */

int channel_whole(const void *data, size_t have, unsigned width, size_t max, size_t *len) {
    const unsigned char *at = data;
    size_t n = 0;
    *len = 0;
    if (have < width)
        return 0;
    for (unsigned i = 0; i < width; i++)
        n |= (size_t)at[i] << (8 * i);
    if (n == 0 || n > max)
        return -1;
    *len = n;
    return have - width >= n;
}

int channel_address(const char *text, struct sockaddr_storage *out, struct err *e) {
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool v6 = n > 2 && text[0] == '[' && text[n - 1] == ']';
    size_t from = v6 ? 1 : 0, len = v6 ? n - 2 : n;
    char *end = NULL;
    long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : 0;
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (port > 0 && port < 65536 && !*end && len > 0 && len < sizeof host) {
        memcpy(host, text + from, len);
        host[len] = '\0';
        out->ss_family = v6 ? AF_INET6 : AF_INET;
        if (v6)
            six->sin6_port = htons((uint16_t)port);
        else
            four->sin_port = htons((uint16_t)port);
        if (inet_pton(out->ss_family, host, v6 ? (void *)&six->sin6_addr : &four->sin_addr) == 1)
            return 0;
    }
    return err_set(e, STATUS_CLIENT_BAD_REQUEST, "'%.100s' is no address:port in numbers", text);
}

struct channel *channel_accept(uv_loop_t *loop, int fd, const struct channel_events *ev,
                               void *arg) {
    struct channel *c = make(loop, fd, ev, arg);
    if (!c)
        return NULL;
    c->server = true;
    c->state = TICKET;
    watch(c);
    return c;
}

struct channel *channel_open(uv_loop_t *loop, const char *address, const char *ticket,
                             const unsigned char key[SECURE_KEY_LEN], const json_t *message,
                             const struct channel_events *ev, void *arg, struct err *e) {
    struct sockaddr_storage to;
    if (channel_address(address, &to, e) < 0)
        return NULL;
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size =
        to.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (fd < 0 || (connect(fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS)) {
        err_errno(e, STATUS_UPSTREAM_UNAVAILABLE, "replica %s", address);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct channel *c = make(loop, fd, ev, arg);
    if (!c) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a relay");
        return NULL;
    }
    size_t n = strlen(ticket);
    memcpy(c->key, key, SECURE_KEY_LEN);
    buf_putc(&c->ticket, (char)(n & 0xff));
    buf_putc(&c->ticket, (char)(n >> 8));
    buf_add(&c->ticket, ticket, n);
    put_message(c, message);
    if (c->ticket.failed || c->out.failed) {
        channel_close(c);
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "the request is too long for a relay");
        return NULL;
    }
    c->state = CONNECTING;
    watch(c);
    return c;
}

void channel_admit(struct channel *c, const unsigned char key[SECURE_KEY_LEN]) {
    struct err e = { 0 };
    if (c->state != WAITING)
        return;
    c->ssl = secure_new(c->net.fd, true, key, &e);
    if (!c->ssl) {
        over(c, e.text);
        return;
    }
    c->state = HANDSHAKE;
    watch(c);
}

void channel_stream(struct channel *c, int fd) {
    if (c->state != WAITING || end_open(c, &c->local, fd) < 0) {
        if (c->local.fd < 0)
            close(fd);
        over(c, "the stream could not be watched");
        return;
    }
    uv_timer_stop(&c->timer);
    c->state = STREAM;
    watch(c);
}

void channel_answer(struct channel *c, const json_t *answer, int fd) {
    put_message(c, answer);
    if (c->state != WAITING || c->out.failed) {
        if (fd >= 0)
            close(fd);
        over(c, "the answer could not be sent");
        return;
    }
    if (fd >= 0) {
        channel_stream(c, fd);
    } else {
        if (flush_net(c) < 0)
            over(c, "the answer could not be sent");
        else
            say_goodbye(c);
        watch(c);
    }
}
