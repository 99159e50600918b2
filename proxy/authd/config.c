/* Every key of guac-authd. */
#include "proxy/authd/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crd/cluster.h"
#include "crd/field.h"
#include "guacd/base/dial.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "proxy/authd/pods.h"
#include "proxy/authd/usertoken.h"
#include "recording/note.h"

#define ROW(key_, type_, member_, def_, min_, max_, help_) \
    { \
        .key = key_, .type = type_, .offset = offsetof(struct config, member_), .def = def_, \
        .min = min_, .max = max_, .help = help_ \
    }
#define TEXT(key_, type_, member_, def_, help_) \
    { \
        .key = key_, .type = type_, .offset = offsetof(struct config, member_), .def = def_, \
        .help = help_ \
    }

static const struct conf_row rows[] = {
    TEXT("run", CONF_PATH, run, "/run/guac", "Folder of the programs' sockets."),
    TEXT("public-url", CONF_STRING, public_url, NULL,
         "The gateway's address as browsers see it; https, or http on loopback."),
    TEXT("gateway-name", CONF_STRING, gateway_name, "guac",
         "This gateway's name in recordings and audit events."),
    TEXT("trusted-uids", CONF_LIST, trusted_uids, "",
         "User ids or names of the other programs: who may connect here, and whom we connect to."),
    TEXT("folder", CONF_PATH, folder, "/etc/guac/connections",
         "Folder of GuacamoleConnection and EnvironmentPolicy YAML, and of secrets/."),
    TEXT("store", CONF_STRING, store, "folder",
         "Where resources are: folder (the keys folder and resources), or kubernetes (the keys "
         "namespaces and cluster-…)."),
    TEXT("namespaces", CONF_LIST, namespaces, "",
         "Namespaces whose connections are served with store = kubernetes; * for all, empty for "
         "the pod's own."),
    TEXT("resources", CONF_PATH, resources, "",
         "Folder for access requests, approvals, sessions and locks, one that all replicas share; "
         "empty: RUN/authd/resources."),
    TEXT("namespace", CONF_STRING, namespace, "guacamole", "Namespace that locks are written to."),
    TEXT("relay-address", CONF_STRING, relay_address, "",
         "Where other replicas' proxies reach this one's relay-listen, address:port in numbers; "
         "empty: sessions of this one can be used at this one only."),
    ROW("workers", CONF_INT, workers, "16", 1, 64, "Requests handled at one time."),
    TEXT("log-level", CONF_STRING, log_level, "info", "error, warning, info, debug or trace."),

    TEXT("cookie-keys", CONF_SECRET_FILE, cookie_keys, NULL,
         "File of base64 keys of 32 bytes that seal cookies, one a line, the newest first."),
    TEXT("gateway-key", CONF_SECRET_FILE, gateway_key, NULL,
         "PEM file of the Ed25519 key that signs open records and seals."),
    TEXT("log-origin", CONF_STRING, log_origin, "guacamole-recordings",
         "Name of the log over all sessions in its checkpoints; one for all gateways that share "
         "it."),
    TEXT("create-keys", CONF_BOOL, create_keys, "no",
         "Make the two key files if they are missing."),
    TEXT("audit-file", CONF_PATH, audit_file, "",
         "File that audit events are appended to, one JSON object a line."),
    TEXT("audit-syslog", CONF_STRING, audit_syslog, "",
         "host:port of a syslog server that gets audit events by TCP (RFC 5424, octet counting)."),
    TEXT(
        "audit-opensearch", CONF_STRING, audit_opensearch, "",
        "URL of an OpenSearch index that gets audit events, such as https://host:9200/guac-audit."),
    TEXT("audit-opensearch-account", CONF_SECRET_FILE, audit_opensearch_account, "",
         "File of user:password there; empty: none."),
    TEXT("audit-opensearch-ca", CONF_PATH, audit_opensearch_ca, "",
         "CA certificates for it; empty: the system's."),
    ROW("claims-minutes", CONF_INT, claims_minutes, "15", 1, 720,
        "How long a sign-in's claims are believed until the page has to refresh them."),

    TEXT("oidc-issuer", CONF_STRING, oidc_issuer, "",
         "Issuer URL of the identity provider, such as https://host/realms/name; empty: none."),
    TEXT("oidc-client", CONF_STRING, oidc_client, "guacamole", "Our client id there."),
    TEXT("oidc-secret", CONF_SECRET_FILE, oidc_secret, "",
         "File of our client secret; empty for a public client."),
    TEXT("oidc-ca", CONF_PATH, oidc_ca, "", "CA certificates for the issuer; empty: the system's."),
    TEXT("keycloak-user", CONF_SECRET_FILE, keycloak_user, "",
         "For `client`: file with the name of who may manage the realm's clients."),
    TEXT("keycloak-password", CONF_SECRET_FILE, keycloak_password, "",
         "For `client`: file with the password."),
    TEXT("keycloak-realm", CONF_STRING, keycloak_realm, "master",
         "For `client`: realm that this user is of."),
    TEXT("oidc-scopes", CONF_STRING, oidc_scopes, "openid profile email", "Scopes asked for."),
    ROW("oidc-clock-skew", CONF_INT, oidc_clock_skew, "30", 0, 300,
        "Seconds that the issuer's clock may differ from ours."),
    TEXT("oidc-insecure-http", CONF_BOOL, oidc_insecure_http, "no",
         "Allow an issuer by http that is not on loopback."),
    TEXT("roles-claim", CONF_LIST, roles_claim, "",
         "Claims that hold roles; empty: realm_access.roles and resource_access.CLIENT.roles."),
    TEXT("groups-claim", CONF_STRING, groups_claim, "groups",
         "Claim that holds groups, which may be named as approvers; empty: none."),
    TEXT("operator-roles", CONF_LIST, operator_roles, "",
         "Roles that may open connections at all; empty: any that an audience names."),
    TEXT("auditor-roles", CONF_LIST, auditor_roles, "auditor", "Roles that may replay recordings."),
    TEXT("moderator-roles", CONF_LIST, moderator_roles, "",
         "Roles that see all live sessions and may end them."),

    ROW("request-hours", CONF_INT, request_hours, "24", 1, 168,
        "How long a request for access waits for its approvals."),
    ROW("unrefreshed-seconds", CONF_INT, unrefreshed_seconds, "600", 0, 86400,
        "How long a session goes on while its owner's sign-in is not refreshed; 0: for ever."),
    ROW("keep-days", CONF_INT, keep_days, "30", 1, 3650,
        "How long decided requests and ended sessions stay listed."),
    TEXT("hold-roles", CONF_LIST, hold_roles, "",
         "Roles that may set and clear legal holds on recordings; empty: nobody."),
    TEXT("dev-link", CONF_BOOL, dev_link, "no",
         "Development: sign in by a link that works once; only with http on loopback."),
    TEXT("dev-user", CONF_STRING, dev_user, "developer", "Who signs in by that link."),
    TEXT("dev-roles", CONF_LIST, dev_roles, "", "Their roles."),

    TEXT("address-allow", CONF_STRING, address_allow, "",
         "Addresses, CIDRs with optional :port, that sessions may dial beyond the default."),
    TEXT("address-deny", CONF_STRING, address_deny, "", "Addresses that sessions may never dial."),
    TEXT(
        "gateway-hosts", CONF_LIST, gateway_hosts, "",
        "Hosts that the gateway stands on beside Keycloak and the API server (the recording store, "
        "OpenSearch): no session dials them, or those two, unless address-allow names the "
        "address."),
    ROW("grace-seconds", CONF_INT, grace_seconds, "60", 0, 86400,
        "How long a session waits for its owner to come back."),
    ROW("warn-seconds", CONF_INT, warn_seconds, "60", 0, 3600,
        "How long before the end by time its users are warned."),
    ROW("idle-minutes", CONF_INT, idle_minutes, "0", 0, 10080,
        "Minutes without input after which a session ends, unless its connection says less; 0: "
        "none."),
    ROW("max-minutes", CONF_INT, max_minutes, "0", 0, 10080,
        "Longest session, unless its connection says less; 0: none."),
    ROW("sessions-per-person", CONF_INT, sessions_per_person, "0", 0, 1000,
        "Sessions a person may have at one time on this gateway; 0: any."),
    ROW("sign-ins-per-minute", CONF_INT, sign_ins_per_minute, "30", 0, 100000,
        "Sign-ins begun in a minute from one address; 0: any."),
    ROW("tunnels-per-minute", CONF_INT, tunnels_per_minute, "30", 0, 100000,
        "Tunnels a person may ask for in a minute, coming back included; 0: any."),
    ROW("opens-per-minute", CONF_INT, opens_per_minute, "30", 0, 100000,
        "Sessions a person may open in a minute; 0: any."),
    ROW("at-once", CONF_INT, at_once, "5", 0, 1000,
        "Sign-ins from one address, and tunnels of one person, that may be decided on at one "
        "moment; 0: any."),
    ROW("dials-at-once", CONF_INT, dials_at_once, "1", 0, 1000,
        "Sessions of one person being opened at one moment; the next waits for its turn. 0: any."),
    ROW("tap-soft-bytes", CONF_INT, tap_soft_bytes, "8388608", 65536, 1073741824,
        "Bytes the recording store is behind at which a session pauses."),
    ROW("tap-hard-bytes", CONF_INT, tap_hard_bytes, "16777216", 65536, 1073741824,
        "Bytes the recording store is behind at which a session ends."),
    ROW("tap-soft-ms", CONF_INT, tap_soft_ms, "5000", 100, 3600000,
        "Milliseconds the recording store is behind at which a session pauses."),
    ROW("tap-hard-ms", CONF_INT, tap_hard_ms, "10000", 100, 3600000,
        "Milliseconds the recording store is behind at which a session ends."),

    TEXT("cluster-server", CONF_STRING, cluster_server, "",
         "API server of the cluster this gateway runs in, https://host:port; empty: as a pod is "
         "told. The gateway's own token goes nowhere else."),
    TEXT("cluster-ca", CONF_PATH, cluster_ca, CLUSTER_ACCOUNT "/ca.crt", "Its CA certificates."),
    TEXT("cluster-token", CONF_PATH, cluster_token, CLUSTER_ACCOUNT "/token",
         "File of the gateway's own token there, read again for each use."),
    TEXT("impersonate-prefix", CONF_STRING, impersonate_prefix, "oidc:",
         "What stands before the names of people and their groups in that cluster; never empty, "
         "never system:."),
    TEXT("impersonate-claim", CONF_STRING, impersonate_claim, "preferred_username",
         "What a person is called there: preferred_username, or sub where people may rename "
         "themselves."),
    TEXT("user-token-servers", CONF_LIST, user_token_servers, "",
         "API servers that people's own ID tokens may go to, https://host:port each, or "
         "https://host:port=/path/of/ca.crt where the system does not know its authority."),
    TEXT("connect-ports", CONF_LIST, connect_ports, "",
         "TCP ports this program may connect to beside the issuer's."),
    TEXT("show-refused", CONF_BOOL, show_refused, "yes",
         "List connections that a person may not open, with the reason and without the target."),
    TEXT("check", CONF_BOOL, check, "no",
         "Try everything this depends on, tell all that is wrong at once, and end."),
    TEXT("allow-no-seccomp", CONF_BOOL, allow_no_seccomp, "no",
         "Start even where the kernel has no seccomp."),
};

const struct conf_table config_table = {
    .program = "guac-authd",
    .purpose = "Signs people in, decides who may open what, signs recordings, keeps the audit.",
    .rows = rows,
    .count = ARRAY_LEN(rows),
    .default_file = "/etc/guac/guac-authd.conf",
};

bool config_is_loopback(const char *host) {
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(host, "::1") == 0 || strcasecmp(host, "localhost") == 0;
}

int config_url(const char *text, struct config_url *out, struct err *e) {
    struct config_url u = { 0 };
    const char *p = text;
    if (strncmp(p, "https://", 8) == 0) {
        u.https = true;
        p += 8;
    } else if (strncmp(p, "http://", 7) == 0) {
        p += 7;
    } else {
        return err_set(e, 0, "'%s' is no http or https URL", text);
    }
    const char *end = p + strcspn(p, "/?#"), *host = p, *host_end, *colon;
    if (memchr(p, '@', (size_t)(end - p)))
        return err_set(e, 0, "'%s' must not hold a user name", text);
    if (*p == '[') {
        host++;
        host_end = memchr(host, ']', (size_t)(end - host));
        colon = host_end && host_end + 1 < end ? host_end + 1 : NULL;
    } else {
        colon = memchr(p, ':', (size_t)(end - p));
        host_end = colon ? colon : end;
    }
    if (!host_end || host_end == host || (size_t)(host_end - host) >= sizeof u.host ||
        (colon && *colon != ':'))
        return err_set(e, 0, "'%s' names no host", text);
    for (const char *c = host; c < host_end; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("-._:", *c))
            return err_set(e, 0, "'%s' names no host", text);
        u.host[c - host] = (char)tolower((unsigned char)*c);
    }
    long port = u.https ? 443 : 80;
    if (colon) {
        char *stop;
        port = isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &stop, 10) : 0;
        if (port < 1 || port > 65535 || stop != end)
            return err_set(e, 0, "'%s' has no valid port", text);
    }
    u.port = (unsigned short)port;
    u.path_at = (size_t)(end - text);
    *out = u;
    return 0;
}

static int derive_origin(struct config *c, struct err *e) {
    struct config_url u;
    if (config_url(c->public_url, &u, e))
        return err_prefix(e, "public-url");
    const char *path = c->public_url + u.path_at;
    if (*path && strcmp(path, "/") != 0)
        return err_set(e, 0, "public-url: the gateway has to be at the top, not below '%s'", path);
    c->secure = u.https;
    c->loopback = config_is_loopback(u.host);
    if (!u.https && !c->loopback)
        return err_set(e, 0, "public-url: http is for loopback only; use https");
    bool usual = u.port == (u.https ? 443 : 80), v6 = strchr(u.host, ':') != NULL;
    int n = snprintf(c->origin, sizeof c->origin, "%s://%s%s%s", u.https ? "https" : "http",
                     v6 ? "[" : "", u.host, v6 ? "]" : "");
    if (!usual)
        snprintf(c->origin + n, sizeof c->origin - (size_t)n, ":%u", u.port);
    return 0;
}

static int add_item(const char *item, void *arg) {
    return json_array_append_new(arg, json_string(item));
}

static json_t *to_array(const char *list) {
    json_t *a = json_array();
    if (list && conf_each(list, add_item, a)) {
        json_decref(a);
        return NULL;
    }
    return a;
}

struct uids {
    struct config *c;
    struct err *e;
};

static int add_uid(const char *item, void *arg) {
    struct uids *u = arg;
    unsigned uid;
    if (conf_uid(item, &uid) < 0)
        return err_set(u->e, 0, "trusted-uids: there is no user '%s'", item);
    if (u->c->uid_count == CONFIG_UIDS_MAX)
        return err_set(u->e, 0, "trusted-uids: more than %d", CONFIG_UIDS_MAX);
    u->c->uids[u->c->uid_count++] = uid;
    return 0;
}

/* Keycloak's own places, unless the configuration names others. A dot in the client's id is no
 * step of the path. */
static json_t *role_paths(const struct config *c) {
    char path[512];
    size_t n = 0;
    if (c->roles_claim && *c->roles_claim)
        return to_array(c->roles_claim);
    n += (size_t)snprintf(path, sizeof path, "resource_access.");
    for (const char *p = c->oidc_client; p && *p && n + 16 < sizeof path; p++) {
        if (*p == '.')
            path[n++] = '\\';
        path[n++] = *p;
    }
    snprintf(path + n, sizeof path - n, ".roles");
    return json_pack("[s, s]", "realm_access.roles", path);
}

static int check_issuer(const struct config *c, struct err *e) {
    struct config_url u;
    if (!c->oidc_issuer || !*c->oidc_issuer)
        return c->dev_link ? 0
                           : err_set(e, 0,
                                     "nobody could sign in: set oidc-issuer, or dev-link for "
                                     "development");
    if (config_url(c->oidc_issuer, &u, e))
        return err_prefix(e, "oidc-issuer");
    if (!u.https && !config_is_loopback(u.host) && !c->oidc_insecure_http)
        return err_set(e, 0, "oidc-issuer: http is for loopback only; use https");
    if (!c->oidc_client || !*c->oidc_client)
        return err_set(e, 0, "oidc-client: is missing");
    return 0;
}

static int any_server(const struct usertoken_server *s, void *arg) {
    (void)s;
    (void)arg;
    return 0;
}

int config_derive(struct config *c, struct err *e) {
    struct dial_policy dial = { .allow = c->address_allow, .deny = c->address_deny };
    if (log_level_parse(c->log_level) < 0)
        return err_set(e, 0, "log-level: '%s' is none of error, warning, info, debug, trace",
                       c->log_level);
    struct uids uids = { c, e };
    if (derive_origin(c, e) || check_issuer(c, e) ||
        (c->trusted_uids && conf_each(c->trusted_uids, add_uid, &uids)))
        return -1;
    if (dial_policy_check(&dial, e))
        return err_prefix(e, "address-allow or address-deny");
    if (c->dev_link && (c->secure || !c->loopback))
        return err_set(e, 0, "dev-link: only where public-url is http on loopback");
    if (pods_prefix_check(c->impersonate_prefix, e))
        return -1;
    if (usertoken_each(c, any_server, NULL, e) < 0)
        return -1;
    if (strcmp(c->impersonate_claim, "sub") != 0 &&
        strcmp(c->impersonate_claim, "preferred_username") != 0)
        return err_set(e, 0, "impersonate-claim: preferred_username or sub");
    if (!note_name_valid(c->log_origin))
        return err_set(e, 0, "log-origin: printable letters without blank and plus");
    if (c->tap_soft_bytes > c->tap_hard_bytes || c->tap_soft_ms > c->tap_hard_ms)
        return err_set(e, 0, "tap-soft-… must not be larger than tap-hard-…");
    if (c->resources && *c->resources)
        snprintf(c->resources_path, sizeof c->resources_path, "%s", c->resources);
    else
        snprintf(c->resources_path, sizeof c->resources_path, "%s/authd/resources", c->run);
    c->in_cluster = strcmp(c->store, "kubernetes") == 0;
    if (!c->in_cluster && strcmp(c->store, "folder") != 0)
        return err_set(e, 0, "store: '%.32s' is neither folder nor kubernetes", c->store);
    if (!c->namespace || !field_is_label(c->namespace))
        return err_set(e, 0, "namespace: must be small letters, digits and hyphens, 63 at most");
    c->operators = to_array(c->operator_roles);
    c->auditors = to_array(c->auditor_roles);
    c->moderators = to_array(c->moderator_roles);
    c->holders = to_array(c->hold_roles);
    c->developer_roles = to_array(c->dev_roles);
    c->role_paths = role_paths(c);
    if (!c->operators || !c->auditors || !c->moderators || !c->holders || !c->developer_roles ||
        !c->role_paths)
        return err_set(e, 0, "a list of roles is not valid UTF-8");
    return 0;
}

void config_fini(struct config *c) {
    free(c->address_refused);
    free(c->address_refused_pods);
    json_t **lists[] = { &c->operators, &c->auditors,        &c->moderators,
                         &c->holders,   &c->developer_roles, &c->role_paths };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        json_decref(*lists[i]);
        *lists[i] = NULL;
    }
    conf_free(&config_table, c);
}
