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

struct ports {
    uint16_t list[24];
    size_t count;
};

static int add_port(const char *item, void *arg) {
    struct ports *p = arg;
    long n = strtol(item, NULL, 10);
    if (n < 1 || n > 65535 || p->count == ARRAY_LEN(p->list))
        return -1;
    p->list[p->count++] = (uint16_t)n;
    return 0;
}

static void folder_of(const char *path, char *out, size_t size) {
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    snprintf(out, size, "%s", dirname(copy));
}

/* The API servers that the picker asks with people's own tokens. */
#define SERVERS_MAX 8

struct servers {
    struct ports *ports;
    char ca[SERVERS_MAX][512];
    size_t count;
    bool names;
};

static int add_server(const struct usertoken_server *s, void *arg) {
    struct servers *w = arg;
    if (w->ports->count == ARRAY_LEN(w->ports->list) || w->count == SERVERS_MAX)
        return 1;
    w->ports->list[w->ports->count++] = s->url.port;
    w->names = w->names || !dial_needs_no_resolver(s->url.host);
    memcpy(w->ca[w->count++], s->ca, sizeof s->ca);
    return 0;
}

int doors_lock(const struct config *c, struct err *e) {
    char audit[PATH_MAX] = "", own[PATH_MAX];
    snprintf(own, sizeof own, "%s/authd", c->run);
    struct ports ports = { .count = 0 };
    struct config_url u;
    if (c->audit_file && *c->audit_file)
        folder_of(c->audit_file, audit, sizeof audit);
    bool names = c->connect_ports && *c->connect_ports;
    if (c->oidc_issuer && *c->oidc_issuer && config_url(c->oidc_issuer, &u, e) == 0) {
        names = names || !dial_needs_no_resolver(u.host);
        ports.list[ports.count++] = u.port;
        ports.list[ports.count++] = 53; /* a resolver may fall back to TCP */
    }
    char token[PATH_MAX], ca[PATH_MAX];
    struct err none = { 0 };
    folder_of(c->cluster_token, token, sizeof token);
    folder_of(c->cluster_ca, ca, sizeof ca);
    if (pods_server(c, &u, &none) == 0) {
        names = names || !dial_needs_no_resolver(u.host);
        ports.list[ports.count++] = u.port;
    }
    const char *more[] = { c->audit_opensearch, c->audit_syslog };
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        char url[800];
        snprintf(url, sizeof url, "%s%s", i ? "http://" : "", more[i] ? more[i] : "");
        if (!more[i] || !*more[i] || config_url(url, &u, &none))
            continue;
        names = names || !dial_needs_no_resolver(u.host);
        ports.list[ports.count++] = u.port;
    }
    if (c->connect_ports && conf_each(c->connect_ports, add_port, &ports))
        return err_set(e, 0, "connect-ports: at most %zu ports of 1…65535",
                       ARRAY_LEN(ports.list) - 5);
    struct servers servers = { .ports = &ports };
    int more_servers = usertoken_each(c, add_server, &servers, e);
    if (more_servers)
        return more_servers < 0
                   ? -1
                   : err_set(e, 0, "user-token-servers: at most %d are served", SERVERS_MAX);
    names = names || servers.names;
    const char *account = c->audit_opensearch_account;
    struct sandbox_path paths[16 + SERVERS_MAX] = {
        { account && *account ? account : own, SANDBOX_READ },
        { c->run, SANDBOX_READ },
        { own, SANDBOX_WRITE }, /* the link */
        { c->in_cluster ? own : c->resources_path, SANDBOX_WRITE },
        { c->in_cluster ? own : c->folder, SANDBOX_READ },
        { c->cookie_keys, SANDBOX_READ },
        { *audit ? audit : c->run, SANDBOX_WRITE },
        { c->oidc_ca && *c->oidc_ca ? c->oidc_ca : own, SANDBOX_READ },
        { c->audit_opensearch_ca && *c->audit_opensearch_ca ? c->audit_opensearch_ca : own,
          SANDBOX_READ },
        { token, SANDBOX_READ }, /* the folder: a pod's files are links that change */
        { ca, SANDBOX_READ },
    };
    size_t path_count = 0;
    while (paths[path_count].path)
        path_count++;
    for (size_t i = 0; i < servers.count; i++)
        if (*servers.ca[i])
            paths[path_count++] = (struct sandbox_path){ servers.ca[i], SANDBOX_READ };
    const struct sandbox_profile profile = { .paths = paths,
                                             .path_count = path_count,
                                             .connect_ports = ports.list,
                                             .connect_port_count = ports.count,
                                             .unix_sockets = true,
                                             .datagrams = names,
                                             .libraries = true,
                                             .memory_files = true,
                                             .tls = true };
    const struct sandbox_options options = { .allow_no_seccomp = c->allow_no_seccomp };
    return sandbox_begin(e) || sandbox_enter(&profile, &options, e) ? -1 : 0;
}
