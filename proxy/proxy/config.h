/* guac-proxy's configuration. */
#ifndef GUAC_PROXY_CONFIG_H
#define GUAC_PROXY_CONFIG_H

#include "guacd/base/conf.h"

struct proxy_config {   /* strings are NULL while unset */
    char *listen;       /* address:port */
    char *admin_listen; /* address:port */
    char *run;
    char *web;
    char *tls_cert, *tls_key;
    char *trusted_proxies;
    char *relay_listen; /* address:port in numbers */
    char *relay_ports;
    long relay_waiting;
    char *log_level;
    long max_tunnels;
    long max_waiting;
    bool allow_no_seccomp;
};

extern const struct conf_table proxy_conf;

struct proxy_listen {
    char address[46]; /* in numbers, without brackets; "" : all of the machine's */
    int family;       /* AF_INET, AF_INET6; AF_UNSPEC where address is "" */
    int port;         /* 1 to 65535 */
};

/* "127.0.0.1:8080", "[::1]:8080", ":8080" and "8080". *out stays untouched on failure. */
int proxy_parse_listen(const char *text, struct proxy_listen *out, struct err *e);

#endif
