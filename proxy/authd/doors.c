/* One list of paths and ports: what is not in it cannot be read, written or dialled. */
#include "proxy/authd/doors.h"

#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/dial.h"
#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"
#include "proxy/authd/pods.h"
#include "proxy/authd/usertoken.h"

#define SERVERS_MAX 8 /* of user-token-servers */

struct doors {
    uint16_t ports[24];
    size_t port_count;
    struct sandbox_path paths[16 + SERVERS_MAX];
    size_t path_count;
    bool names; /* somebody is called by a name, so a resolver is asked */
    char own[PATH_MAX], audit[PATH_MAX], token[PATH_MAX], ca[PATH_MAX];
    char server_ca[SERVERS_MAX][512];
    size_t servers;
};

static int add_port(struct doors *d, uint16_t port) {
    if (d->port_count == ARRAY_LEN(d->ports))
        return -1;
    d->ports[d->port_count++] = port;
    return 0;
}

static int add_host(struct doors *d, const struct config_url *u) {
    d->names = d->names || !dial_needs_no_resolver(u->host);
    return add_port(d, u->port);
}

/* "" and NULL: none. */
static void add_path(struct doors *d, const char *path, enum sandbox_access access) {
    if (path && *path)
        d->paths[d->path_count++] = (struct sandbox_path){ path, access };
}

static const char *folder_of(const char *path, char *out, size_t size) {
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    snprintf(out, size, "%s", dirname(copy));
    return out;
}

/* ---- who is dialled -------------------------------------------------------------------------- */

static int add_written(const char *item, void *arg) {
    long n = strtol(item, NULL, 10);
    return n < 1 || n > 65535 ? -1 : add_port(arg, (uint16_t)n);
}

/* The API servers that the picker asks with people's own tokens. */
static int add_server(const struct usertoken_server *s, void *arg) {
    struct doors *d = arg;
    if (d->servers == SERVERS_MAX || add_host(d, &s->url))
        return 1;
    memcpy(d->server_ca[d->servers], s->ca, sizeof s->ca);
    add_path(d, d->server_ca[d->servers++], SANDBOX_READ);
    return 0;
}

static int dialled(struct doors *d, const struct config *c, struct err *e) {
    struct config_url u;
    struct err none = { 0 };
    if (c->oidc_issuer && *c->oidc_issuer && config_url(c->oidc_issuer, &u, e) == 0) {
        add_host(d, &u);
        add_port(d, 53); /* a resolver may fall back to TCP */
    }
    if (pods_server(c, &u, &none) == 0)
        add_host(d, &u);
    const char *sinks[] = { c->audit_opensearch, c->audit_syslog };
    for (size_t i = 0; i < ARRAY_LEN(sinks); i++) {
        char url[800];
        snprintf(url, sizeof url, "%s%s", i ? "http://" : "", sinks[i] ? sinks[i] : "");
        if (sinks[i] && *sinks[i] && config_url(url, &u, &none) == 0)
            add_host(d, &u);
    }
    size_t before = d->port_count;
    d->names = d->names || (c->connect_ports && *c->connect_ports);
    if (c->connect_ports && conf_each(c->connect_ports, add_written, d))
        return err_set(e, 0, "connect-ports: at most %zu ports of 1…65535",
                       ARRAY_LEN(d->ports) - before);
    int rc = usertoken_each(c, add_server, d, e);
    if (rc > 0)
        err_set(e, 0, "user-token-servers: at most %d are served", SERVERS_MAX);
    return rc ? -1 : 0;
}

/* ---- what is opened -------------------------------------------------------------------------- */

static void opened(struct doors *d, const struct config *c) {
    snprintf(d->own, sizeof d->own, "%s/authd", c->run);
    add_path(d, c->run, SANDBOX_READ);
    add_path(d, d->own, SANDBOX_WRITE); /* the link */
    if (!c->in_cluster) {
        add_path(d, c->resources_path, SANDBOX_WRITE);
        add_path(d, c->folder, SANDBOX_READ);
    }
    add_path(d, c->cookie_keys, SANDBOX_READ);
    if (c->audit_file && *c->audit_file)
        add_path(d, folder_of(c->audit_file, d->audit, sizeof d->audit), SANDBOX_WRITE);
    add_path(d, c->audit_opensearch_account, SANDBOX_READ);
    add_path(d, c->audit_opensearch_ca, SANDBOX_READ);
    add_path(d, c->oidc_ca, SANDBOX_READ);
    /* the folders: a pod's files are links that change */
    add_path(d, folder_of(c->cluster_token, d->token, sizeof d->token), SANDBOX_READ);
    add_path(d, folder_of(c->cluster_ca, d->ca, sizeof d->ca), SANDBOX_READ);
}

int doors_lock(const struct config *c, struct err *e) {
    struct doors d = { .port_count = 0 };
    opened(&d, c);
    if (dialled(&d, c, e))
        return -1;
    const struct sandbox_profile profile = { .paths = d.paths,
                                             .path_count = d.path_count,
                                             .connect_ports = d.ports,
                                             .connect_port_count = d.port_count,
                                             .unix_sockets = true,
                                             .datagrams = d.names,
                                             .libraries = true,
                                             .memory_files = true,
                                             .tls = true };
    const struct sandbox_options options = { .allow_no_seccomp = c->allow_no_seccomp };
    return sandbox_begin(e) || sandbox_enter(&profile, &options, e) ? -1 : 0;
}
