/* A control socket's listening side: SOCK_SEQPACKET, JSON messages, peers checked by uid, answers
 * queued so that the loop never waits for a peer. Everything is the loop thread's. */
#ifndef GUAC_RECORDING_SERVER_H
#define GUAC_RECORDING_SERVER_H

#include <jansson.h>
#include <stdbool.h>

#include "guacd/base/err.h"
#include "guacd/base/loop.h"

struct server;
struct server_conn;

struct server_events {
    void (*connected)(void *arg, struct server_conn *n); /* may be NULL */
    void (*request)(void *arg, struct server_conn *n, const json_t *msg);
    void (*closed)(void *arg, struct server_conn *n); /* may be NULL; last call for n */
};

/* Binds `path` (mode 0660). `trusted`: uids beside our own, separated by blanks or commas. */
struct server *server_new(struct loop *l, const char *path, const char *trusted,
                          const struct server_events *events, void *arg, struct err *e);
void server_free(struct server *s); /* NULL is fine */
/* Each connection there is. */
void server_each(struct server *s, void (*fn)(void *arg, struct server_conn *n), void *arg);

/* A connection may be closed while an answer is being made: whoever makes it holds a reference, and
 * what is posted to a closed one is dropped. */
struct server_conn *server_conn_ref(struct server_conn *n);
void server_conn_unref(struct server_conn *n);
/* While held, no further request is read from it. */
void server_hold(struct server_conn *n, bool hold);
/* Takes the body over; fd (-1: none) is duplicated. A peer that leaves thousands of messages unread
 * is cut off. */
void server_post(struct server_conn *n, json_t *body, int fd);
/* An answer to the request with this rid (NULL: it had none): the body (taken over) with ok, or,
 * when it is NULL, e. */
void server_reply(struct server_conn *n, json_t *rid, json_t *body, const struct err *e, int fd);

#endif
