/* The address policy: pure, no resolver and no socket, so that every rule can be tested. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/dial.h"
#include "guacd/base/util.h"

#define STATUS_FORBIDDEN 0x0303
#define ITEM_MAX 80

/* An address as its family's 4 or 16 bytes; what is IPv4 inside IPv6 counts as IPv4. */
struct address {
    int family;
    uint8_t bytes[16];
    uint16_t port;
};

struct rule {
    struct address net;
    unsigned bits;
    bool has_port;
};

static const uint8_t MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
static const uint8_t NAT64[12] = { 0, 0x64, 0xff, 0x9b };
static const uint8_t COMPATIBLE[12] = { 0 };

static void to_ipv4(struct address *a) {
    memmove(a->bytes, a->bytes + 12, 4);
    memset(a->bytes + 4, 0, 12);
    a->family = AF_INET;
}

static void unmap(struct address *a) {
    if (a->family == AF_INET6 && memcmp(a->bytes, MAPPED, sizeof MAPPED) == 0)
        to_ipv4(a);
}

static bool from_sockaddr(struct address *a, const struct sockaddr *sa) {
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        *a = (struct address){ .family = AF_INET, .port = ntohs(in.sin_port) };
        memcpy(a->bytes, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof in);
        *a = (struct address){ .family = AF_INET6, .port = ntohs(in.sin6_port) };
        memcpy(a->bytes, &in.sin6_addr, 16);
        unmap(a);
    } else {
        return false;
    }
    return true;
}

static bool decimal(const char *s, unsigned long max, unsigned long *out) {
    unsigned long v = 0;
    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || (v = v * 10 + (unsigned long)(*s - '0')) > max)
            return false;
    }
    *out = v;
    return true;
}

/* address, address/bits, [address], each with :port; an IPv6 address needs its brackets then. */
static bool parse_rule(struct rule *r, const char *item, size_t len) {
    char text[ITEM_MAX];
    if (len >= sizeof text)
        return false;
    memcpy(text, item, len);
    text[len] = '\0';
    *r = (struct rule){ .bits = 0 };

    char *address = text, *rest;
    char *last_colon = strrchr(text, ':');
    if (text[0] == '[') {
        address = text + 1;
        char *close = strchr(address, ']');
        if (!close)
            return false;
        *close = '\0';
        rest = close + 1;
        if (*rest == '/') { /* [net]/bits as well as [net/bits] */
            if (strchr(address, '/'))
                return false;
            char *port = strchr(rest, ':');
            size_t n = port ? (size_t)(port - rest) : strlen(rest);
            memmove(close, rest, n);
            close[n] = '\0';
            rest = port ? port : close + n;
        }
        if (!strchr(address, ':'))
            return false;
    } else if (last_colon && strchr(text, ':') == last_colon) {
        rest = last_colon;
    } else {
        rest = text + len;
    }
    if (*rest) {
        unsigned long port;
        if (*rest != ':' || !decimal(rest + 1, 65535, &port) || port == 0)
            return false;
        r->has_port = true;
        r->net.port = (uint16_t)port;
        *rest = '\0';
    }

    char *slash = strchr(address, '/');
    if (slash)
        *slash = '\0';
    r->net.family = strchr(address, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(r->net.family, address, r->net.bytes) != 1)
        return false;
    unsigned long width = r->net.family == AF_INET ? 32 : 128, bits = width;
    if (slash && !decimal(slash + 1, width, &bits))
        return false;
    if (bits >= 96 && r->net.family == AF_INET6) {
        unmap(&r->net);
        bits -= r->net.family == AF_INET ? 96 : 0;
    }
    r->bits = (unsigned)bits;
    return true;
}

static bool rule_matches(const struct rule *r, const struct address *a) {
    if (r->net.family != a->family || (r->has_port && r->net.port != a->port))
        return false;
    if (memcmp(r->net.bytes, a->bytes, r->bits / 8) != 0)
        return false;
    unsigned rest = r->bits % 8;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return ((r->net.bytes[r->bits / 8] ^ a->bytes[r->bits / 8]) & mask) == 0;
}

/* The next item of a list, or false. */
static bool next_item(const char **list, const char **item, size_t *len) {
    static const char between[] = " \t\r\n,";
    if (!*list)
        return false;
    *item = *list + strspn(*list, between);
    *len = strcspn(*item, between);
    *list = *item + *len;
    return *len > 0;
}

/* An item that cannot be read counts as `broken` says: whichever way refuses more. */
static bool list_matches(const char *list, const struct address *a, bool broken) {
    const char *item;
    size_t len;
    struct rule r;
    while (next_item(&list, &item, &len))
        if (parse_rule(&r, item, len) ? rule_matches(&r, a) : broken)
            return true;
    return false;
}

static int check_list(const char *name, const char *list, struct err *e) {
    const char *item;
    size_t len;
    struct rule r;
    while (next_item(&list, &item, &len))
        if (!parse_rule(&r, item, len))
            return err_set(e, 0, "%s: '%.*s' is no address, CIDR or address:port", name,
                           (int)MIN_OF(len, (size_t)ITEM_MAX), item);
    return 0;
}

int dial_policy_check(const struct dial_policy *p, struct err *e) {
    if (check_list("allowed addresses", p->allow, e) < 0)
        return -1;
    return check_list("denied addresses", p->deny, e);
}

/* What the default refuses. NAT64 and IPv4-compatible addresses count by the IPv4 inside. */
static const char *default_refusal(const struct address *given) {
    static const struct {
        const char *nets, *name;
    } rows[] = {
        { "127.0.0.0/8 ::1", "loopback" }, { "169.254.0.0/16 fe80::/10", "link-local" },
        { "0.0.0.0/8 ::", "unspecified" }, { "224.0.0.0/4 ff00::/8", "multicast" },
        { "240.0.0.0/4", "reserved" },
    };
    struct address a = *given;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (list_matches(rows[i].nets, &a, true))
            return rows[i].name;
    if (a.family == AF_INET6 && (memcmp(a.bytes, NAT64, sizeof NAT64) == 0 ||
                                 memcmp(a.bytes, COMPATIBLE, sizeof COMPATIBLE) == 0)) {
        to_ipv4(&a);
        return default_refusal(&a);
    }
    return NULL;
}

int dial_check(const struct dial_policy *p, const struct sockaddr *sa, struct err *e) {
    struct address a;
    if (!from_sockaddr(&a, sa))
        return err_set(e, STATUS_FORBIDDEN, "refused by the address policy: no IP address");
    char text[INET6_ADDRSTRLEN] = "?";
    inet_ntop(a.family, a.bytes, text, sizeof text);
    if (list_matches(p->deny, &a, true))
        return err_set(e, STATUS_FORBIDDEN, "%s port %u is refused by the address policy", text,
                       a.port);
    if (p->any || list_matches(p->allow, &a, false))
        return 0;
    const char *why = default_refusal(&a);
    if (why)
        return err_set(e, STATUS_FORBIDDEN, "%s port %u is refused by the address policy (%s)",
                       text, a.port, why);
    return 0;
}

bool dial_allowed_by_name(const struct dial_policy *p, const struct sockaddr *sa) {
    struct address a;
    return p->any || (from_sockaddr(&a, sa) && list_matches(p->allow, &a, false));
}

bool dial_listed(const char *list, const char *address) {
    struct rule r;
    return parse_rule(&r, address, strlen(address)) && !r.has_port &&
           r.bits == (r.net.family == AF_INET ? 32 : 128) && list_matches(list, &r.net, false);
}

bool dial_same_host(const struct sockaddr *x, const struct sockaddr *y) {
    struct address a, b;
    return from_sockaddr(&a, x) && from_sockaddr(&b, y) && a.family == b.family &&
           memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool dial_needs_no_resolver(const char *host) {
    char bare[INET6_ADDRSTRLEN];
    struct in6_addr any;
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &any) == 1 ||
        inet_pton(AF_INET6, host, &any) == 1)
        return true;
    if (len < 3 || len - 2 >= sizeof(bare) || host[0] != '[' || host[len - 1] != ']')
        return false;
    memcpy(bare, host + 1, len - 2);
    bare[len - 2] = '\0';
    return inet_pton(AF_INET6, bare, &any) == 1;
}
