/* Open Cybersecurity Schema Framework 1.3: what has no place of its own there stands in `unmapped`.
 */
#include "proxy/authd/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "proxy/authd/ship.h"
#include "proxy/authd/stats.h"
#include "proxy/authd/text.h"

#define EVENT_MAX 65536
#define SEVERITY_INFO 1
#define SEVERITY_LOW 2
#define SEVERITY_MEDIUM 3
#define SEVERITY_HIGH 4
#define SEVERITY_HIGH 4

static const struct kind {
    const char *name; /* of the log line and activity_name */
    int class_uid, activity_id;
    const char *class_name;
    int seq; /* of the fixed id <session>-<seq>; 0: a new UUID */
    int severity_ok, severity_bad;
} kinds[AUDIT_KINDS] = {
    [AUDIT_SIGN_IN] = { "sign-in", 3002, 1, "Authentication", 0, SEVERITY_INFO, SEVERITY_LOW },
    [AUDIT_SIGN_IN_FAILED] = { "sign-in", 3002, 1, "Authentication", 0, SEVERITY_INFO,
                               SEVERITY_LOW },
    [AUDIT_SIGN_OUT] = { "sign-out", 3002, 2, "Authentication", 0, SEVERITY_INFO, SEVERITY_LOW },
    [AUDIT_DECISION] = { "decision", 3003, 99, "Authorize Session", 1, SEVERITY_INFO,
                         SEVERITY_LOW },
    [AUDIT_SESSION_START] = { "session-start", 4001, 1, "Network Activity", 2, SEVERITY_INFO,
                              SEVERITY_LOW },
    [AUDIT_SESSION_FAILED] = { "session-start", 4001, 4, "Network Activity", 2, SEVERITY_INFO,
                               SEVERITY_LOW },
    [AUDIT_SESSION_RESUME] = { "session-resume", 4001, 99, "Network Activity", 0, SEVERITY_INFO,
                               SEVERITY_LOW },
    [AUDIT_SESSION_JOIN] = { "session-join", 4001, 99, "Network Activity", 0, SEVERITY_LOW,
                             SEVERITY_LOW },
    [AUDIT_SESSION_INVITE] = { "session-invite", 4001, 99, "Network Activity", 0, SEVERITY_INFO,
                               SEVERITY_LOW },
    [AUDIT_SESSION_END] = { "session-end", 4001, 2, "Network Activity", 3, SEVERITY_INFO,
                            SEVERITY_LOW },
    [AUDIT_SESSION_KILL] = { "session-kill", 4001, 3, "Network Activity", 0, SEVERITY_LOW,
                             SEVERITY_LOW },
    [AUDIT_UPLOAD] = { "upload", 6006, 1, "File Hosting Activity", 0, SEVERITY_INFO, SEVERITY_LOW },
    [AUDIT_DOWNLOAD] = { "download", 6006, 2, "File Hosting Activity", 0, SEVERITY_INFO,
                         SEVERITY_LOW },
    [AUDIT_REPLAY] = { "replay", 6005, 1, "Datastore Activity", 0, SEVERITY_INFO, SEVERITY_LOW },
    [AUDIT_REPLAY_OBJECT] = { "replay-object", 6005, 1, "Datastore Activity", 0, SEVERITY_INFO,
                              SEVERITY_LOW },
    [AUDIT_SEARCH] = { "search", 6005, 2, "Datastore Activity", 0, SEVERITY_INFO, SEVERITY_LOW },
    [AUDIT_EXPORT] = { "export", 6005, 3, "Datastore Activity", 0, SEVERITY_INFO, SEVERITY_LOW },
    [AUDIT_LOG_OPEN] = { "log-open", 6005, 3, "Datastore Activity", 4, SEVERITY_INFO,
                         SEVERITY_LOW },
    [AUDIT_LOG_SEAL] = { "log-seal", 6005, 3, "Datastore Activity", 5, SEVERITY_INFO,
                         SEVERITY_LOW },
    [AUDIT_LOG_LEAF] = { "log-leaf", 6005, 3, "Datastore Activity", 0, SEVERITY_INFO,
                         SEVERITY_LOW },
    [AUDIT_LOG_WRONG] = { "log-wrong", 6005, 99, "Datastore Activity", 0, SEVERITY_MEDIUM,
                          SEVERITY_HIGH },
    [AUDIT_REQUEST] = { "request", 3005, 1, "User Access Management", 0, SEVERITY_INFO,
                        SEVERITY_LOW },
    [AUDIT_REQUEST_GLASS] = { "break-glass", 3005, 1, "User Access Management", 0, SEVERITY_HIGH,
                              SEVERITY_HIGH },
    [AUDIT_APPROVAL] = { "approval", 3005, 1, "User Access Management", 0, SEVERITY_INFO,
                         SEVERITY_LOW },
    [AUDIT_LOCK] = { "lock", 3001, 9, "Account Change", 0, SEVERITY_MEDIUM, SEVERITY_MEDIUM },
    [AUDIT_REFUSED] = { "refused", 6003, 99, "API Activity", 0, SEVERITY_LOW, SEVERITY_MEDIUM },
};

struct audit {
    pthread_mutex_t lock;
    char *path, *gateway;
    int fd;
    struct ship *ship; /* NULL: none */
};

static int open_file(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
}

struct audit *audit_new(const char *path, const char *gateway, struct err *e) {
    struct audit *a = calloc(1, sizeof *a);
    if (!a) {
        err_set(e, 0, "no memory for the audit");
        return NULL;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->fd = -1;
    a->gateway = strdup(gateway);
    if (path && *path) {
        a->path = strdup(path);
        a->fd = open_file(path);
        if (a->fd < 0) {
            err_errno(e, 0, "audit-file %s", path);
            audit_free(a);
            return NULL;
        }
    }
    return a;
}

void audit_free(struct audit *a) {
    if (!a)
        return;
    if (a->fd >= 0)
        close(a->fd);
    pthread_mutex_destroy(&a->lock);
    free(a->path);
    free(a->gateway);
    free(a);
}

void audit_ship(struct audit *a, struct ship *s) {
    a->ship = s;
}

void audit_reopen(struct audit *a) {
    if (!a->path)
        return;
    int fd = open_file(a->path);
    if (fd < 0) {
        log_error("audit file %s cannot be opened again: %s", a->path, strerror(errno));
        return;
    }
    pthread_mutex_lock(&a->lock);
    int old = a->fd;
    a->fd = fd;
    pthread_mutex_unlock(&a->lock);
    close(old);
}

static json_t *metadata(const struct audit *a, const struct kind *k, const struct audit_event *ev,
                        uint64_t now) {
    char uid[96];
    if (ev->session && k->seq)
        snprintf(uid, sizeof uid, "%.36s-%d", ev->session, k->seq);
    else if (ev->session && ev->number)
        snprintf(uid, sizeof uid, "%.36s-file-%lld", ev->session, (long long)ev->number);
    else
        uuid_v7(uid, now);
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:s}", "uid", uid, "version", "1.3.0",
                     "product", "name", "guac-authd", "vendor_name", "OpenOva", "version",
                     guac_version, "log_name", a->gateway);
}

static json_t *build(const struct audit *a, const struct audit_event *ev) {
    const struct kind *k = &kinds[ev->kind];
    char message[1024];
    snprintf(message, sizeof message, "%s", ev->message ? ev->message : "");
    uint64_t now = clock_wall_ms();
    json_t *o =
        json_pack("{s:I, s:i, s:s, s:i, s:i, s:s, s:i, s:i, s:i, s:s, s:s, s:o}", "time",
                  (json_int_t)now, "class_uid", k->class_uid, "class_name", k->class_name,
                  "category_uid", k->class_uid / 1000, "activity_id", k->activity_id,
                  "activity_name", k->name, "type_uid", k->class_uid * 100 + k->activity_id,
                  "severity_id", ev->success ? k->severity_ok : k->severity_bad, "status_id",
                  ev->success ? 1 : 2, "status", ev->success ? "Success" : "Failure", "message",
                  text_clean(message), "metadata", metadata(a, k, ev, now));
    json_t *unmapped = ev->detail ? json_incref(ev->detail) : json_object();
    if (!o) {
        json_decref(unmapped);
        return NULL;
    }
    if (ev->session)
        json_object_set_new(unmapped, "session", json_string(ev->session));
    if (ev->who)
        json_object_set_new(o, "actor",
                            json_pack("{s:{s:s, s:s}, s:{s:s}, s:O}", "user", "uid", ev->who->sub,
                                      "name", ev->who->name, "session", "uid", ev->who->sid,
                                      "authorizations", ev->who->roles));
    if (ev->peer && *ev->peer)
        json_object_set_new(o, "src_endpoint", json_pack("{s:s}", "ip", ev->peer));
    if (ev->file)
        json_object_set(o, "file", ev->file);
    json_object_set_new(o, "unmapped", unmapped);
    return o;
}

/* One write, so that lines of several replicas on one file do not mix. */
static int append(struct audit *a, const struct buf *line) {
    pthread_mutex_lock(&a->lock);
    ssize_t n = write(a->fd, line->data, line->len);
    pthread_mutex_unlock(&a->lock);
    return n == (ssize_t)line->len ? 0 : -1;
}

void audit_write(struct audit *a, const struct audit_event *ev) {
    const struct kind *k = &kinds[ev->kind];
    struct buf line;
    _json_ json_t *o = build(a, ev);
    buf_init(&line, EVENT_MAX);
    log_info("audit %s %s%s%s%s%s: %s", k->name, ev->success ? "ok" : "refused",
             ev->session ? " session " : "", ev->session ? ev->session : "", ev->who ? " by " : "",
             ev->who ? ev->who->sub : "", ev->message ? ev->message : "");
    metric_add(&stats_audit_events, 1);
    if (a->fd >= 0 && (!o || json_write(o, &line) || buf_putc(&line, '\n') || append(a, &line))) {
        log_error("audit event %s could not be written to %s: %s", k->name, a->path,
                  strerror(errno));
        metric_add(&stats_audit_errors, 1);
    }
    ship_wake(a->ship);
    buf_fini(&line);
    json_decref(ev->file);
    json_decref(ev->detail);
}
