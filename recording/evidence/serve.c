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
#include "recording/evidence/exports.h"
#include "recording/evidence/search.h"
#include "recording/evidence/serve_impl.h"
#include "recording/evidence/summary.h"
#include "recording/server.h"
#include "recording/work.h"

#define MESSAGE_BYTES 49152u /* a longer answer goes as a descriptor */
#define DOCUMENT_MAX ((size_t)256 << 20)
#define REQUESTS_MAX 256

/* ---- documents ------------------------------------------------------------------------------ */

int serve_document(const void *data, size_t len, struct err *e) {
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

int serve_json_document(const json_t *o, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, DOCUMENT_MAX);
    if (json_write(o, &b) < 0)
        return err_set(e, 0, "the answer is too large");
    return serve_document(b.data, b.len, e);
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
    q->fd = o ? serve_json_document(o, &q->err) : -1;
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
    q->fd = serve_document(b.data, b.len, &q->err);
    q->answer = q->fd >= 0 ? json_pack("{s:I}", "size", (json_int_t)b.len) : NULL;
}

/* ---- search, proof, verify ------------------------------------------------------------------ */

void serve_answer(struct request *q, json_t *body) {
    struct buf b __attribute__((cleanup(buf_fini)));
    _json_ json_t *held = body;
    buf_init(&b, MESSAGE_BYTES);
    if (!held)
        return;
    if (json_write(held, &b) == 0) {
        q->answer = steal_ptr(held);
        return;
    }
    q->fd = serve_json_document(held, &q->err);
    q->answer = q->fd >= 0 ? json_object() : NULL;
}

static void op_search(struct request *q, struct worker *w) {
    (void)w;
    serve_answer(q, search_run(q->s->search, q->msg, &q->err));
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
    q->fd = o ? serve_json_document(o, &q->err) : -1;
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
        q->fd = o ? serve_json_document(o, &q->err) : -1;
        q->answer = q->fd >= 0 ? json_object() : NULL;
    }
    verify_report_fini(&report);
    reading_fini(&r);
}

/* ---- requests ------------------------------------------------------------------------------- */

static const struct op {
    const char *name;
    void (*fn)(struct request *q, struct worker *w);
    bool quick; /* asks no store: not behind those that do */
} ops[] = {
    { "list", serve_list, false },      { "show", op_show, false },
    { "object", op_object, false },     { "search", op_search, false },
    { "proof", op_proof, false },       { "find", op_find, false },
    { "held", op_held, false },         { "verify", op_verify, false },
    { "export", serve_export, false },  { "begin", serve_begin, true },
    { "exports", serve_exports, true }, { "bag", serve_bag, true },
    { "drop", serve_drop, true },
};

static const struct op *find_op(const json_t *msg) {
    const char *name = json_str(msg, "op", "");
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(name, ops[i].name) == 0)
            return &ops[i];
    return NULL;
}

static void run(struct job *j, struct worker *w) {
    struct request *q = (struct request *)j;
    const struct op *op = find_op(q->msg);
    if (op)
        op->fn(q, w);
    else
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
    const struct op *op = find_op(msg);
    q->job.urgent = op && op->quick;
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
    struct sandbox_path paths[3];
    size_t path_count = 0;
    if (folder || ca)
        paths[path_count++] = (struct sandbox_path){ folder ? folder : ca, SANDBOX_READ };
    if (v->config->index)
        paths[path_count++] = (struct sandbox_path){ v->config->index, SANDBOX_WRITE };
    if (v->config->exports)
        paths[path_count++] = (struct sandbox_path){ v->config->exports, SANDBOX_WRITE };
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

static int make_exports(struct serve *s, struct err *e) {
    const struct config *c = s->v->config;
    const struct exports_config x = { .folder = c->exports,
                                      .target = s->v->target,
                                      .tree = s->v->tree,
                                      .log_bucket = evidence_log_bucket(s->v),
                                      .at_once = c->exports_at_once,
                                      .hours = c->export_hours,
                                      .space_mib = c->export_space,
                                      .each = c->exports_each };
    s->exports = c->exports ? exports_new(&x, e) : NULL;
    return c->exports && !s->exports ? -1 : 0;
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
    if (make_exports(&s, e) < 0)
        return 2;
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
        search_start(s.search, e) < 0 || (s.exports && exports_start(s.exports, e) < 0))
        return 2;
    log_info("ready; %s", v->config->store.url);
    loop_run(s.loop);
    server_free(s.server);
    if (!exports_free(s.exports) || !work_free(s.work, 1000))
        _exit(0); /* a store that hangs: what its request uses is not freed */
    search_free(s.search);
    log_fini(s.log);
    free(s.log);
    loop_free(s.loop);
    return 0;
}
