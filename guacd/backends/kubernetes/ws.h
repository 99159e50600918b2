/* WebSocket frames (RFC 6455): those of a server taken apart, those of a client put together.
 * Payload is handed on as it comes, so the length a server claims decides no allocation. Pure: no
 * I/O, no clock. */
#ifndef GUAC_BACKENDS_KUBERNETES_WS_H
#define GUAC_BACKENDS_KUBERNETES_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

enum ws_op {
    WS_CONTINUE = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};
#define WS_CONTROL_MAX 125u

enum ws_result { WS_OK, WS_MORE, WS_BAD };

/* Zeroed is the beginning. */
struct ws {
    bool message;  /* between its first and its last frame */
    bool begun;    /* a piece of that message was handed on */
    bool in_frame; /* a data frame's head was read */
    bool fin;
    uint8_t op;    /* of the message */
    uint64_t left; /* payload of the frame that is still to come */
};

/* A whole control frame, or a piece of a message: data points into the caller's bytes. */
struct ws_piece {
    enum ws_op op; /* TEXT or BINARY (the message's), CLOSE, PING, PONG */
    bool first, last;
    const char *data;
    size_t len;
    size_t used;   /* bytes of the input that are done with; set for WS_MORE too */
    unsigned code; /* CLOSE: its status, 1005 for none */
};

/* The next piece of these bytes. WS_BAD: e says which rule was broken, and nothing that follows
 * means anything. */
enum ws_result ws_next(struct ws *w, const char *data, size_t len, struct ws_piece *out,
                       struct err *e);

/* One whole frame of a client: head and data are one payload. mask: four random bytes. -1: no room
 * (or a control frame of more than WS_CONTROL_MAX). */
int ws_put(struct buf *out, enum ws_op op, const void *head, size_t head_len, const void *data,
           size_t len, const uint8_t mask[4]);

/* Sec-WebSocket-Accept that answers this Sec-WebSocket-Key (28 characters and a NUL). */
void ws_accept(const char *key, char out[29]);

#endif
