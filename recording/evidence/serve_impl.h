/* Between serve.c (the socket, and most of what is asked), serve_list.c and serve_exports.c. */
#ifndef GUAC_EVIDENCE_SERVE_IMPL_H
#define GUAC_EVIDENCE_SERVE_IMPL_H

#include <jansson.h>
#include <pthread.h>
#include <stddef.h>

#include "guacd/base/err.h"
#include "recording/evidence/evidence.h"
#include "recording/log.h"
#include "recording/server.h"
#include "recording/work.h"

struct serve {
    struct evidence *v;
    struct loop *loop;
    struct work *work;
    struct server *server;
    struct search *search;
    struct exports *exports; /* NULL: none are made here */
    struct log *log;         /* tiles that were read are kept */
    pthread_mutex_t log_lock;
    size_t requests;
};

struct request {
    struct job job;
    struct serve *s;
    struct server_conn *conn;
    json_t *rid, *msg;
    json_t *answer; /* NULL: err */
    int fd;
    struct err err;
};

/* Bytes as a descriptor that stands at its beginning. */
int serve_document(const void *data, size_t len, struct err *e);
int serve_json_document(const json_t *o, struct err *e);
/* As a message where it fits into one. Takes body; NULL: q->err says why. */
void serve_answer(struct request *q, json_t *body);

/* Handlers, on a worker. */
void serve_list(struct request *q, struct worker *w);
void serve_export(struct request *q, struct worker *w);
void serve_begin(struct request *q, struct worker *w);
void serve_exports(struct request *q, struct worker *w);
void serve_bag(struct request *q, struct worker *w);
void serve_drop(struct request *q, struct worker *w);

#endif
