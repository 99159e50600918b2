/* Inside of the Kubernetes backend: connections to one API server, a terminal (console) on one of
 * them, files on others. Never blocking but while it opens, on one thread. */
#ifndef GUAC_BACKENDS_KUBERNETES_KUBE_H
#define GUAC_BACKENDS_KUBERNETES_KUBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "guacd/backends/console/console.h"
#include "guacd/backends/kubernetes/http1.h"
#include "guacd/backends/kubernetes/status.h"
#include "guacd/backends/kubernetes/stream.h"
#include "guacd/backends/kubernetes/ws.h"
#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/proto/args.h"
#include "guacd/session/backend.h"

#define KUBE_IN_MAX (64u << 10)    /* read, not yet taken apart */
#define KUBE_OUT_LIMIT (64u << 10) /* for the kernel, beyond which nothing is put */
#define KUBE_OUT_MAX (512u << 10)
#define KUBE_STDIN_MAX 16384u         /* payload of one frame of ours */
#define KUBE_READ_BUDGET (128u << 10) /* taken before events are looked at again */
#define KUBE_GATHER_MAX 16384u        /* small messages given to the terminal at once */
#define KUBE_BODY_MAX (8u << 20)      /* of an answer: a list of 500 pods */
#define KUBE_STATUS_MAX (64u << 10)   /* what comes on the error channel */
#define KUBE_PODS_MAX 500

/* Channels of v4.channel.k8s.io and v5.channel.k8s.io. */
enum kube_channel {
    KUBE_STDIN = 0,
    KUBE_STDOUT = 1,
    KUBE_STDERR = 2,
    KUBE_ERROR = 3,
    KUBE_RESIZE = 4,
    KUBE_CLOSE = 255, /* v5: ends the channel it names */
};

enum conn_stage { CONN_DIAL, CONN_PROXY, CONN_SECURE, CONN_HANDSHAKE, CONN_OPEN };

struct conn {
    struct stream stream;
    enum conn_stage stage;
    struct buf in, out;
    bool ended; /* the server's end of file, or a broken connection */
    struct {
        bool answered; /* its head was read */
        char want[29]; /* Sec-WebSocket-Accept; "": no upgrade is asked for */
        struct http1_head head;
        struct http1_body body;
    } ask; /* the request under way */
    struct ws ws;
    bool v5;
    int channel;       /* of the message under way, -1: none */
    struct buf status; /* the error channel's message */
    bool closed;       /* a close frame came */
    unsigned close_code;
    char close_text[128];
    uint64_t heard_ms, asked_ms; /* last byte, last ping of ours */
};

struct kube_files;

struct kube {
    struct session *s;
    struct console con;
    struct conn conn; /* the terminal's; before that, requests go over it */
    struct ssl_ctx_st *tls;
    struct sockaddr_storage peer; /* who was dialled, checked by the address policy */
    struct buf auth;              /* header line with the token: secret */
    struct buf persona;           /* header lines that say for whom */
    char host[256], proxy[256];
    int port, proxy_port;
    int timeout_ms, alive_ms;
    bool use_tls;

    char namespace[64], container[64], command[128]; /* command: its first word, "" to attach */
    struct kpod pod;
    bool pod_known; /* the cluster let us look at it */
    bool tty, input;
    struct buf query; /* of exec or attach */
    char last;        /* without a terminal there: the last byte shown, for line ends */
    struct drip {
        unsigned count;    /* small reads one after the other */
        uint64_t read_ms;  /* the last one */
        uint64_t until_ms; /* the next one is not before this */
    } drip;
    struct buf gathered; /* small messages, for the terminal in one piece */
    struct kube_files *files;
};

/* conn.c: one connection */
int conn_open(struct kube *k, struct conn *c, struct err *e); /* dials for the first time */
/* Begins to dial the same address again, also while the session runs; conn_step() goes on. */
int conn_begin(struct kube *k, struct conn *c, struct err *e);
/* 1: open, 0: wait for conn_events(), -1: e. */
int conn_step(struct kube *k, struct conn *c, struct err *e);
short conn_events(const struct conn *c, bool reading);
/* Both, waited for until deadline (ms). */
int conn_again(struct kube *k, struct conn *c, uint64_t deadline, struct err *e);
void conn_close(struct conn *c);
/* Takes what the kernel has, at most budget bytes. -1: broken or over, and c->ended. */
int conn_fill(struct conn *c, size_t budget);
int conn_flush(struct conn *c); /* -1: broken */
/* Waits for the connection, serving the session; or fails: deadline (ms), END. */
int conn_wait(struct kube *k, struct conn *c, uint64_t deadline, struct err *e);

/* ask.c: requests, one after the other on a connection */
/* Puts a request: for an upgrade to exec or attach, or for what path names. */
int ask_begin(struct kube *k, struct conn *c, const char *path, bool upgrade, struct err *e);
/* The answer's status once it is there (101: the connection is a WebSocket now), its body (at most
 * KUBE_BODY_MAX) in body; 0: wait for conn_events(); -1: e. */
int ask_step(struct kube *k, struct conn *c, struct buf *body, struct err *e);
/* Those two, waited for. */
/* The answer's status; its body (at most KUBE_BODY_MAX) replaces what is in body. -1: e. */
int ask_get(struct kube *k, struct conn *c, const char *path, struct buf *body, struct err *e);
/* Makes the connection a WebSocket to exec or attach. 101, or another status and body; -1: e. */
int ask_upgrade(struct kube *k, struct conn *c, const char *path, struct buf *body, struct err *e);
/* Header lines of the connection's parameters. */
int ask_identity(struct kube *k, const struct args *a, struct err *e);
/* The token that is sent from now on; what is under way goes on by the old one. -1 with e: it is
 * none, and the old one stays. */
int ask_token(struct kube *k, const char *token, size_t len, struct err *e);

/* channel.c: messages of an upgraded connection */
enum channel_event { CHANNEL_NONE, CHANNEL_DATA, CHANNEL_OVER, CHANNEL_BAD };
/* The next piece for stdout or stderr (CHANNEL_DATA: points into c->in until the next call), or how
 * it ended. Answers pings. */
enum channel_event channel_next(struct conn *c, int *channel, const char **data, size_t *len,
                                struct err *e);
int channel_put(struct conn *c, enum kube_channel channel, const void *data, size_t len);
int channel_ping(struct conn *c);
int channel_end_stdin(struct conn *c); /* v5; with v4 nothing happens */
void channel_goodbye(struct conn *c);

/* target.c: which pod, which container, what command */
int target_choose(struct kube *k, const struct args *a, struct err *e);
/* Several containers and none named: asks the person. names: for the question. */
int target_ask_container(struct kube *k, const char *names, struct err *e);
/* The path of exec or attach, as the connection says. */
void target_path(const struct kube *k, struct buf *out);
/* That of exec in the same container, up to where its query goes on. */
void target_exec_path(const struct kube *k, struct buf *out);
/* Why the terminal ended, by what has become of the pod: true with a sentence. */
bool target_fate(struct kube *k, char *text, size_t size);
struct kwhere target_where(const struct kube *k);

/* shell.c: the terminal's connection */
int shell_open(struct kube *k, struct err *e);
int shell_run(struct kube *k, struct err *e);

#endif
