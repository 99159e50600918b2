/* See own.h. */
#include "proxy/authd/own.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/dial.h"
#include "guacd/base/log.h"
#include "proxy/authd/pods.h"

#define LIST_MAX 8192

void own_refuse(const struct config *c, const struct sockaddr *sa, struct buf *list) {
    const struct dial_policy policy = { .allow = c->address_allow };
    struct err ignored = { 0 };
    char host[64];
    socklen_t len =
        sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (dial_allowed_by_name(&policy, sa) || dial_check(&policy, sa, &ignored) < 0 ||
        getnameinfo(sa, len, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        return;
    buf_printf(list, "%s%s", list->len ? " " : "", host);
}

static void refuse_host(const struct config *c, const char *host, unsigned port, struct buf *list) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int r = getaddrinfo(host, service, &hints, &found);
    if (r != 0) {
        log_warning("%s cannot be resolved (%s): connections to its address are not refused for "
                    "being the gateway's own part; put it into address-deny",
                    host, gai_strerror(r));
        return;
    }
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        own_refuse(c, a->ai_addr, list);
    freeaddrinfo(found);
}

struct hosts {
    const struct config *c;
    struct buf *list;
};

static int add_host(const char *item, void *arg) {
    struct hosts *h = arg;
    refuse_host(h->c, item, 1, h->list);
    return 0;
}

int own_addresses(struct config *c, struct err *e) {
    struct config_url u;
    struct err none = { 0 };
    struct buf list;
    struct hosts hosts = { c, &list };
    buf_init(&list, LIST_MAX);
    buf_puts(&list, c->address_deny ? c->address_deny : "");
    if (c->oidc_issuer && *c->oidc_issuer && config_url(c->oidc_issuer, &u, &none) == 0)
        refuse_host(c, u.host, u.port, &list);
    if (c->gateway_hosts)
        conf_each(c->gateway_hosts, add_host, &hosts);
    c->address_refused_pods = strdup(buf_str(&list) ? buf_str(&list) : "");
    if (pods_server(c, &u, &none) == 0)
        refuse_host(c, u.host, u.port, &list);
    c->address_refused = strdup(buf_str(&list) ? buf_str(&list) : "");
    bool ok = c->address_refused && c->address_refused_pods && !list.failed;
    if (ok && list.len)
        log_info("connections may not lead to %s", c->address_refused);
    buf_fini(&list);
    return ok ? 0 : err_set(e, 0, "address-deny: too long a list");
}
