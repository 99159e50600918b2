/* Rows read the fields (connection_schema.c); here is what no single row can say. */
#include "crd/connection.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crd/field.h"
#include "crd/parameters.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

/* The section of this name; errors about its absence are the rows' matter. */
static bool section(const struct field *spec, const char *name, struct field *out) {
    const json_t *object = spec->object ? json_object_get(spec->object, name) : NULL;
    *out = (struct field){ .errors = spec->errors };
    snprintf(out->path, sizeof out->path, "%.120s.%.60s", spec->path, name);
    out->object = json_is_object(object) ? object : NULL;
    return out->object != NULL;
}

static void read_protocol(struct connection *c, const struct field *spec) {
    _free_ char *name = field_string(spec, "protocol", true, 32);
    if (!name || (c->protocol = protocol_find(name)))
        return;
    struct buf list;
    buf_init(&list, 256);
    for (size_t i = 0; protocols[i]; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", protocols[i]->name);
    field_error(spec, "protocol", "'%s' is not one of %s", name, buf_str(&list));
    buf_fini(&list);
}

static bool knows(const struct connection *c, const char *parameter) {
    return !c->protocol || protocol_arg_find(c->protocol, parameter, NULL);
}

static bool is_kubernetes(const struct connection *c) {
    return c->protocol && strcmp(c->protocol->name, "kubernetes") == 0;
}

/* The gateway's own token never goes to a host that an author names. */
static bool own_cluster_only(const struct connection *c) {
    return is_kubernetes(c) && c->credentials.from == CREDENTIALS_KUBERNETES &&
           (c->credentials.kubernetes_as == KUBERNETES_SERVICE_ACCOUNT ||
            c->credentials.kubernetes_as == KUBERNETES_IMPERSONATION);
}

static void check_target(struct connection *c, const struct field *spec) {
    /* A protocol without a usual port may dial, but need not (demo). */
    int usual = c->protocol ? c->protocol->default_port : 0;
    bool own = own_cluster_only(c);
    bool free = own || (is_kubernetes(c) && c->credentials.from == CREDENTIALS_KUBERNETES &&
                        c->credentials.kubernetes_as == KUBERNETES_USER_TOKEN);
    if (own && (c->hostname || c->port))
        field_error(spec, c->hostname ? "hostname" : "port",
                    "the gateway's own identity goes to the cluster it runs in only: leave it out");
    else if (!c->hostname && usual && !free && spec->object &&
             !json_is_string(json_object_get(spec->object, "hostname")) &&
             !json_is_number(json_object_get(spec->object, "hostname")))
        field_error(spec, "hostname", "is missing");
    if (c->hostname && !knows(c, "hostname"))
        field_error(spec, "hostname", "%s dials nothing", c->protocol->name);
    if (c->port == 0 && !(free && !c->hostname))
        c->port = (uint16_t)usual;
    if (c->hostname && c->protocol && c->port == 0)
        field_error(spec, "port", "is missing and %s has no usual one", c->protocol->name);
}

/* Which of the other credentials' fields go with each way. */
static void check_credentials(struct connection *c, const struct field *spec) {
    struct field f, ref;
    section(spec, "credentials", &f);
    bool named = section(&f, "secretRef", &ref);
    bool as = f.object && json_is_string(json_object_get(f.object, "kubernetes"));
    if ((int)c->credentials.from < 0)
        c->credentials.from = named ? CREDENTIALS_SECRET : CREDENTIALS_PROMPT;
    bool by_cluster = c->credentials.from == CREDENTIALS_KUBERNETES;
    bool wants = c->credentials.from == CREDENTIALS_SECRET ||
                 (by_cluster && c->credentials.kubernetes_as == KUBERNETES_CLIENT_CERTIFICATE);
    static const char *const names[] = { "prompt", "secret", "certificate", "kubernetes" };
    if (wants && !named)
        field_error(&f, "secretRef", "is missing");
    if (!wants && named)
        field_error(&f, "secretRef", "does not go with from: %s", names[c->credentials.from]);
    if (as && !by_cluster)
        field_error(&f, "kubernetes", "goes with from: kubernetes only");
    if (by_cluster && c->protocol && !is_kubernetes(c))
        field_error(&f, "from", "%s does not sign in at a cluster", c->protocol->name);
    if (c->credentials.from == CREDENTIALS_CERTIFICATE && c->protocol &&
        strcmp(c->protocol->name, "ssh") != 0)
        field_error(&f, "from", "certificates are for ssh");
    if (c->credentials.username && !knows(c, "username"))
        field_error(&f, "username", "%s has no user names", c->protocol->name);
    if (c->credentials.username && json_object_get(c->parameters, "username"))
        field_error(&f, "username", "is said by spec.parameters.username, too");
}

/* The pod is said once: in the section, or by Guacamole's names. Afterwards both know it. */
static void join_pod(struct connection *c, const struct field *f) {
    const struct {
        const char *parameter, *key;
        char **text;
    } both[] = { { "namespace", "namespace", &c->kubernetes.namespace },
                 { "pod", "pod", &c->kubernetes.pod },
                 { "pod-selector", "selector", &c->kubernetes.selector },
                 { "container", "container", &c->kubernetes.container } };
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        const char *given = json_str(c->parameters, both[i].parameter, NULL);
        if (given && *both[i].text)
            field_error(f, both[i].key, "is said by spec.parameters.%s, too", both[i].parameter);
        else if (given && *given)
            *both[i].text = strdup(given);
        else if (*both[i].text)
            json_object_set_new(c->parameters, both[i].parameter, json_string(*both[i].text));
    }
    if (json_array_size(c->kubernetes.command) && json_object_get(c->parameters, "exec-command"))
        field_error(f, "command", "is said by spec.parameters.exec-command, too");
}

static void check_kubernetes(struct connection *c, const struct field *spec) {
    struct field f;
    section(spec, "kubernetes", &f);
    if (!is_kubernetes(c)) {
        if (c->kubernetes.there && c->protocol)
            field_error(&f, NULL, "%s opens no pods", c->protocol->name);
        return;
    }
    join_pod(c, &f);
    int said = !!c->kubernetes.pod + !!c->kubernetes.selector + !!c->kubernetes.deployment +
               !!c->kubernetes.stateful_set;
    if (said > 1)
        field_error(&f, NULL, "pod, selector, deployment and statefulSet: say one of them");
    if (said == 0 && !json_has_string(c->kubernetes.choose, "pod"))
        field_error(&f, NULL,
                    "which pod? say pod, selector, deployment or statefulSet, or let people choose "
                    "(choose: [pod])");
    if (json_has_string(c->kubernetes.choose, "namespace") &&
        !json_has_string(c->kubernetes.choose, "pod"))
        field_error(&f, "choose", "who chooses the namespace has to choose the pod");
    if (json_has_string(c->kubernetes.choose, "pod") && c->kubernetes.pod)
        field_error(&f, "choose", "pod is named, so there is nothing to choose");
}

static void check_step_up(struct connection *c, const struct field *spec) {
    struct field f;
    if (section(spec, "stepUp", &f) && !c->step_up.acr && !c->step_up.max_age_minutes)
        field_error(&f, NULL, "says neither acr nor maxAgeMinutes");
}

static void read_host_key(struct connection *c, const struct field *spec) {
    struct field f;
    bool there = section(spec, "hostKey", &f);
    if (there && !knows(c, "host-key"))
        field_error(&f, NULL, "%s has no host keys", c->protocol->name);
    c->host_key.keys = json_array();
    const json_t *keys = f.object ? json_object_get(f.object, "keys") : NULL, *key;
    size_t i;
    if (keys && !json_is_null(keys) && !json_is_array(keys))
        field_error(&f, "keys", "must be a list");
    json_array_foreach(keys, i, key) {
        const char *s = json_string_value(key);
        if (i == 16) {
            field_error(&f, "keys", "has more than 16 entries");
            break;
        }
        if (!s || strlen(s) > 4096 || strpbrk(s, "\r\n") || !strchr(s, ' '))
            field_error(&f, "keys", "entry %zu must be one line such as 'ssh-ed25519 AAAA…'",
                        i + 1);
        else
            json_array_append(c->host_key.keys, (json_t *)(uintptr_t)key);
    }
}

static void read_spec(struct connection *c, const struct field *root) {
    struct field spec;
    field_object(root, "spec", true, &spec);
    read_protocol(c, &spec);
    schema_read(&connection_schema, &spec, c);
    json_decref(c->parameters);
    c->parameters = parameters_read(&spec, c->protocol);
    check_credentials(c, &spec);
    check_target(c, &spec);
    check_kubernetes(c, &spec);
    check_step_up(c, &spec);
    read_host_key(c, &spec);
    if (spec.object)
        c->spec = parameters_redact(spec.object, c->protocol);
}

static void read_metadata(struct connection *c, const struct field *root) {
    struct field meta, notes;
    field_object(root, "metadata", true, &meta);
    c->name = field_string(&meta, "name", meta.object != NULL, 253);
    if (c->name && !field_is_subdomain(c->name))
        field_error(&meta, "name", "must be small letters, digits, dots and hyphens");
    c->namespace = field_string(&meta, "namespace", false, 63);
    if (c->namespace && !field_is_label(c->namespace))
        field_error(&meta, "namespace", "must be small letters, digits and hyphens, 63 at most");
    c->uid = field_string(&meta, "uid", false, 64);
    c->version = field_string(&meta, "resourceVersion", false, 64);
    field_object(&meta, "annotations", false, &notes);
    c->title = field_string(&notes, CRD_GROUP "/title", false, 128);
}

/* What neither author nor API server gave. */
static int fill(struct connection *c) {
    struct buf canonical;
    if (!c->namespace)
        c->namespace = strdup("default");
    if (!c->name)
        c->name = strdup("");
    if (!c->title)
        c->title = strdup(*c->name || !c->source ? c->name : c->source);
    if (!c->spec)
        c->spec = json_object();
    if (!c->parameters)
        c->parameters = json_object();
    if (!c->host_key.keys)
        c->host_key.keys = json_array();
    buf_init(&canonical, CONNECTION_SPEC_MAX);
    if (json_write(c->spec, &canonical) == 0)
        sha256_hex(canonical.data, canonical.len, c->spec_sha256);
    else
        json_array_append_new(c->errors, json_string("spec: is larger than 64 KiB"));
    buf_fini(&canonical);
    if (!c->uid && c->name && c->namespace) {
        char text[512], hex[65];
        int n = snprintf(text, sizeof text, "%s/%s", c->namespace, c->name);
        sha256_hex(text, (size_t)n, hex);
        snprintf(text, sizeof text, "folder-%.16s", hex);
        c->uid = strdup(text);
    }
    if (!c->version)
        c->version = strndup(c->spec_sha256, 16);
    return c->namespace && c->name && c->title && c->uid && c->version && c->source &&
                   c->recording.bucket && c->roles && c->host_key.keys
               ? 0
               : -1;
}

struct connection *connection_read(const json_t *resource, const char *source) {
    struct field root;
    struct connection *c = calloc(1, sizeof *c);
    if (!c || !(c->errors = json_array())) {
        free(c);
        return NULL;
    }
    c->refs = 1;
    c->source = strdup(source);
    field_root(&root, resource, c->errors);
    const char *version = json_str(resource, "apiVersion", "");
    if (strcmp(version, CRD_VERSION) != 0)
        field_error(&root, "apiVersion", "must be %s", CRD_VERSION);
    field_only(&root, "apiVersion|kind|metadata|spec|status");
    read_metadata(c, &root);
    read_spec(c, &root);
    if (fill(c) == 0)
        return c;
    connection_unref(c);
    return NULL;
}

struct connection *connection_broken(const char *namespace, const char *name, const char *source,
                                     const char *error) {
    struct connection *c = calloc(1, sizeof *c);
    struct field nothing = { 0 };
    if (!c)
        return NULL;
    c->refs = 1;
    schema_read(&connection_schema, &nothing, c);
    c->credentials.from = CREDENTIALS_PROMPT;
    json_t *text = json_string(error);
    c->errors = json_pack("[o]", text ? text : json_string("cannot be read"));
    c->namespace = strdup(namespace);
    c->name = strdup(name);
    c->source = strdup(source);
    if (c->errors && fill(c) == 0)
        return c;
    connection_unref(c);
    return NULL;
}

struct connection *connection_ref(struct connection *c) {
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void connection_unref(struct connection *c) {
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    char *texts[] = { c->namespace, c->name, c->uid, c->version, c->title, c->source };
    json_t *trees[] = { c->host_key.keys, c->parameters, c->spec, c->errors };
    schema_free(&connection_schema, c);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    for (size_t i = 0; i < ARRAY_LEN(trees); i++)
        json_decref(trees[i]);
    free(c);
}

const char *connection_keys_name(enum connection_keys k) {
    static const char *const names[] = { "full", "masked", "off" };
    return names[k];
}

void connection_target(const struct connection *c, char *out, size_t size) {
    if (!c->hostname)
        snprintf(out, size, "%s", c->protocol ? c->protocol->name : "");
    else
        snprintf(out, size, strchr(c->hostname, ':') ? "[%s]:%u" : "%s:%u", c->hostname, c->port);
}
