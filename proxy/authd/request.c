/* The ops. http and tunnel are the browsers', the rest the operator's. */
#include "proxy/authd/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/command.h"
#include "proxy/authd/guard.h"
#include "proxy/authd/limits.h"
#include "proxy/authd/relay.h"
#include "proxy/authd/route.h"
#include "proxy/authd/ship.h"
#include "proxy/authd/stats.h"
#include "proxy/authd/text.h"
#include "proxy/authd/tunnel.h"

#define TEXT_MAX 60000 /* of a body inside an answer; larger ones go as a descriptor */
#define METRICS_MAX 100000
#define FILE_MAX 16384
#define STATUS_MS 2000

/* ---- http ------------------------------------------------------------------------------------ */

/* The text in a sealed memory file, for the proxy to read at its pace. */
static int to_file(const struct buf *text, struct err *e) {
    _close_ int fd = memfd_create("answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    for (size_t at = 0; fd >= 0 && at < text->len;) {
        ssize_t n = write(fd, text->data + at, text->len - at);
        if (n < 0 && errno != EINTR)
            return err_errno(e, 0, "the answer cannot be kept");
        at += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || lseek(fd, 0, SEEK_SET) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
        return err_errno(e, 0, "the answer cannot be kept");
    return steal_fd(&fd);
}

static json_t *answer_of(struct exchange *x, struct request *rq) {
    struct err e = { 0 };
    json_t *headers = x->headers ? json_incref(x->headers) : json_array();
    json_t *o = json_pack("{s:b, s:i, s:o}", "ok", 1, "status", x->status, "headers", headers);
    if (!o)
        return NULL;
    if (x->fd >= 0) {
        rq->fd = steal_fd(&x->fd);
        json_object_set_new(o, "size", json_integer((json_int_t)x->size));
    } else if (x->text.len > TEXT_MAX) {
        rq->fd = to_file(&x->text, &e);
        if (rq->fd < 0) {
            log_error("%s", e.text);
            json_object_set_new(o, "status", json_integer(503));
            json_object_set_new(o, "body", json_string(""));
        } else {
            json_object_set_new(o, "size", json_integer((json_int_t)x->text.len));
        }
    } else {
        text_clean_bytes(x->text.data, x->text.len);
        json_t *body = json_stringn(x->text.data ? x->text.data : "", x->text.len);
        json_object_set_new(o, "body", body ? body : json_string(""));
    }
    if (x->relay)
        json_object_set(o, "relay", x->relay);
    return o;
}

static void run_http(struct request *rq) {
    struct exchange x;
    struct err e = { 0 };
    if (exchange_init(&x, rq->a, rq->http, rq->msg, &e)) {
        exchange_error(&x, status_http(e.status), e.text, "Check the address.", NULL);
    } else {
        x.waited = rq->waited;
        route_run(&x);
    }
    if (x.park_until) {
        rq->park_until = x.park_until;
        rq->park_generation = x.park_generation;
    } else {
        rq->answer = answer_of(&x, rq);
    }
    exchange_fini(&x);
}

/* ---- tunnel ---------------------------------------------------------------------------------- */

static json_t *refusal(int status, const char *text, const char *rule, int http) {
    char clean[ERR_TEXT_MAX + 256];
    snprintf(clean, sizeof clean, "%s", text);
    json_t *o = json_pack("{s:b, s:i, s:s, s:i}", "ok", 0, "status", status, "error",
                          text_clean(clean), "http", http);
    if (o && *rule)
        json_object_set_new(o, "rule", json_string(rule));
    return o;
}

/* A WebSocket is a GET that SameSite does not stop, so the Origin must be ours. */
static enum failure admit(struct exchange *x) {
    enum failure f = guard_check(GUARD_SOCKET, x->origin, x->fetch_site, x->a->conf.origin);
    if (f != FAILURE_NONE)
        return f;
    exchange_identify(x);
    return x->nobody;
}

static json_t *open_tunnel(struct exchange *x, struct request *rq) {
    struct err e = { 0 };
    struct tunnel_request t = {
        .who = x->who, .http = x->http, .peer = x->peer, .relayed = x->relayed
    };
    char id[UUID_LEN + 1] = "", rule[320] = "";
    int wait = limits_enter(x->a->limits, LIMIT_TUNNEL, x->who->sub, clock_ms(), &e);
    if (wait) {
        json_t *busy = refusal(e.status, e.text, LIMIT_RULE, 429);
        json_object_set_new(busy, "retryAfter", json_integer(wait));
        return busy;
    }
    int rc =
        display_read(&x->query, &t.display, &e) || tunnel_open(x->a, &t, &rq->fd, id, rule, &e);
    limits_leave(x->a->limits, LIMIT_TUNNEL, x->who->sub);
    if (rc == 0)
        return json_pack("{s:b, s:s}", "ok", 1, "id", id);
    log_info("tunnel %s of %s: %s", x->id, x->who->sub, e.text);
    json_t *answer =
        refusal(e.status ? e.status : STATUS_SERVER_ERROR, e.text, rule, status_http(e.status));
    if (t.relay)
        json_object_set_new(answer, "relay", t.relay);
    return answer;
}

static void run_tunnel(struct request *rq) {
    struct exchange x;
    struct err e = { 0 };
    char text[400];
    if (exchange_init(&x, rq->a, rq->http, rq->msg, &e)) {
        rq->answer = refusal(e.status, e.text, "", status_http(e.status));
    } else {
        enum failure f = admit(&x);
        if (f == FAILURE_NONE) {
            rq->answer = open_tunnel(&x, rq);
        } else {
            const struct failure_row *row = failure_row(f);
            x.path = "/tunnel";
            x.method = "WS";
            exchange_fail(&x, f, NULL);
            snprintf(text, sizeof text, "%s %s", row->title, row->advice);
            rq->answer =
                refusal(row->http == 401 ? STATUS_CLIENT_UNAUTHORIZED : STATUS_CLIENT_FORBIDDEN,
                        text, row->reason, row->http);
        }
    }
    exchange_fini(&x);
}

/* ---- the operator's -------------------------------------------------------------------------- */

/* Seconds, of the older of the two; -1: one was never heard. */
static int64_t resources_age(struct authd *a) {
    int64_t x = catalog_age_ms(a->catalog), y = resources_age_ms(a->resources, RESOURCE_LOCK);
    int64_t age = MAX_OF(x, y);
    return age == INT64_MAX ? -1 : age / 1000;
}

/* Another program's, as it wrote them below RUN; nothing when it did not. */
static void put_file(const struct authd *a, const char *name, struct buf *out) {
    char path[400], *room = buf_reserve(out, FILE_MAX);
    snprintf(path, sizeof path, "%s/%s", a->conf.run, name);
    _close_ int fd = room ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    ssize_t n = fd >= 0 ? read(fd, room, FILE_MAX) : 0;
    size_t whole = n > 0 ? (size_t)n : 0;
    while (whole > 0 && room[whole - 1] != '\n')
        whole--;
    out->len += whole;
}

static void run_metrics(struct request *rq) {
    struct buf text;
    struct err e = { 0 };
    struct snapshot *s = catalog_snapshot(rq->a->catalog);
    int64_t bad = 0;
    for (size_t i = 0; i < s->count; i++)
        bad += !connection_usable(s->connections[i]);
    metric_set(&stats_connections, (int64_t)s->count - bad);
    metric_set(&stats_connections_invalid, bad);
    metric_set(&stats_resources_age, resources_age(rq->a));
    snapshot_unref(s);
    buf_init(&text, METRICS_MAX);
    stats_write(&text);
    ship_metrics(&text);
    put_file(rq->a, "guacd/metrics", &text);
    _json_ json_t *status =
        recorder_call(rq->a->recorder, json_pack("{s:s}", "op", "status"), STATUS_MS, NULL, &e);
    if (status)
        buf_puts(&text, json_str(status, "metrics", ""));
    const char *all = buf_str(&text);
    rq->answer = json_pack("{s:b, s:s}", "ok", 1, "text", all ? all : "");
    buf_fini(&text);
}

/* Is somebody listening? Asked with the wrong kind of socket, so that nobody accepts anything: the
 * kernel answers EPROTOTYPE for a live listener, ECONNREFUSED for a dead one's file. */
static bool listening(const struct authd *a, const char *name, int wrong_type) {
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    _close_ int fd = socket(AF_UNIX, wrong_type | SOCK_CLOEXEC, 0);
    int n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", a->conf.run, name);
    if (fd < 0 || n < 0 || (size_t)n >= sizeof sa.sun_path)
        return false;
    return connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0 && errno == EPROTOTYPE;
}

static void check(json_t *checks, bool *all, const char *name, bool ok, const char *sentence) {
    json_t *text = json_string(ok ? "ok" : sentence);
    json_object_set_new(checks, name, text ? text : json_string("unreadable"));
    *all = *all && ok;
}

/* Told, and no more: a replica that nobody is sent to would cut off those who work there, and the
 * store is the same for all of them. */
static void check_store(struct authd *a, json_t *checks) {
    struct err e = { 0 };
    bool ignored = true;
    _json_ json_t *answer =
        recorder_up(a->recorder)
            ? recorder_call(a->recorder, json_pack("{s:s}", "op", "status"), STATUS_MS, NULL, &e)
            : NULL;
    const char *store = json_str(answer, "store", "the recorder does not say");
    check(checks, &ignored, "store", strcmp(store, "ok") == 0, store);
}

json_t *request_checks(struct authd *a, struct http *http, bool *all) {
    json_t *checks = json_object();
    char text[128];
    int64_t offset = authd_clock_offset(a);
    *all = true;
    check(checks, all, "resources", resources_age(a) >= 0,
          "the resources were not read yet: is the API server there, and does it let us?");
    check(checks, all, "recorder", recorder_up(a->recorder), "the recorder is away");
    check_store(a, checks);
    check(checks, all, "guacd", listening(a, "guacd.sock", SOCK_DGRAM), "guacd is not listening");
    check(checks, all, "evidence", listening(a, "evidence.sock", SOCK_DGRAM),
          "the reader of recordings is not listening");
    snprintf(text, sizeof text, "the clock is %lld ms away from the recording store's",
             (long long)offset);
    check(checks, all, "clock", offset <= POLICY_CLOCK_MS && offset >= -POLICY_CLOCK_MS, text);
    if (a->oidc) {
        struct oidc_endpoints ep;
        struct err e = { 0 };
        bool ok = oidc_endpoints(a->oidc, http, &ep, &e) == FAILURE_NONE;
        check(checks, all, "oidc", ok, e.text);
    }
    return checks;
}

static void run_ready(struct request *rq) {
    bool all;
    json_t *checks = request_checks(rq->a, rq->http, &all);
    rq->answer = json_pack("{s:b, s:o}", "ok", all, "checks", checks);
    if (!all)
        json_object_set_new(rq->answer, "error", json_string("not ready"));
}

static void run_ticket(struct request *rq) {
    struct err e = { 0 };
    json_t *good = relay_admit(rq->a, json_str(rq->msg, "ticket", ""), &e);
    if (good)
        json_object_set_new(good, "ok", json_true());
    rq->answer = good ? good : refusal(e.status, e.text, "", 403);
}

static void run_link(struct request *rq) {
    struct buf url;
    if (rq->uid != geteuid()) {
        rq->answer =
            refusal(STATUS_CLIENT_FORBIDDEN, "links are for the gateway's own user", "", 403);
        return;
    }
    if (!rq->a->links) {
        rq->answer = refusal(STATUS_UNSUPPORTED, "dev-link is not configured", "", 404);
        return;
    }
    buf_init(&url, 1024);
    if (links_make(rq->a->links, &url) == 0)
        rq->answer = json_pack("{s:b, s:s}", "ok", 1, "url", buf_str(&url));
    buf_wipe(&url);
}

static void run_command(struct request *rq) {
    struct err e = { 0 };
    json_t *good = command_run(rq->a, rq->msg, rq->uid, &e);
    if (good)
        json_object_set_new(good, "ok", json_true());
    rq->answer = good ? good : refusal(e.status, e.text, "", status_http(e.status));
}

static const struct {
    const char *op;
    void (*run)(struct request *rq);
} ops[] = { { "http", run_http },    { "tunnel", run_tunnel }, { "metrics", run_metrics },
            { "ready", run_ready },  { "ticket", run_ticket }, { "link", run_link },
            { "hold", run_command }, { "key", run_command },   { "compromise", run_command } };

void request_run(struct request *rq) {
    const char *op = json_str(rq->msg, "op", "");
    rq->fd = -1;
    metric_add(&stats_requests, 1);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(ops[i].op, op) == 0) {
            ops[i].run(rq);
            if (!rq->answer && !rq->park_until)
                rq->answer = refusal(STATUS_SERVER_ERROR, "no memory", "", 500);
            return;
        }
    rq->answer = refusal(STATUS_CLIENT_BAD_REQUEST, "there is no such op", "", 400);
}

json_t *request_busy(const json_t *msg) {
    const char *text = "The gateway is busy. Try again in a moment.";
    if (strcmp(json_str(msg, "op", ""), "http") != 0)
        return refusal(STATUS_SERVER_BUSY, text, "", 503);
    return json_pack("{s:b, s:i, s:[[s, s]], s:s}", "ok", 1, "status", 503, "headers",
                     "content-type", "application/json", "body",
                     "{\"error\":\"The gateway is busy.\",\"advice\":\"Try again in a moment.\"}");
}

bool request_is_slow(const json_t *msg) {
    static const char *const paths[] = { "/auth/", "/api/recordings", "/api/exports", "/api/search",
                                         "/api/sessions" };
    const char *op = json_str(msg, "op", ""), *path = json_str(msg, "path", "");
    if (strcmp(op, "http") != 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (strncmp(path, paths[i], strlen(paths[i])) == 0)
            return true;
    return false;
}
