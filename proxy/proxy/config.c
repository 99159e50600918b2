/* See config.h. */
#include "proxy/proxy/config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROW(key_, type_, member_, def_, min_, max_, opt_, help_) \
    { \
        .key = key_, .type = type_, .offset = offsetof(struct proxy_config, member_), .def = def_, \
        .min = min_, .max = max_, .short_opt = opt_, .help = help_ \
    }

static const struct conf_row rows[] = {
    ROW("listen", CONF_STRING, listen, "127.0.0.1:8080", 0, 0, 'l',
        "Address, in numbers, and port browsers connect to; without an address: all."),
    ROW("admin-listen", CONF_STRING, admin_listen, "127.0.0.1:9080", 0, 0, 0,
        "Address and port of /metrics, /healthz and /readyz; empty: none."),
    ROW("run", CONF_PATH, run, "/run/guac", 0, 0, 0,
        "Folder of the programs' sockets; authd.sock is looked for there."),
    ROW("web", CONF_PATH, web, "/usr/share/guac/web", 0, 0, 0, "Folder of the page's files."),
    ROW("tls-cert", CONF_PATH, tls_cert, "", 0, 0, 0,
        "PEM certificate chain; with tls-key the listener speaks HTTPS."),
    ROW("tls-key", CONF_SECRET_FILE, tls_key, "", 0, 0, 0, "PEM private key."),
    ROW("trusted-proxies", CONF_LIST, trusted_proxies, "", 0, 0, 0,
        "Addresses or CIDRs whose X-Forwarded-For is believed."),
    ROW("max-tunnels", CONF_INT, max_tunnels, "10000", 1, 1000000, 0,
        "Open sessions at one time; more are told that the gateway is busy."),
    ROW("max-waiting", CONF_INT, max_waiting, "256", 1, 100000, 0,
        "Connections of one address, or of one /64 of IPv6, that were not answered or admitted "
        "yet; more are hung up on. Those of trusted-proxies are not counted."),
    ROW("relay-listen", CONF_STRING, relay_listen, "", 0, 0, 0,
        "Address and port, in numbers, where other replicas' proxies bring requests for sessions "
        "of this one; empty: none. For the network between replicas only."),
    ROW("relay-ports", CONF_LIST, relay_ports, "", 0, 0, 0,
        "Ports of other replicas' relay-listen; empty: the same as here."),
    ROW("relay-waiting", CONF_INT, relay_waiting, "64", 1, 10000, 0,
        "Relays that have come in and are not admitted yet; more are refused."),
    ROW("log-level", CONF_STRING, log_level, "info", 0, 0, 'L',
        "error, warning, info, debug or trace."),
    ROW("allow-no-seccomp", CONF_BOOL, allow_no_seccomp, "no", 0, 0, 0,
        "Start even where the kernel has no seccomp."),
};

const struct conf_table proxy_conf = {
    .program = "guac-proxy",
    .purpose = "Serves the page and relays sessions between browsers and guacd-session.",
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .default_file = "/etc/guac/guac-proxy.conf",
};

int proxy_parse_listen(const char *text, struct proxy_listen *out, struct err *e) {
    struct proxy_listen l = { .family = AF_UNSPEC };
    const char *colon = strrchr(text, ':'), *from = text;
    const char *number = colon ? colon + 1 : text;
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (brackets) {
        from++;
        len -= 2;
    }
    char *end = NULL;
    long value = strtol(number, &end, 10);
    if (*number < '0' || *number > '9' || *end || value < 1 || value > 65535 ||
        len >= sizeof l.address)
        return err_set(e, 0x0300, "listen: '%s' is not address:port", text);
    memcpy(l.address, from, len);
    l.port = (int)value;
    unsigned char bytes[16];
    if (len > 0 || brackets) {
        l.family = brackets ? AF_INET6 : AF_INET;
        if (inet_pton(l.family, l.address, bytes) != 1)
            return err_set(e, 0x0300,
                           "listen: '%s' names no address in numbers, as 127.0.0.1:8080 or "
                           "[::1]:8080 do; :8080 means all",
                           text);
    }
    *out = l;
    return 0;
}
