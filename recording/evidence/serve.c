/* guac-evidence serve: RUN/evidence.sock, the reader behind replay. It holds the right to read the
 * store and nothing else. One request a connection at a time, each made on a worker of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/loop.h"
#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/chunk.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/prove.h"
#include "recording/evidence/reading.h"
#include "recording/evidence/search.h"
#include "recording/evidence/summary.h"
#include "recording/server.h"
#include "recording/work.h"

#define LIST_LIMIT 500
#define LIST_DEFAULT 100
#define LIST_COLD 2000       /* recordings read for one list; it goes on by its cursor */
#define MESSAGE_BYTES 49152u /* a longer answer goes as a descriptor */
#define DOCUMENT_MAX ((size_t)256 << 20)
#define BATCH 64
#define REQUESTS_MAX 256

struct serve {
    struct evidence *v;
    struct loop *loop;
    struct work *work;
    struct server *server;
    struct search *search;
    struct log *log; /* tiles that were read are kept */
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

/* ---- documents ------------------------------------------------------------------------------ */

/* Bytes as a descriptor that stands at its beginning. */
static int document(const void *data, size_t len, struct err *e) {
    _close_ int fd = memfd_create("evidence", MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(e, 0, "no memory for an answer");
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, (const char *)data + at, len - at);
        if (n < 0 && errno != EINTR)
            return err_errno(e, 0, "no memory for an answer");
        at += n > 0 ? (size_t)n : 0;
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(e, 0, "no memory for an answer");
    return steal_fd(&fd);
}

static int json_document(const json_t *o, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, DOCUMENT_MAX);
    if (json_write(o, &b) < 0)
        return err_set(e, 0, "the answer is too large");
    return document(b.data, b.len, e);
}

/* ---- list ----------------------------------------------------------------------------------- */

struct page {
    json_t *list;
    size_t limit, cold;
    char next[UUID_LEN + 1];
    bool more;
};

/* One candidate: 1 when the page is full behind it. */
static int consider(struct serve *s, struct store *store, struct page *p,
                    const struct summary_filter *f, const struct tree_entry *x, struct err *e) {
    bool final = x->final;
    _json_ json_t *o = x->final ? json_parse(x->summary, strlen(x->summary), 65536, NULL) : NULL;
    if (!o) {
        struct buf b __attribute__((cleanup(buf_fini)));
        buf_init(&b, 65536);
        o = summary_make(store, x->prefix, clock_wall_ms(), &final, e);
        if (!o)
            return -1;
        p->cold++;
        if (json_write(o, &b) == 0)
            tree_keep(s->v->tree, x->id, buf_str(&b), final);
    }
    memcpy(p->next, x->id, sizeof p->next);
    if (summary_matches(o, f))
        json_array_append(p->list, o);
    p->more = json_array_size(p->list) >= p->limit || p->cold >= LIST_COLD;
    return p->more;
}

static int fill(struct serve *s, struct store *store, struct page *p, const struct tree_filter *t,
                const struct summary_filter *f, struct err *e) {
    struct tree_entry *batch = calloc(BATCH, sizeof *batch);
    int r = batch ? 0 : err_set(e, 0, "no memory");
    for (size_t n = BATCH; r == 0 && n == BATCH;) {
        n = tree_page(s->v->tree, p->next, t, batch, BATCH);
        for (size_t i = 0; i < n; i++) {
            if (r == 0)
                r = consider(s, store, p, f, &batch[i], e);
            free(batch[i].summary);
        }
    }
    free(batch);
    return r < 0 ? -1 : 0;
}

static uint64_t time_member(const json_t *o, const char *key) {
    int64_t v = json_num(o, key, 0);
    return v > 0 ? (uint64_t)v : 0;
}

static void op_list(struct request *q, struct worker *w) {
    const json_t *filter = json_object_get(q->msg, "filter");
    const char *after = json_str(q->msg, "after", "");
    int64_t limit = json_num(q->msg, "limit", LIST_DEFAULT);
    const char *connection = json_str(filter, "connection", "");
    struct tree_filter t = { .from_ms = time_member(filter, "from"),
                             .to_ms = time_member(filter, "to"),
                             .connection = *connection ? connection : NULL };
    struct summary_filter f = { .person = json_str(filter, "person", NULL),
                                .protocol = json_str(filter, "protocol", NULL),
                                .state = json_str(filter, "state", NULL) };
    if (limit < 1 || limit > LIST_LIMIT || (*after && !uuid_valid(after, strlen(after)))) {
        err_set(&q->err, STATUS_CLIENT_BAD_REQUEST, "list: limit is 1 to %d, after an id",
                LIST_LIMIT);
        return;
    }
    struct page p = { .list = json_array(), .limit = (size_t)limit };
    memcpy(p.next, after, strlen(after) + 1);
    _json_ json_t *body = NULL;
    if (tree_refresh(q->s->v->tree, w->store, false, &q->err) == 0 &&
        fill(q->s, w->store, &p, &t, &f, &q->err) == 0)
        body = json_pack("{s:O, s:s*}", "recordings", p.list, "next", p.more ? p.next : NULL);
    json_decref(p.list);
    if (!body)
        return;
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, MESSAGE_BYTES);
    if (json_write(body, &b) == 0) {
        q->answer = steal_ptr(body);
        return;
    }
    q->fd = json_document(body, &q->err);
    q->answer = q->fd >= 0 ? json_object() : NULL;
}

/* ---- show, object --------------------------------------------------------------------------- */

static int find(struct request *q, struct worker *w, char prefix[NAME_PREFIX_SIZE]) {
    const char *id = json_str(q->msg, "id", "");
    if (!uuid_valid(id, strlen(id)))
        return err_set(&q->err, STATUS_CLIENT_BAD_REQUEST, "no id of a recording");
    if (tree_find(q->s->v->tree, id, prefix))
        return 0;
    if (tree_refresh(q->s->v->tree, w->store, false, &q->err) < 0)
        return -1;
    return tree_find(q->s->v->tree, id, prefix)
               ? 0
               : err_set(&q->err, STATUS_RESOURCE_NOT_FOUND, "no such recording");
}

static void op_show(struct request *q, struct worker *w) {
    char prefix[NAME_PREFIX_SIZE];
    if (find(q, w, prefix) < 0)
        return;
    _json_ json_t *o = summary_show(w->store, prefix, clock_wall_ms(), &q->err);
    q->fd = o ? json_document(o, &q->err) : -1;
    q->answer = q->fd >= 0 ? json_object() : NULL;
}

static void op_object(struct request *q, struct worker *w) {
    char prefix[NAME_PREFIX_SIZE], key[NAME_KEY_SIZE];
    const char *name = json_str(q->msg, "name", "");
    struct name n;
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, DOCUMENT_MAX);
    if (!name_parse(name, strlen(name), &n)) {
        err_set(&q->err, STATUS_CLIENT_BAD_REQUEST, "no name of a recording's object");
        return;
    }
    if (find(q, w, prefix) < 0)
        return;
    snprintf(key, sizeof key, "%s/%.*s", prefix, NAME_SIZE - 2, name);
    enum store_result r = store_get(w->store, key, NULL, &b, NULL, &q->err);
    if (r != STORE_OK) {
        q->err.status = r == STORE_MISSING ? STATUS_RESOURCE_NOT_FOUND : STATUS_UPSTREAM_ERROR;
        return;
    }
    q->fd = document(b.data, b.len, &q->err);
    q->answer = q->fd >= 0 ? json_pack("{s:I}", "size", (json_int_t)b.len) : NULL;
}

/* ---- search, proof, verify ------------------------------------------------------------------ */

/* As a message where it fits into one. */
static void answer_json(struct request *q, json_t *body) {
    struct buf b __attribute__((cleanup(buf_fini)));
    _json_ json_t *held = body;
    buf_init(&b, MESSAGE_BYTES);
    if (!held)
        return;
    if (json_write(held, &b) == 0) {
        q->answer = steal_ptr(held);
        return;
    }
    q->fd = json_document(held, &q->err);
    q->answer = q->fd >= 0 ? json_object() : NULL;
}

static void op_search(struct request *q, struct worker *w) {
    (void)w;
    answer_json(q, search_run(q->s->search, q->msg, &q->err));
}

/* What the log has of the recording asked for; NULL: q->err. */
static json_t *prove(struct request *q, struct worker *w) {
    const char *id = json_str(q->msg, "id", "");
    if (!uuid_valid(id, strlen(id))) {
        err_set(&q->err, STATUS_CLIENT_BAD_REQUEST, "no id of a recording");
        return NULL;
    }
    pthread_mutex_lock(&q->s->log_lock);
    q->s->log->store = w->store;
    json_t *o = prove_session(q->s->log, id, &q->err);
    pthread_mutex_unlock(&q->s->log_lock);
    return o;
}

static void op_proof(struct request *q, struct worker *w) {
    _json_ json_t *o = prove(q, w);
    q->fd = o ? json_document(o, &q->err) : -1;
    q->answer = q->fd >= 0 ? json_object() : NULL;
}

static void op_find(struct request *q, struct worker *w) {
    char prefix[NAME_PREFIX_SIZE];
    if (find(q, w, prefix) == 0)
        q->answer = json_pack("{s:s}", "prefix", prefix);
}

/* By the last leaf about it. */
static void op_held(struct request *q, struct worker *w) {
    _json_ json_t *o = prove(q, w);
    const json_t *access = json_object_get(o, "access"), *last = NULL;
    for (size_t i = json_array_size(access); i-- > 0 && !last;) {
        const json_t *one = json_array_get(access, i);
        last = strcmp(json_str(one, "kind", ""), "hold") == 0 ? one : NULL;
    }
    const json_t *range = json_object_get(last, "range");
    if (o)
        q->answer = json_pack("{s:b, s:I, s:s, s:O*}", "on", json_flag(range, "on", false), "at",
                              (json_int_t)json_num(last, "at", 0), "reason",
                              json_str(range, "reason", ""), "by", json_object_get(last, "person"));
}

static void op_verify(struct request *q, struct worker *w) {
    char prefix[NAME_PREFIX_SIZE];
    struct reading r = { 0 };
    struct verify_report report = { 0 };
    if (find(q, w, prefix) < 0)
        return;
    if (reading_init(&r, w->store, prefix, &q->err) == 0 &&
        verify_run(&r, &q->s->v->anchor, &report, &q->err) == 0) {
        _json_ json_t *o = verify_report_json(&report, &r);
        q->fd = o ? json_document(o, &q->err) : -1;
        q->answer = q->fd >= 0 ? json_object() : NULL;
    }
    verify_report_fini(&report);
    reading_fini(&r);
}

/* ---- requests ------------------------------------------------------------------------------- */

static void run(struct job *j, struct worker *w) {
    struct request *q = (struct request *)j;
    static const struct {
        const char *op;
        void (*fn)(struct request *q, struct worker *w);
    } ops[] = { { "list", op_list },     { "show", op_show },    { "object", op_object },
                { "search", op_search }, { "proof", op_proof },  { "find", op_find },
                { "held", op_held },     { "verify", op_verify } };
    const char *op = json_str(q->msg, "op", "");
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(op, ops[i].op) == 0) {
            ops[i].fn(q, w);
            return;
        }
    err_set(&q->err, STATUS_CLIENT_BAD_REQUEST, "unknown op");
}

static void done(struct job *j) {
    struct request *q = (struct request *)j;
    server_reply(q->conn, q->rid, q->answer, &q->err, q->fd);
    if (!q->answer)
        log_info("refused: %s", q->err.text);
    server_hold(q->conn, false);
    server_conn_unref(q->conn);
    if (q->fd >= 0)
        close(q->fd);
    json_decref(q->rid);
    json_decref(q->msg);
    q->s->requests--;
    free(q);
}

static void on_request(void *arg, struct server_conn *n, const json_t *msg) {
    struct serve *s = arg;
    struct request *q = s->requests < REQUESTS_MAX ? calloc(1, sizeof *q) : NULL;
    if (!q) {
        struct err e = { 0 };
        err_set(&e, STATUS_SERVER_BUSY, "too many requests at once");
        server_reply(n, json_object_get(msg, "rid"), NULL, &e, -1);
        return;
    }
    /* A copy of its own: the worker's, while the loop drops the message. */
    *q = (struct request){ .job = { .run = run, .done = done },
                           .s = s,
                           .conn = server_conn_ref(n),
                           .msg = json_deep_copy(msg),
                           .fd = -1 };
    q->rid = json_deep_copy(json_object_get(msg, "rid"));
    s->requests++;
    server_hold(n, true);
    work_submit(s->work, &q->job);
}

static void on_stop(void *arg, int signo) {
    (void)signo;
    loop_stop(arg);
}

static int enter_sandbox(const struct evidence *v, struct err *e) {
    const char *folder = store_target_folder(v->target), *ca = v->config->store.ca_file;
    const uint16_t port = store_target_port(v->target);
    struct sandbox_path paths[2];
    size_t path_count = 0;
    if (folder || ca)
        paths[path_count++] = (struct sandbox_path){ folder ? folder : ca, SANDBOX_READ };
    if (v->config->index)
        paths[path_count++] = (struct sandbox_path){ v->config->index, SANDBOX_WRITE };
    const struct sandbox_profile profile = { .paths = paths,
                                             .path_count = path_count,
                                             .connect_ports = port ? &port : NULL,
                                             .connect_port_count = port ? 1 : 0,
                                             .datagrams = store_target_named(v->target),
                                             .libraries = true,
                                             .memory_files = true,
                                             .tls = true };
    const struct sandbox_options options = { .allow_no_seccomp = v->config->allow_no_seccomp };
    return sandbox_begin(e) < 0 ? -1 : sandbox_enter(&profile, &options, e);
}

static int add_key(const char *item, void *arg) {
    struct evidence *v = arg;
    return verify_anchor_add(&v->anchor, item, &(struct err){ 0 });
}

int command_serve(struct evidence *v, char **words, size_t count, struct err *e) {
    static const struct server_events events = { NULL, on_request, NULL };
    struct serve s = { .v = v };
    char path[128];
    (void)words;
    if (count || strlen(v->config->run) > 64) {
        err_set(e, 0, count ? "serve takes no words" : "run: too long for a socket");
        return 2;
    }
    if (conf_each(v->config->key, add_key, v) != 0) {
        err_set(e, 0, "key: a PEM file with a public key, or a fingerprint");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof path, "%s/evidence.sock", v->config->run);
    s.loop = loop_new(e);
    if (!s.loop)
        return 2;
    loop_signal(s.loop, SIGTERM, on_stop, s.loop);
    loop_signal(s.loop, SIGINT, on_stop, s.loop);
    s.work = work_new(s.loop, v->target, (int)v->config->workers, 10000, 1, e);
    char index[PATH_MAX] = "";
    if (v->config->index) {
        if (mkdir(v->config->index, 0700) < 0 && errno != EEXIST)
            return err_errno(e, 0, "index: %s", v->config->index), 2;
        snprintf(index, sizeof index, "%s/search.sqlite", v->config->index);
    }
    pthread_mutex_init(&s.log_lock, NULL);
    s.log = malloc(sizeof *s.log);
    s.search = s.work && s.log ? search_new(index, v->target, v->config->buckets, e) : NULL;
    if (!s.search)
        return 2;
    log_init_reader(s.log, NULL, evidence_log_bucket(v));
    s.server = s.work ? server_new(s.loop, path, v->config->trusted_uids, &events, &s, e) : NULL;
    if (!s.server || enter_sandbox(v, e) < 0 || work_start(s.work, e) < 0 ||
        search_start(s.search, e) < 0)
        return 2;
    log_info("ready; %s", v->config->store.url);
    loop_run(s.loop);
    server_free(s.server);
    if (!work_free(s.work, 1000))
        _exit(0); /* a store that hangs: what its request uses is not freed */
    search_free(s.search);
    log_fini(s.log);
    free(s.log);
    loop_free(s.loop);
    return 0;
}
