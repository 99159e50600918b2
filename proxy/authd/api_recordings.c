/* Recordings, for auditors: questions go to guac-evidence, bytes come back as descriptors and pass
 * on to the proxy unread. Opening a recording is an audit event. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/evidence_ask.h"
#include "proxy/authd/evidence_log.h"
#include "proxy/authd/route.h"
#include "proxy/authd/used.h"
#include "recording/name.h"

#define EVIDENCE_MS 20000
#define LIMIT_MAX 500
#define LIMIT_DEFAULT 100
#define REPLAY_MS (3600 * 1000) /* objects read within this of `show` belong to it */

json_t *evidence_ask(struct exchange *x, json_t *msg, int *fd, struct err *e) {
    return evidence_ask_within(x, msg, EVIDENCE_MS, fd, e);
}

json_t *evidence_ask_within(struct exchange *x, json_t *msg, int ms, int *fd, struct err *e) {
    char path[400];
    int fds[FDPASS_MAX];
    size_t nfds = FDPASS_MAX;
    _json_ json_t *held = msg;
    struct err ignored = { 0 };
    *fd = -1;
    snprintf(path, sizeof path, "%s/evidence.sock", x->a->conf.run);
    _close_ int sock = held ? ctl_connect(path, &ignored) : -1;
    uid_t uid = 0;
    pid_t pid = 0;
    if (sock < 0 || ctl_peer(sock, &uid, &pid) || !authd_trusts(x->a, uid)) {
        err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "The reader of recordings is not running.");
        return NULL;
    }
    json_t *answer = ctl_call(sock, held, NULL, 0, fds, &nfds, ms, e);
    if (!answer)
        return NULL;
    if (nfds)
        *fd = fds[0];
    for (size_t i = 1; i < nfds; i++)
        close(fds[i]);
    return answer;
}

void evidence_refuse(struct exchange *x, const struct err *e) {
    exchange_error(x, status_http(e->status), e->text,
                   e->status == STATUS_RESOURCE_NOT_FOUND ? "Go back to the list."
                                                          : "Try again in a moment.",
                   NULL);
}

void evidence_pass(struct exchange *x, const char *type, int fd, int64_t size) {
    struct stat st;
    if (size < 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        size = st.st_size;
    exchange_fd(x, type, fd, size);
}

void evidence_relay(struct exchange *x, json_t *msg) {
    struct err e = { 0 };
    int fd;
    _json_ json_t *answer = evidence_ask(x, msg, &fd, &e);
    if (!answer) {
        evidence_refuse(x, &e);
        return;
    }
    if (fd >= 0) {
        evidence_pass(x, "application/json; charset=utf-8", fd, json_num(answer, "size", -1));
        return;
    }
    json_object_del(answer, "ok");
    exchange_json(x, 200, json_incref(answer));
}

/* A moment in the query: Unix milliseconds, or as clock_format() writes it. */
static void set_time(json_t *filter, const char *key, const char *value) {
    char *end = NULL;
    uint64_t ms = 0;
    long long number = strtoll(value, &end, 10);
    if (*value && !*end && number > 0)
        ms = (uint64_t)number;
    else if (!*value || clock_parse(value, &ms) < 0)
        return;
    json_object_set_new(filter, key, json_integer((json_int_t)ms));
}

json_t *evidence_filter(const struct exchange *x) {
    static const char *const keys[] = { "person", "connection", "protocol", "state" };
    json_t *filter = json_object();
    set_time(filter, "from", query_get(&x->query, "from", ""));
    set_time(filter, "to", query_get(&x->query, "to", ""));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = query_get(&x->query, keys[i], "");
        if (*value)
            json_object_set_new(filter, keys[i], json_string(value));
    }
    return filter;
}

void api_recordings(struct exchange *x) {
    long limit = strtol(query_get(&x->query, "limit", "0"), NULL, 10);
    const char *after = query_get(&x->query, "after", "");
    limit = limit <= 0 ? LIMIT_DEFAULT : MIN_OF(limit, LIMIT_MAX);
    json_t *msg = json_pack("{s:s, s:o, s:i}", "op", "list", "filter", evidence_filter(x), "limit",
                            (int)limit);
    if (*after)
        json_object_set_new(msg, "after", json_string(after));
    evidence_relay(x, msg);
}

static void audit(struct exchange *x, enum audit_kind kind, const char *id, const char *object) {
    struct audit_event ev = { .kind = kind,
                              .success = true,
                              .who = x->who,
                              .peer = x->peer,
                              .message = "a recording was read",
                              .detail =
                                  json_pack("{s:s, s:s}", "recording", id, "object", object) };
    audit_write(x->a->audit, &ev);
}

/* Who watches is in the log before anything is shown; -1: it is not, and was answered. */
static int leave_trace(struct exchange *x, const char *id, int64_t from) {
    struct err e = { 0 };
    if (evidence_log_leaf(x->a, LEAF_REPLAY, id, x->who,
                          json_pack("{s:I}", "from", (json_int_t)from), &e) == 0)
        return 0;
    err_prefix(&e, "Nothing is shown without a trace of who watched");
    exchange_error(x, status_http(e.status), e.text, "Try again in a moment.", NULL);
    return -1;
}

void api_recording(struct exchange *x) {
    struct err e = { 0 };
    int fd;
    const char *id = x->params[0];
    if (!uuid_valid(id, strlen(id))) {
        err_set(&e, STATUS_RESOURCE_NOT_FOUND, "There is no such recording.");
        evidence_refuse(x, &e);
        return;
    }
    _json_ json_t *answer =
        evidence_ask(x, json_pack("{s:s, s:s}", "op", "show", "id", id), &fd, &e);
    if (!answer || fd < 0) {
        if (answer)
            err_set(&e, STATUS_UPSTREAM_ERROR, "The reader of recordings sent nothing.");
        evidence_refuse(x, &e);
        return;
    }
    if (leave_trace(x, id, 0) < 0) {
        close(fd);
        return;
    }
    audit(x, AUDIT_REPLAY, id, "");
    used_note(x->a->replays, x->who->sub, id, (int64_t)clock_wall_ms());
    evidence_pass(x, "application/json; charset=utf-8", fd, json_num(answer, "size", -1));
}

void api_recording_object(struct exchange *x) {
    struct err e = { 0 };
    struct name name;
    char disposition[NAME_SIZE + 64];
    int fd;
    const char *id = x->params[0], *object = x->params[1];
    if (!uuid_valid(id, strlen(id)) || !name_parse(object, strlen(object), &name)) {
        err_set(&e, STATUS_RESOURCE_NOT_FOUND, "There is no such object.");
        evidence_refuse(x, &e);
        return;
    }
    _json_ json_t *answer = evidence_ask(
        x, json_pack("{s:s, s:s, s:s}", "op", "object", "id", id, "name", object), &fd, &e);
    if (!answer || fd < 0) {
        if (answer)
            err_set(&e, STATUS_UPSTREAM_ERROR, "The reader of recordings sent nothing.");
        evidence_refuse(x, &e);
        return;
    }
    /* A player opens the recording first; whoever takes pieces without is told apart. */
    int64_t now = (int64_t)clock_wall_ms();
    if (now - used_last(x->a->replays, x->who->sub, id) > REPLAY_MS) {
        if (leave_trace(x, id, (int64_t)name.start) < 0) {
            close(fd);
            return;
        }
        audit(x, AUDIT_REPLAY_OBJECT, id, object);
        used_note(x->a->replays, x->who->sub, id, now);
    }
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%.79s\"", object);
    exchange_header(x, "content-disposition", disposition);
    evidence_pass(x, "application/octet-stream", fd, json_num(answer, "size", -1));
}
