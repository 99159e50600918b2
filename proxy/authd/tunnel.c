/* Decide, record, connect: in this order, and every way out closes what the steps before it opened.
 */
#include "proxy/authd/tunnel.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/launch.h"
#include "proxy/authd/limits.h"
#include "proxy/authd/record.h"
#include "proxy/authd/relay.h"
#include "proxy/authd/share.h"
#include "proxy/authd/stats.h"
#include "proxy/authd/used.h"
#include "proxy/authd/usertoken.h"

#define RULE_SIZE 320

static void snapshot_drop(struct snapshot **s) {
    snapshot_unref(*s);
}
static void args_drop(struct args **a) {
    args_free(*a);
}

static void audit(struct authd *a, const struct tunnel_request *rq, enum audit_kind kind, bool ok,
                  const char *session, const char *connection, const char *rule, const char *text) {
    struct audit_event ev = { .kind = kind,
                              .success = ok,
                              .session = session,
                              .who = rq->who,
                              .peer = rq->peer,
                              .message = text,
                              .detail =
                                  json_pack("{s:s, s:s}", "connection", connection, "rule", rule) };
    audit_write(a->audit, &ev);
}

static void refused(const char *rule) {
    metric_add(&stats_decisions_refused, 1);
    stats_refused(rule);
}

/* Decide, tell, count. */
static int judge(struct authd *a, struct tunnel_request *rq, const struct connection *c,
                 const struct snapshot *snapshot, bool resuming, const char *session,
                 struct decision *d, char *rule, struct err *e) {
    char name[400];
    snprintf(name, sizeof name, "%s/%s", c->namespace, c->name);
    struct authd_view view;
    authd_view_init(&view, a, rq->who, snapshot);
    authd_decide(&view, c, resuming, d);
    const struct resource *grant = d->allow ? authd_grant(&view, c) : NULL;
    snprintf(rq->request, sizeof rq->request, "%s", grant ? grant->name : "");
    authd_view_fini(&view);
    if (d->allow)
        metric_add(&stats_decisions_allowed, 1);
    else
        refused(d->name);
    if (!d->allow || !resuming)
        audit(a, rq, AUDIT_DECISION, d->allow, d->allow ? session : NULL, name, d->name, d->why);
    if (d->allow)
        return 0;
    snprintf(rule, RULE_SIZE, "%s", d->name);
    return err_set(e, d->status, "%s %s", d->why, d->advice);
}

static void set_name(struct handshake_info *info, const char *name) {
    size_t n = strlen(name);
    if (n < sizeof info->name)
        memcpy(info->name, name, n + 1);
}

/* ---- a new session --------------------------------------------------------------------------- */

static int connect_guacd(struct authd *a, const struct connection *c, struct tunnel_request *rq,
                         const struct args *args, const char *id, int tap, int *fd, struct err *e) {
    char path[400];
    uid_t uid = 0;
    pid_t pid = 0;
    snprintf(path, sizeof path, "%s/guacd.sock", a->conf.run);
    _close_ int sock = stream_connect(path, e);
    if (sock < 0) {
        log_error("%s", e->text);
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                       "guacd is not running. Try again in a moment.");
    }
    if (ctl_peer(sock, &uid, &pid) || !authd_trusts(a, uid)) {
        log_error("user %u at %s is not trusted", uid, path);
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                       "guacd runs as a stranger. Tell the gateway's operators.");
    }
    set_name(&rq->display.info, rq->who->name);
    if (launch_handshake(sock, c->protocol->name, tap, &rq->display.info, args, id, e))
        return -1;
    *fd = steal_fd(&sock);
    return 0;
}

static int read_secrets(struct authd *a, const struct connection *c, struct secret_set *out,
                        struct err *e) {
    bool by_cluster = c->credentials.from == CREDENTIALS_KUBERNETES &&
                      c->credentials.kubernetes_as == KUBERNETES_CLIENT_CERTIFICATE;
    if (c->credentials.from != CREDENTIALS_SECRET && !by_cluster)
        return 0;
    if (catalog_secret(a->catalog, c->namespace, c->credentials.secret, out, e) == 0)
        return 0;
    log_error("connection %s/%s: %s", c->namespace, c->name, e->text);
    return err_set(e, STATUS_SERVER_ERROR,
                   "This connection's credentials cannot be read. Tell who wrote it.");
}

/* Only where the connection passes it on, and only to a server that may have it. */
static int read_own_token(struct authd *a, struct tunnel_request *rq, const struct connection *c,
                          struct oidc_token *out, struct err *e) {
    struct usertoken_server server;
    if (!usertoken_asked(c))
        return 0;
    return usertoken_server(&a->conf, c, &server, e) ||
                   usertoken_fetch(a->oidc, rq->http, rq->who, out, e)
               ? -1
               : 0;
}

static int start(struct authd *a, struct tunnel_request *rq, const struct connection *c,
                 const struct decision *d, const char *id, int64_t started, int *fd,
                 struct err *e) {
    char target[300];
    struct secret_set secrets __attribute__((cleanup(secret_set_fini))) = { 0 };
    struct oidc_token own __attribute__((cleanup(oidc_token_fini))) = { 0 };
    if (read_secrets(a, c, &secrets, e) || read_own_token(a, rq, c, &own, e))
        return -1;
    const struct launch l = { &a->conf, c,       rq->who,           d,        &secrets,
                              id,       started, &rq->display.kube, &own.text };
    struct args *args __attribute__((cleanup(args_drop))) = launch_args(&l, e);
    if (!args)
        return -1;
    connection_target(c, target, sizeof target);
    struct record_want want = { id, target, started, c, rq->who, d };
    _close_ int tap = -1;
    if (record_open(a, &want, &tap, e))
        return -1;
    if (connect_guacd(a, c, rq, args, id, tap, fd, e) == 0)
        return 0;
    record_drop(a, id);
    return -1;
}

static void note(struct authd *a, const struct tunnel_request *rq, const struct connection *c,
                 const char *id, const char *name, int64_t started) {
    struct session one = { .connection = (char *)(uintptr_t)name,
                           .protocol = (char *)(uintptr_t)c->protocol->name,
                           .sub = rq->who->sub,
                           .name = rq->who->name,
                           .recording = (char *)(uintptr_t) "recorded",
                           .started = started,
                           .users = 1 };
    memcpy(one.id, id, UUID_LEN + 1);
    sessions_add(a->sessions, &one);
    used_note(a->used, rq->who->sub, name, started);
}

/* Limits count over all replicas: the session is written down, then those before it are counted. */
static int take_turn(struct authd *a, const struct live_want *w, char *rule, struct err *e) {
    const struct connection *c = w->connection;
    struct live_list earlier;
    struct decision d;
    if (!a->conf.sessions_per_person && !c->limits.per_person && !c->limits.per_connection)
        return 0;
    int rc = live_turn(a, w, &earlier, e);
    if (rc == 0 && policy_over_limit(w->who, c, &a->policy, earlier.list, earlier.count, &d)) {
        snprintf(rule, RULE_SIZE, "%s", d.name);
        stats_refused(d.name);
        rc = err_set(e, d.status, "%s %s", d.why, d.advice);
    }
    live_list_fini(&earlier);
    return rc;
}

/* From the first moment on: nobody types before a moderator watches. */
static int hold(struct authd *a, const struct connection *c, const char *id, struct err *e) {
    if (!c->moderation.there)
        return 0;
    _json_ json_t *answer = sessions_call(
        a->sessions, id, json_pack("{s:s, s:s}", "op", "pause", "why", "Waiting for a moderator."),
        NULL, 0, e);
    return answer ? 0 : -1;
}

static int begin(struct authd *a, struct tunnel_request *rq, const struct connection *c,
                 const struct decision *d, const char *id, int64_t started, int *fd, char *rule,
                 struct err *e) {
    char target[300];
    connection_target(c, target, sizeof target);
    int64_t until = d->max_minutes ? started + d->max_minutes * 60000LL : 0;
    if (d->until && (!until || d->until < until))
        until = d->until;
    const struct live_want w = { .id = id,
                                 .target = target,
                                 .peer = rq->peer,
                                 .request = *rq->request ? rq->request : NULL,
                                 .connection = c,
                                 .who = rq->who,
                                 .started = started,
                                 .until = until };
    if (live_create(a, &w, e))
        return -1;
    if (take_turn(a, &w, rule, e) == 0 && start(a, rq, c, d, id, started, fd, e) == 0) {
        if (hold(a, c, id, e) == 0)
            return 0;
        close(*fd);
        *fd = -1;
    }
    live_drop(a, c->namespace, id);
    return -1;
}

static int open_new(struct authd *a, struct tunnel_request *rq, int *fd, char id[UUID_LEN + 1],
                    char *rule, struct err *e) {
    struct snapshot *snapshot __attribute__((cleanup(snapshot_drop))) =
        catalog_snapshot(a->catalog);
    const struct connection *c = snapshot_find(snapshot, rq->display.namespace, rq->display.name);
    struct decision d;
    char name[400];
    snprintf(name, sizeof name, "%s/%s", rq->display.namespace, rq->display.name);
    if (!c) {
        snprintf(rule, RULE_SIZE, "connection-exists");
        audit(a, rq, AUDIT_DECISION, false, NULL, name, rule, "there is no such connection");
        refused(rule);
        return err_set(e, STATUS_RESOURCE_NOT_FOUND,
                       "There is no connection %s. It may have been renamed or removed.", name);
    }
    int64_t started = (int64_t)clock_wall_ms();
    uuid_v7(id, (uint64_t)started);
    if (judge(a, rq, c, snapshot, false, id, &d, rule, e))
        return -1;
    if (begin(a, rq, c, &d, id, started, fd, rule, e)) {
        metric_add(&stats_session_failures, 1);
        audit(a, rq, AUDIT_SESSION_FAILED, false, id, name, rule, e->text);
        return -1;
    }
    metric_add(&stats_sessions_started, 1);
    audit(a, rq, AUDIT_SESSION_START, true, id, name, "", "the session began");
    note(a, rq, c, id, name, started);
    return 0;
}

/* ---- back into a running one ----------------------------------------------------------------- */

static int join(struct authd *a, struct tunnel_request *rq, const json_t *info, const char *role,
                bool moderator, int *fd, struct err *e) {
    const char *id = rq->display.session;
    const struct protocol *p = protocol_find(json_str(info, "protocol", ""));
    struct args *args __attribute__((cleanup(args_drop))) = p ? args_new(p) : NULL;
    int pair[2];
    if (!args)
        return err_set(e, STATUS_SERVER_ERROR, "the session speaks an unknown protocol");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return err_errno(e, STATUS_SERVER_BUSY, "no socket for the tunnel");
    _close_ int ours = pair[0];
    _close_ int theirs = pair[1];
    _json_ json_t *answer =
        sessions_call(a->sessions, id,
                      json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "op", "join", "role", role,
                                "user", rq->who->sub, "name", rq->who->name, "replace",
                                strcmp(role, "owner") == 0, "moderator", moderator),
                      &theirs, 1, e);
    if (!answer)
        return -1;
    close(steal_fd(&theirs));
    set_name(&rq->display.info, rq->who->name);
    if (launch_handshake(ours, NULL, -1, &rq->display.info, args, id, e))
        return -1;
    *fd = steal_fd(&ours);
    return 0;
}

/* Into somebody else's: to watch, to help, or to take over. */
static int visit(struct authd *a, struct tunnel_request *rq, const json_t *info,
                 const struct connection *c, int *fd, char id[UUID_LEN + 1], char *rule,
                 struct err *e) {
    const char *role = *rq->display.role ? rq->display.role : "owner",
               *session = rq->display.session;
    const char *name = json_str(info, "connection", "");
    struct resources_view *v = resources_view(a->resources, RESOURCE_SESSION);
    const struct resource *r = live_find(v, session);
    const struct share_ask ask = { .who = rq->who,
                                   .owner = json_str(info, "owner", ""),
                                   .c = c,
                                   .invites = r ? r->session.invites : NULL,
                                   .moderates = authd_can_moderate(a, rq->who),
                                   .audits = authd_can_audit(a, rq->who) };
    unsigned rights = share_rights(&ask);
    resources_view_unref(v);
    unsigned need = strcmp(role, "viewer") == 0   ? SHARE_VIEW
                    : strcmp(role, "helper") == 0 ? SHARE_HELP
                                                  : SHARE_TAKEOVER;
    if (!(rights & need)) {
        snprintf(rule, RULE_SIZE, rights ? "join-role" : "session-owner");
        audit(a, rq, AUDIT_DECISION, false, NULL, name, rule, "the session is another person's");
        refused(rule);
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       rights ? "You may not join this session as %s."
                              : "This session belongs to somebody else.",
                       role);
    }
    if (join(a, rq, info, role, share_moderates(&ask), fd, e))
        return -1;
    memcpy(id, session, UUID_LEN + 1);
    audit(a, rq, AUDIT_SESSION_JOIN, true, id, name, role,
          strcmp(role, "owner") == 0 ? "took the session over" : "joined the session");
    return 0;
}

/* Not here: another replica's, which then decides, or over. */
static int elsewhere(struct authd *a, struct tunnel_request *rq, struct err *e) {
    rq->relay = rq->relayed ? NULL : relay_to(a, rq->display.session);
    return rq->relay
               ? err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                         "The gateway that holds this session cannot be reached. Try again in a "
                         "moment.")
               : err_set(e, STATUS_RESOURCE_NOT_FOUND,
                         "This session is over. Open the connection again.");
}

static int rejoin(struct authd *a, struct tunnel_request *rq, int *fd, char id[UUID_LEN + 1],
                  char *rule, struct err *e) {
    struct snapshot *snapshot __attribute__((cleanup(snapshot_drop))) =
        catalog_snapshot(a->catalog);
    const char *session = rq->display.session;
    char namespace[64] = "";
    struct decision d;
    _json_ json_t *info = sessions_info(a->sessions, session, e);
    if (!info)
        return e->status == STATUS_RESOURCE_NOT_FOUND ? elsewhere(a, rq, e) : -1;
    const char *name = json_str(info, "connection", ""), *slash = strchr(name, '/');
    if (slash && (size_t)(slash - name) < sizeof namespace)
        memcpy(namespace, name, (size_t)(slash - name));
    const struct connection *c = slash ? snapshot_find(snapshot, namespace, slash + 1) : NULL;
    if (strcmp(json_str(info, "owner", ""), rq->who->sub) != 0)
        return visit(a, rq, info, c, fd, id, rule, e);
    /* A role or a connection that is gone ends the right to come back, too. */
    if (!c)
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "Its connection %s is not there any more.",
                       name);
    if (judge(a, rq, c, snapshot, true, session, &d, rule, e) ||
        join(a, rq, info, "owner", false, fd, e))
        return -1;
    memcpy(id, session, UUID_LEN + 1);
    metric_add(&stats_sessions_resumed, 1);
    audit(a, rq, AUDIT_SESSION_RESUME, true, id, name, "", "the owner came back");
    return 0;
}

int tunnel_open(struct authd *a, struct tunnel_request *rq, int *fd, char id[UUID_LEN + 1],
                char *rule, struct err *e) {
    *rule = '\0';
    if (rq->relayed && strcmp(rq->relayed, rq->display.session) != 0)
        return err_set(e, STATUS_CLIENT_FORBIDDEN, "The relay's ticket is for another session.");
    if (*rq->display.session)
        return rejoin(a, rq, fd, id, rule, e);
    if (limits_enter(a->limits, LIMIT_OPEN, rq->who->sub, clock_ms(), e)) {
        snprintf(rule, RULE_SIZE, LIMIT_RULE);
        return -1;
    }
    int rc = open_new(a, rq, fd, id, rule, e);
    limits_leave(a->limits, LIMIT_OPEN, rq->who->sub);
    return rc;
}
