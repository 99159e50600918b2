#include "proxy/authd/pods.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/launch.h"
#include "proxy/authd/usertoken.h"

#define FILE_MAX 65536 /* of a token, of CA certificates */

/* ---- the cluster we run in --------------------------------------------------------------------
 */

int pods_server(const struct config *conf, struct config_url *out, struct err *e) {
    const char *text = conf->cluster_server;
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    char made[300];
    if (!text || !*text) {
        if (!host || !port)
            return err_set(e, STATUS_SERVER_ERROR,
                           "This gateway runs in no cluster, and cluster-server names none.");
        bool six = strchr(host, ':');
        snprintf(made, sizeof made, "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "",
                 port);
        text = made;
    }
    if (config_url(text, out, e))
        return err_prefix(e, "cluster-server");
    if (!out->https)
        return err_set(e, STATUS_SERVER_ERROR, "cluster-server: the token goes by https only");
    return 0;
}

/* Others may read a pod's files of these, so secret_read_file() would refuse them. */
static int read_file(const char *key, const char *path, struct buf *out, struct err *e) {
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, STATUS_SERVER_ERROR, "%s: %s", key, path);
    for (;;) {
        char *p = buf_reserve(out, 4096);
        ssize_t n = p ? read(fd, p, 4096) : -1;
        if (n < 0)
            return err_set(e, STATUS_SERVER_ERROR, "%s: %s cannot be read, or is too long", key,
                           path);
        if (n == 0)
            return 0;
        out->len += (size_t)n;
    }
}

int pods_token(const struct config *conf, struct secret *out, struct err *e) {
    struct buf text;
    buf_init(&text, FILE_MAX);
    text.secret = true;
    int r = read_file("cluster-token", conf->cluster_token, &text, e);
    while (r == 0 && text.len && strchr(" \r\n", text.data[text.len - 1]))
        text.len--;
    if (r == 0 && !text.len)
        r = err_set(e, STATUS_SERVER_ERROR, "cluster-token: %s is empty", conf->cluster_token);
    if (r == 0 && secret_set(out, text.data, text.len))
        r = err_set(e, STATUS_SERVER_ERROR, "no memory for a token");
    buf_wipe(&text);
    return r;
}

/* ---- as whom ----------------------------------------------------------------------------------
 */

int pods_prefix_check(const char *prefix, struct err *e) {
    if (!prefix || !*prefix)
        return err_set(e, 0,
                       "impersonate-prefix may not be empty: people would take the names "
                       "of the cluster's own users");
    if (strncmp(prefix, "system:", 7) == 0)
        return err_set(e, 0, "impersonate-prefix may not begin with system:");
    for (const char *p = prefix; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == ',')
            return err_set(e, 0, "impersonate-prefix holds a character that no name may have");
    return 0;
}

/* Commas and lines separate groups on their way to the session; a name with one is nobody's. */
static bool can_be_told(const char *name) {
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f || *p == ',')
            return false;
    return *name;
}

static void add_groups(const char *prefix, const json_t *names, json_t *out) {
    size_t i;
    json_t *name;
    char text[512];
    json_array_foreach(names, i, name) {
        const char *s = json_string_value(name);
        if (!s || !can_be_told(s) || json_array_size(out) >= PODS_GROUPS_MAX ||
            snprintf(text, sizeof text, "%s%s", prefix, s) >= (int)sizeof text)
            continue;
        if (!json_has_string(out, text))
            json_array_append_new(out, json_string(text));
    }
}

int pods_person(const struct config *conf, const struct identity *who, char *user, size_t size,
                json_t **groups, struct err *e) {
    const char *prefix = conf->impersonate_prefix;
    bool by_sub = strcmp(conf->impersonate_claim, "sub") == 0;
    const char *name = by_sub || !who->login ? who->sub : who->login;
    if (pods_prefix_check(prefix, e))
        return -1;
    if (!can_be_told(name) || snprintf(user, size, "%s%s", prefix, name) >= (int)size)
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "Your user name cannot be one of the cluster's.");
    *groups = json_array();
    add_groups(prefix, who->roles, *groups);
    add_groups(prefix, who->groups, *groups);
    return 0;
}

/* ---- where ------------------------------------------------------------------------------------
 */

int pods_choice_check(const struct connection *c, const struct pods_choice *choice, struct err *e) {
    const struct {
        const char *what, *value;
    } rows[] = { { "namespace", choice->namespace },
                 { "pod", choice->pod },
                 { "container", choice->container },
                 { "command", choice->command } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (*rows[i].value && !json_has_string(c->kubernetes.choose, rows[i].what))
            return err_set(e, STATUS_CLIENT_FORBIDDEN,
                           "This connection does not let you choose the %s.", rows[i].what);
    bool pod = c->kubernetes.pod || c->kubernetes.selector || c->kubernetes.deployment ||
               c->kubernetes.stateful_set;
    if (!pod && !*choice->pod)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "This connection is to a pod that you choose. Choose one first.");
    return 0;
}

/* ---- parameters -------------------------------------------------------------------------------
 */

struct setting {
    struct args *args;
    struct err *e;
    int rc;
};

static void set(struct setting *s, const char *name, const char *value) {
    if (s->rc == 0 && value && *value && !args_set(s->args, name, value, strlen(value), s->e))
        s->rc = err_prefix(s->e, "%s", name);
}

/* The words as the backend cuts them again: each in single quotes. */
static void set_command(struct setting *s, const struct connection *c) {
    _buf_cleanup_ struct buf line = { 0 };
    size_t i;
    json_t *word;
    buf_init(&line, 64u << 10);
    json_array_foreach(c->kubernetes.command, i, word) {
        buf_puts(&line, i ? " '" : "'");
        for (const char *p = json_string_value(word); p && *p; p++)
            if (*p == '\'')
                buf_puts(&line, "'\\''");
            else
                buf_putc(&line, *p);
        buf_putc(&line, '\'');
    }
    set(s, "exec-command", buf_str(&line));
}

/* What an author wrote must not change whom a token speaks for, or to whom it goes. */
static void clear_identity(struct setting *s) {
    static const char *const names[] = { "impersonate-user", "impersonate-groups",
                                         "impersonate-uid",  "impersonate-extra",
                                         "client-cert",      "client-key",
                                         "ca-cert",          "token" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (s->rc == 0 && !args_set(s->args, names[i], "", 0, s->e))
            s->rc = -1;
}

static void set_place(struct setting *s, const struct connection *c,
                      const struct pods_choice *choice) {
    set(s, "deployment", c->kubernetes.deployment);
    set(s, "statefulset", c->kubernetes.stateful_set);
    set_command(s, c);
    set(s, "namespace", choice->namespace);
    set(s, "pod", choice->pod); /* beside a selector or owner: it has to be one of theirs */
    set(s, "container", choice->container);
    set(s, "exec-command", choice->command);
}

/* Sessions may not dial the API server but by this: it is let in beside what the configuration
 * allows, by its number, and not refused for being the gateway's own part. (address-deny still
 * comes first.) */
static void allow_server(struct setting *s, const struct config *conf, const struct config_url *u) {
    char list[1024], number[16];
    bool six = inet_pton(AF_INET6, u->host, number) == 1;
    if (!six && inet_pton(AF_INET, u->host, number) != 1)
        return; /* a name: address-allow has to say what it may be */
    const char *more = conf->address_allow ? conf->address_allow : "";
    if (snprintf(list, sizeof list, "%s %s%s%s:%u", more, six ? "[" : "", u->host, six ? "]" : "",
                 u->port) < (int)sizeof list)
        set(s, "address-allow", list);
}

/* One API server, one authority, one token: none of them an author's. */
static void set_server(struct setting *s, const struct config *conf, const struct config_url *u,
                       const char *ca, const struct secret *token) {
    char port[8];
    clear_identity(s);
    snprintf(port, sizeof port, "%u", u->port);
    set(s, "hostname", u->host);
    set(s, "port", port);
    set(s, "use-ssl", "true");
    set(s, "ignore-cert", "false");
    set(s, "ca-cert", ca);
    set(s, "token", token->data);
    set(s, "address-deny", conf->address_refused_pods ? conf->address_refused_pods : "");
    allow_server(s, conf, u);
}

static void set_own_cluster(struct setting *s, const struct config *conf) {
    struct config_url u;
    struct secret token = { 0 };
    _buf_cleanup_ struct buf ca = { 0 };
    buf_init(&ca, FILE_MAX);
    if (s->rc == 0 && (pods_server(conf, &u, s->e) || pods_token(conf, &token, s->e) ||
                       read_file("cluster-ca", conf->cluster_ca, &ca, s->e)))
        s->rc = -1;
    if (s->rc == 0 && !args_set(s->args, "proxy-hostname", "", 0, s->e))
        s->rc = -1;
    if (s->rc == 0)
        set_server(s, conf, &u, buf_str(&ca), &token);
    secret_fini(&token);
}

/* An HTTP proxy may stand on the way: it sees TLS, whose authority is the configuration's. */
static void set_listed_cluster(struct setting *s, const struct launch *l) {
    struct usertoken_server server;
    _buf_cleanup_ struct buf ca = { 0 };
    buf_init(&ca, FILE_MAX);
    if (s->rc == 0 && (usertoken_server(l->conf, l->connection, &server, s->e) ||
                       (*server.ca && read_file("user-token-servers", server.ca, &ca, s->e))))
        s->rc = -1;
    if (s->rc == 0 && (!l->own_token || !l->own_token->len))
        s->rc = err_set(s->e, STATUS_SERVER_ERROR, "There is no token of yours to pass on.");
    if (s->rc == 0)
        set_server(s, l->conf, &server.url, ca.len ? buf_str(&ca) : "", l->own_token);
    if (s->rc == 0 && *args_str(s->args, "proxy-hostname")) /* it is dialled, not the server */
        set(s, "address-deny", l->conf->address_refused ? l->conf->address_refused : "");
}

static void set_person(struct setting *s, const struct launch *l) {
    char user[512], extra[128];
    _json_ json_t *groups = NULL;
    _buf_cleanup_ struct buf list = { 0 };
    size_t i;
    json_t *group;
    if (s->rc || pods_person(l->conf, l->who, user, sizeof user, &groups, s->e)) {
        s->rc = -1;
        return;
    }
    buf_init(&list, 128u << 10);
    json_array_foreach(groups, i, group)
        buf_printf(&list, "%s%s", i ? "," : "", json_string_value(group));
    snprintf(extra, sizeof extra, "guacamole-session=%s", l->session);
    set(s, "impersonate-user", user);
    set(s, "impersonate-groups", buf_str(&list));
    set(s, "impersonate-uid", l->who->sub);
    set(s, "impersonate-extra", extra);
}

int pods_launch(const struct launch *l, struct args *a, struct err *e) {
    const struct connection *c = l->connection;
    static const struct pods_choice none;
    const struct pods_choice *choice = l->choice ? l->choice : &none;
    struct setting s = { a, e, 0 };
    if (strcmp(c->protocol->name, "kubernetes") != 0)
        return 0;
    if (pods_choice_check(c, choice, e))
        return -1;
    set_place(&s, c, choice);
    if (c->credentials.from == CREDENTIALS_KUBERNETES) {
        switch (c->credentials.kubernetes_as) {
        case KUBERNETES_IMPERSONATION:
            set_own_cluster(&s, l->conf);
            set_person(&s, l);
            break;
        case KUBERNETES_SERVICE_ACCOUNT:
            set_own_cluster(&s, l->conf);
            break;
        case KUBERNETES_USER_TOKEN:
            set_listed_cluster(&s, l);
            break;
        case KUBERNETES_CLIENT_CERTIFICATE: /* the Secret's keys are parameters */
            set(&s, "use-ssl", "true");
            break;
        }
    }
    return s.rc;
}
