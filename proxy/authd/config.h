/* guac-authd's configuration: one table, see config.c; and what is derived from it once. */
#ifndef GUAC_AUTHD_CONFIG_H
#define GUAC_AUTHD_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "guacd/base/conf.h"
#include "guacd/base/err.h"

#define CONFIG_UIDS_MAX 16

struct config {
    /* rows of the table */
    char *run, *public_url, *gateway_name, *trusted_uids, *folder, *log_level;
    char *store, *namespaces;
    char *resources, *namespace;
    char *relay_address;
    long workers;
    char *cookie_keys, *gateway_key, *log_origin;
    bool create_keys;
    char *audit_file, *audit_syslog;
    char *audit_opensearch, *audit_opensearch_account, *audit_opensearch_ca;
    long claims_minutes;
    char *keycloak_user, *keycloak_password, *keycloak_realm;
    char *oidc_issuer, *oidc_client, *oidc_secret, *oidc_ca, *oidc_scopes;
    long oidc_clock_skew;
    bool oidc_insecure_http;
    char *roles_claim, *groups_claim, *operator_roles, *auditor_roles, *moderator_roles,
        *hold_roles;
    bool check;
    bool dev_link;
    char *dev_user, *dev_roles;
    char *address_allow, *address_deny, *gateway_hosts;
    long request_hours, keep_days, unrefreshed_seconds;
    long grace_seconds, warn_seconds, idle_minutes, max_minutes, sessions_per_person;
    long sign_ins_per_minute, tunnels_per_minute, opens_per_minute, at_once, dials_at_once;
    long tap_soft_bytes, tap_hard_bytes, tap_soft_ms, tap_hard_ms;
    char *connect_ports;
    char *cluster_server, *cluster_ca, *cluster_token, *impersonate_prefix, *impersonate_claim,
        *user_token_servers;
    bool show_refused, allow_no_seccomp;
    /* derived by config_derive() */
    bool in_cluster; /* store = kubernetes */
    /* by own_addresses(): address-deny and what the gateway stands on; for sessions in pods, whose
     * target the API server is, without that */
    char *address_refused, *address_refused_pods;
    char resources_path[400];
    char origin[300];               /* scheme://host[:port] of public-url, as browsers send it */
    bool secure;                    /* public-url is https */
    bool loopback;                  /* its host is this machine's loopback */
    unsigned uids[CONFIG_UIDS_MAX]; /* trusted-uids */
    size_t uid_count;
    json_t *operators, *auditors, *moderators, *holders, *developer_roles, *role_paths;
};

extern const struct conf_table config_table;

/* Checks what one row cannot, and fills the derived members. */
int config_derive(struct config *c, struct err *e);
void config_fini(struct config *c);
/* scheme, host and port of an absolute http(s) URL without user information; port filled in. */
struct config_url {
    bool https;
    char host[254];
    unsigned short port;
    size_t path_at; /* offset of what follows the authority */
};
int config_url(const char *text, struct config_url *out, struct err *e);
bool config_is_loopback(const char *host);

#endif
