/* See convert.h. The parameter tables decide what is taken; the few that have a field of their own
 * here have a row below. */
#include "deploy/import/convert.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crd/connection.h"
#include "deploy/import/usermap.h"
#include "guacd/base/enc.h"
#include "crd/parameters.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

#define LABEL_MAX 52 /* and room for -1234 behind it */

struct conversion {
    const struct convert_options *o;
    json_t *connections, *roles, *report;
    json_t *same;  /* what a connection is -> its index, for people who share one */
    json_t *names; /* taken ones */
};

/* One connection while it is made. */
struct item {
    struct conversion *v;
    long line;
    const char *title;
    const struct protocol *p;
    json_t *spec, *parameters, *secrets, *pod;
    const char *username; /* borrowed from the tree */
    struct args *scratch;
    bool ignores_certificate;
};

__attribute__((format(printf, 5, 6))) static void tell(struct conversion *v, long line,
                                                       const char *what, bool lost, const char *fmt,
                                                       ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *t = json_string(text), *w = json_string(what);
    json_array_append_new(v->report,
                          json_pack("{s:I, s:o, s:o, s:b}", "line", (json_int_t)line, "what",
                                    w ? w : json_string("?"), "text",
                                    t ? t : json_string("something was left out"), "lost", lost));
}

#define LOST(it, ...) tell((it)->v, (it)->line, (it)->title, true, __VA_ARGS__)
#define TOLD(it, ...) tell((it)->v, (it)->line, (it)->title, false, __VA_ARGS__)

/* Small letters, digits and single hyphens. */
static void label(const char *text, const char *fallback, char out[64]) {
    size_t n = 0;
    for (; *text && n < LABEL_MAX; text++) {
        unsigned char c = (unsigned char)*text;
        if (isascii(c) && isalnum(c))
            out[n++] = (char)tolower(c);
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = '\0';
    if (!n)
        snprintf(out, 64, "%s", fallback);
}

static void free_name(struct conversion *v, const char *title, char out[64]) {
    char base[64];
    label(title, "connection", base);
    snprintf(out, 64, "%s", base);
    for (int i = 2; json_object_get(v->names, out); i++)
        snprintf(out, 64, "%.52s-%d", base, i);
    json_object_set_new(v->names, out, json_true());
}

/* A title holds no control characters and 128 bytes at most. */
static json_t *title_of(const char *text) {
    char out[129];
    size_t n = 0;
    for (; *text && n < 128; text++)
        out[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
    for (;; n--) { /* not cut inside of a letter */
        json_t *t = json_stringn(out, n);
        if (t || !n)
            return t;
    }
}

/* ---- parameters with a place of their own ---------------------------------------------------- */

static json_t *section(struct item *it, const char *name) {
    json_t *s = json_object_get(it->spec, name);
    if (!s) {
        s = json_object();
        json_object_set_new(it->spec, name, s);
    }
    return s;
}

static void take_hostname(struct item *it, const char *value, const char *key) {
    json_object_set_new(it->spec, key, json_string(value));
}

static void take_port(struct item *it, const char *value, const char *key) {
    char *end;
    long n = strtol(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || n < 1 || n > 65535)
        LOST(it, "port is no number from 1 to 65535; the protocol's usual one is taken");
    else
        json_object_set_new(it->spec, key, json_integer(n));
}

/* key is "section.field": true here means false there. */
static void take_switch(struct item *it, const char *value, const char *key) {
    char name[32];
    const char *dot = strchr(key, '.');
    snprintf(name, sizeof name, "%.*s", (int)(dot - key), key);
    if (strcasecmp(value, "true") == 0)
        json_object_set_new(section(it, name), dot + 1, json_false());
}

/* A line of known_hosts: perhaps the host, the type, the key. */
static void take_host_key(struct item *it, const char *value, const char *key) {
    static const char *const types[] = { "ssh-", "ecdsa-", "sk-" };
    (void)key;
    for (const char *p = value; *p; p += strcspn(p, " \t"), p += strspn(p, " \t"))
        for (size_t i = 0; i < ARRAY_LEN(types); i++) {
            size_t type = strcspn(p, " \t\r\n"), gap = strspn(p + type, " \t");
            size_t body = strcspn(p + type + gap, " \t\r\n");
            if (strncmp(p, types[i], strlen(types[i])) != 0 || !gap || !body || type + body > 4000)
                continue;
            char line[4096];
            snprintf(line, sizeof line, "%.*s %.*s", (int)type, p, (int)body, p + type + gap);
            json_object_set_new(section(it, "hostKey"), "keys", json_pack("[s]", line));
            return;
        }
    LOST(it, "host-key is no line of known_hosts; give spec.hostKey.keys (ssh-keyscan tells them)");
}

static void take_pod(struct item *it, const char *value, const char *key) {
    json_object_set_new(it->pod, key, json_string(value));
}

static const struct own {
    const char *parameter, *protocol; /* NULL: any */
    void (*take)(struct item *it, const char *value, const char *key);
    const char *key;
} own[] = {
    { "hostname", NULL, take_hostname, "hostname" },
    { "port", NULL, take_port, "port" },
    { "disable-copy", NULL, take_switch, "clipboard.copy" },
    { "disable-paste", NULL, take_switch, "clipboard.paste" },
    { "disable-download", NULL, take_switch, "files.download" },
    { "disable-upload", NULL, take_switch, "files.upload" },
    { "sftp-disable-download", NULL, take_switch, "files.download" },
    { "sftp-disable-upload", NULL, take_switch, "files.upload" },
    { "host-key", "ssh", take_host_key, NULL },
    { "namespace", "kubernetes", take_pod, "namespace" },
    { "pod", "kubernetes", take_pod, "pod" },
    { "container", "kubernetes", take_pod, "container" },
};

static const struct own *find_own(const struct item *it, const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (strcmp(own[i].parameter, name) == 0 &&
            (!own[i].protocol || strcmp(own[i].protocol, it->p->name) == 0))
            return &own[i];
    return NULL;
}

/* ---- all parameters -------------------------------------------------------------------------- */

static json_t *typed(const struct arg_spec *row, const char *value) {
    struct { /* yes, on and 1 count as in the gateway */
        const char *word;
    } yes[] = { { "true" }, { "yes" }, { "on" }, { "1" } };
    if (row->type == ARG_INT)
        return json_integer(strtol(value, NULL, 10));
    if (row->type != ARG_BOOL)
        return json_string(value);
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (strcmp(yes[i].word, value) == 0)
            return json_true();
    return json_false();
}

static void take_other(struct item *it, const char *name, const char *value) {
    const struct arg_spec *row = protocol_arg_find(it->p, name, NULL);
    char refusal[128];
    struct err e = { 0 };
    if (!row) {
        LOST(it, "parameter %.64s: %s has none of that name here", name, it->p->name);
    } else if (!args_set(it->scratch, name, value, strlen(value), &e)) {
        LOST(it, "%s; it was left out", e.text);
    } else if (row->flags & ARG_SECRET || strcmp(name, "client-cert") == 0) {
        json_object_set_new(it->secrets, name, json_string(value));
    } else if (strncmp(name, "recording-", 10) == 0 || strncmp(name, "typescript-", 11) == 0 ||
               strncmp(name, "create-", 7) == 0) {
        LOST(it, "parameter %s: sessions are recorded by the gateway (spec.recording)", name);
    } else if (parameters_refusal(row, refusal, sizeof refusal)) {
        LOST(it, "parameter %s %s", name, refusal);
    } else {
        json_object_set_new(it->parameters, name, typed(row, value));
        it->ignores_certificate |=
            strcmp(name, "ignore-cert") == 0 && json_is_true(json_object_get(it->parameters, name));
    }
}

static void take(struct item *it, const char *name, const char *value) {
    const struct own *o = find_own(it, name);
    if (!*value)
        return;
    if (strstr(value, "${"))
        LOST(it, "parameter %.64s holds a token (${…}), and there are none here%s", name,
             strcmp(name, "username") == 0 || strcmp(name, "password") == 0
                 ? ": people are asked in the page"
                 : "");
    else if (strcmp(name, "username") == 0 && protocol_arg_find(it->p, name, NULL))
        it->username = value;
    else if (o && protocol_arg_find(it->p, name, NULL))
        o->take(it, value, o->key);
    else
        take_other(it, name, value);
}

/* ---- one connection -------------------------------------------------------------------------- */

static void credentials(struct item *it, const char *name) {
    bool pods = strcmp(it->p->name, "kubernetes") == 0, stored = json_object_size(it->secrets);
    if (it->username && stored)
        json_object_set_new(it->secrets, "username", json_string(it->username));
    else if (it->username)
        json_object_set_new(section(it, "credentials"), "username", json_string(it->username));
    if (!stored)
        return;
    json_t *c = section(it, "credentials");
    json_object_set_new(c, "from", json_string(pods ? "kubernetes" : "secret"));
    if (pods)
        json_object_set_new(c, "kubernetes", json_string("clientCertificate"));
    json_object_set_new(c, "secretRef", json_pack("{s:s}", "name", name));
    const char *key;
    json_t *value;
    json_object_foreach(it->secrets, key, value)
        TOLD(it, "%s is in secrets/%s/%s/%s", key, it->v->o->namespace, name, key);
}

static void remarks(struct item *it) {
    bool keys = json_object_get(section(it, "hostKey"), "keys") != NULL;
    if (strcmp(it->p->name, "ssh") != 0 || keys || it->v->o->ask_host_keys) {
        if (strcmp(it->p->name, "ssh") == 0 && !keys)
            json_object_set_new(section(it, "hostKey"), "unknown", json_string("ask"));
    } else {
        LOST(it,
             "no host-key, which Guacamole did not check then; here nothing opens without: give "
             "spec.hostKey.keys, or import with --ask-host-keys");
    }
    if (json_object_size(json_object_get(it->spec, "hostKey")) == 0)
        json_object_del(it->spec, "hostKey");
    if (it->ignores_certificate)
        TOLD(it,
             "ignore-cert stays: anybody between may listen; cert-fingerprints would prevent it");
}

static json_t *resource_of(struct item *it, const char *name, const char *role) {
    const struct convert_options *o = it->v->o;
    json_object_set_new(it->spec, "audience", json_pack("{s:[s]}", "keycloakRoles", role));
    json_t *recording = section(it, "recording");
    json_object_set_new(recording, "enabled", json_true());
    if (o->bucket)
        json_object_set_new(recording, "bucket", json_string(o->bucket));
    if (o->retention_days)
        json_object_set_new(recording, "retentionDays", json_integer(o->retention_days));
    if (json_object_size(it->pod))
        json_object_set(it->spec, "kubernetes", it->pod);
    credentials(it, name);
    remarks(it);
    if (json_object_size(it->parameters))
        json_object_set(it->spec, "parameters", it->parameters);
    json_t *title = title_of(it->title);
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:o}}, s:O}", "apiVersion", CRD_VERSION, "kind",
                     "GuacamoleConnection", "metadata", "namespace", o->namespace, "name", name,
                     "annotations", CRD_GROUP "/title", title ? title : json_string(name), "spec",
                     it->spec);
}

/* As the gateway would find it. */
static bool sound(struct item *it, const json_t *resource) {
    struct connection *c = connection_read(resource, "import");
    json_t *error;
    size_t i;
    bool right = c && json_array_size(c->errors) == 0;
    json_array_foreach(c ? c->errors : NULL, i, error)
        LOST(it, "not imported: %s", json_string_value(error));
    connection_unref(c);
    return right;
}

static void role_has(struct conversion *v, const char *role, const char *user) {
    json_t *users = json_object_get(v->roles, role);
    if (!users) {
        users = json_array();
        json_object_set_new(v->roles, role, users);
    }
    if (!json_has_string(users, user))
        json_array_append_new(users, json_string(user));
}

/* The same connection of another person: that person's role is added. */
static bool shared(struct conversion *v, const json_t *c, const char *role, char key[65]) {
    _json_ json_t *what =
        json_pack("[O, O, O]", json_object_get(c, "name"), json_object_get(c, "protocol"),
                  json_object_get(c, "parameters"));
    struct buf text;
    buf_init(&text, USERMAP_BYTES_MAX);
    text.secret = true;
    json_write(what, &text);
    sha256_hex(text.data, text.len, key);
    buf_wipe(&text);
    const json_t *before = json_object_get(v->same, key);
    if (!before)
        return false;
    json_t *made = json_array_get(v->connections, (size_t)json_integer_value(before));
    json_t *roles = json_object_get(
        json_object_get(json_object_get(json_object_get(made, "resource"), "spec"), "audience"),
        "keycloakRoles");
    if (json_array_size(roles) >= 64)
        return false;
    if (!json_has_string(roles, role))
        json_array_append_new(roles, json_string(role));
    return true;
}

static void one(struct conversion *v, const json_t *c) {
    char name[64], role[80], who[64], key[65];
    const char *user = json_str(c, "user", ""), *protocol = json_str(c, "protocol", "");
    const char *title = json_str(c, "name", "");
    struct item it = { .v = v,
                       .line = (long)json_integer_value(json_object_get(c, "line")),
                       .title = *title  ? title
                                : *user ? user
                                        : "connection" };
    label(user, "everybody", who);
    snprintf(role, sizeof role, "guacamole-%s", who);
    const char *chosen = v->o->role ? v->o->role : role;
    role_has(v, chosen, user);
    it.p = strcmp(protocol, "demo") == 0 ? NULL : protocol_find(protocol);
    if (!it.p) {
        LOST(&it,
             *protocol ? "not imported: there is no protocol %s here"
                       : "not imported: no protocol is named%s",
             protocol);
        return;
    }
    if (*title && shared(v, c, chosen, key))
        return;
    it.spec = json_pack("{s:s}", "protocol", it.p->name);
    it.parameters = json_object();
    it.secrets = json_object();
    it.pod = json_object();
    it.scratch = args_new(it.p);
    const json_t *pair;
    size_t i;
    json_array_foreach(json_object_get(c, "parameters"), i, pair)
        take(&it, json_string_value(json_array_get(pair, 0)),
             json_string_value(json_array_get(pair, 1)));
    free_name(v, it.title, name);
    _json_ json_t *resource = resource_of(&it, name, chosen);
    if (sound(&it, resource)) {
        if (*title)
            json_object_set_new(v->same, key,
                                json_integer((json_int_t)json_array_size(v->connections)));
        json_array_append_new(v->connections, json_pack("{s:s, s:O, s:O}", "name", name, "resource",
                                                        resource, "secrets", it.secrets));
    }
    json_decref(it.spec);
    json_decref(it.parameters);
    json_decref(it.secrets);
    json_decref(it.pod);
    args_free(it.scratch);
}

json_t *convert(const json_t *map, const struct convert_options *o, struct err *e) {
    struct conversion v = {
        o, json_array(), json_object(), json_array(), json_object(), json_object()
    };
    const json_t *it;
    size_t i;
    json_array_foreach(json_object_get(map, "notes"), i, it)
        tell(&v, (long)json_integer_value(json_object_get(it, "line")), "the file", true, "%s",
             json_str(it, "text", ""));
    json_array_foreach(json_object_get(map, "connections"), i, it) one(&v, it);
    json_array_foreach(json_object_get(map, "users"), i, it)
        tell(&v, (long)json_integer_value(json_object_get(it, "line")), "people", false,
             "user '%s': the password (%s) stays behind; people sign in at Keycloak",
             json_str(it, "name", ""), json_str(it, "encoding", "plain"));
    json_t *out = json_pack("{s:O, s:O, s:O}", "connections", v.connections, "roles", v.roles,
                            "report", v.report);
    json_t *all[] = { v.connections, v.roles, v.report, v.same, v.names };
    for (i = 0; i < ARRAY_LEN(all); i++)
        json_decref(all[i]);
    if (!out)
        err_set(e, 0, "no memory");
    return out;
}
