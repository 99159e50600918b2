/* One function a section of the spec; a section that is absent takes its defaults. */
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

/* What later versions enforce. Ignoring one of them would open what its author meant to guard. */
static const char *const later[] = { "kubernetes", "moderation", "watermark" };

static void read_target(struct connection *c, const struct field *spec) {
    _free_ char *name = field_string(spec, "protocol", true, 32);
    if (name && !(c->protocol = protocol_find(name))) {
        struct buf list;
        buf_init(&list, 256);
        for (size_t i = 0; protocols[i]; i++)
            buf_printf(&list, "%s%s", i ? ", " : "", protocols[i]->name);
        field_error(spec, "protocol", "'%s' is not one of %s", name, buf_str(&list));
        buf_fini(&list);
    }
    /* A protocol without a usual port may dial, but need not (demo). */
    int usual = c->protocol ? c->protocol->default_port : 0;
    c->hostname = field_string(spec, "hostname", usual != 0, 253);
    if (c->hostname && !field_is_host(c->hostname))
        field_error(spec, "hostname", "is no host name and no address (no port, no brackets)");
    if (c->hostname && c->protocol && !protocol_arg_find(c->protocol, "hostname", NULL))
        field_error(spec, "hostname", "%s dials nothing", c->protocol->name);
    c->port = (uint16_t)field_int(spec, "port", usual, 1, 65535);
    if (c->hostname && c->protocol && c->port == 0)
        field_error(spec, "port", "is missing and %s has no usual one", c->protocol->name);
}

static void read_audience(struct connection *c, const struct field *spec) {
    struct field f;
    field_object(spec, "audience", true, &f);
    field_only(&f, "keycloakRoles");
    c->roles = field_strings(&f, "keycloakRoles", f.object != NULL);
}

static void read_recording(struct connection *c, const struct field *spec) {
    struct field f;
    field_object(spec, "recording", false, &f);
    field_only(&f, "enabled|bucket|retentionDays|keys");
    c->recording.enabled = field_bool(&f, "enabled", true);
    c->recording.bucket = field_string(&f, "bucket", false, 63);
    if (c->recording.bucket &&
        (strlen(c->recording.bucket) < 3 || !field_is_subdomain(c->recording.bucket)))
        field_error(&f, "bucket", "must be 3…63 small letters, digits, dots and hyphens");
    if (!c->recording.bucket)
        c->recording.bucket = strdup(CONNECTION_BUCKET);
    c->recording.retention_days =
        (int)field_int(&f, "retentionDays", CONNECTION_RETENTION_DAYS, 1, 36500);
    c->recording.keys =
        (enum connection_keys)field_choice(&f, "keys", "full|masked|off", RECORD_KEYS_MASKED);
}

static void read_jit(struct connection *c, const struct field *spec) {
    struct field f;
    field_object(spec, "jit", false, &f);
    field_only(&f, "requiredApprovers|maxDurationMinutes");
    c->jit.approvers = field_strings(&f, "requiredApprovers", f.object != NULL);
    c->jit.max_minutes = (int)field_int(&f, "maxDurationMinutes", 0, 1, 10080);
}

static void read_credentials(struct connection *c, const struct field *spec) {
    struct field f, ref;
    field_object(spec, "credentials", false, &f);
    field_only(&f, "from|secretRef|username");
    bool named = field_object(&f, "secretRef", false, &ref);
    int from = field_choice(&f, "from", "prompt|secret|certificate|kubernetes", named ? 1 : 0);
    if (from > 1)
        field_error(&f, "from", "certificate and kubernetes are not available in this version");
    c->credentials.from = from == 1 ? CREDENTIALS_SECRET : CREDENTIALS_PROMPT;
    if (from == 1 && !named)
        field_error(&f, "secretRef", "is missing");
    if (from == 0 && named)
        field_error(&f, "secretRef", "does not go with from: prompt");
    if (named) {
        field_only(&ref, "name");
        c->credentials.secret = field_string(&ref, "name", true, 253);
        if (c->credentials.secret && !field_is_subdomain(c->credentials.secret))
            field_error(&ref, "name", "is no Kubernetes name");
    }
    c->credentials.username = field_string(&f, "username", false, 255);
    if (c->credentials.username && c->protocol && !protocol_arg_find(c->protocol, "username", NULL))
        field_error(&f, "username", "%s has no user names", c->protocol->name);
    if (c->credentials.username && json_object_get(c->parameters, "username"))
        field_error(&f, "username", "is said by spec.parameters.username, too");
}

static void read_directions(struct connection *c, const struct field *spec) {
    struct field f;
    field_object(spec, "clipboard", false, &f);
    field_only(&f, "copy|paste");
    c->clipboard.copy = field_bool(&f, "copy", true);
    c->clipboard.paste = field_bool(&f, "paste", true);
    field_object(spec, "files", false, &f);
    field_only(&f, "upload|download");
    c->files.upload = field_bool(&f, "upload", true);
    c->files.download = field_bool(&f, "download", true);
    field_object(spec, "limits", false, &f);
    field_only(&f, "idleMinutes|maxMinutes");
    c->limits.idle_minutes = (int)field_int(&f, "idleMinutes", 0, 1, 10080);
    c->limits.max_minutes = (int)field_int(&f, "maxMinutes", 0, 1, 10080);
}

static void read_host_key(struct connection *c, const struct field *spec) {
    struct field f;
    bool there = field_object(spec, "hostKey", false, &f);
    field_only(&f, "keys|unknown");
    if (there && c->protocol && !protocol_arg_find(c->protocol, "host-key", NULL))
        field_error(&f, NULL, "%s has no host keys", c->protocol->name);
    c->host_key.keys = json_array();
    c->host_key.unknown =
        (enum connection_unknown_key)field_choice(&f, "unknown", "refuse|ask", HOST_KEY_REFUSE);
    const json_t *keys = f.object ? json_object_get(f.object, "keys") : NULL, *key;
    size_t i;
    if (keys && !json_is_null(keys) && !json_is_array(keys))
        field_error(&f, "keys", "must be a list");
    json_array_foreach(keys, i, key) {
        const char *s = json_string_value(key);
        if (!s || strlen(s) > 4096 || strpbrk(s, "\r\n") || !strchr(s, ' '))
            field_error(&f, "keys", "entry %zu must be one line such as 'ssh-ed25519 AAAA…'",
                        i + 1);
        else
            json_array_append(c->host_key.keys, (json_t *)(uintptr_t)key);
        if (i == 15) {
            if (json_array_size(keys) > 16)
                field_error(&f, "keys", "has more than 16 entries");
            break;
        }
    }
}

static void read_spec(struct connection *c, const struct field *root) {
    struct field spec, f;
    field_object(root, "spec", true, &spec);
    read_target(c, &spec);
    c->parameters = parameters_read(&spec, c->protocol);
    read_audience(c, &spec);
    read_recording(c, &spec);
    read_jit(c, &spec);
    read_credentials(c, &spec);
    read_directions(c, &spec);
    read_host_key(c, &spec);
    c->environment = field_string(&spec, "environment", false, 63);
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (field_object(&spec, later[i], false, &f))
            field_error(&spec, later[i], "is not available in this version of the gateway");
    field_only(&spec, "protocol|hostname|port|audience|recording|jit|environment|parameters|"
                      "credentials|clipboard|files|limits|hostKey|kubernetes|moderation|watermark");
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
    json_t **lists[] = { &c->roles, &c->jit.approvers, &c->host_key.keys };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (!*lists[i])
            *lists[i] = json_array();
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
                   c->recording.bucket
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
    if (!c)
        return NULL;
    c->refs = 1;
    json_t *text = json_string(error);
    c->errors = json_pack("[o]", text ? text : json_string("cannot be read"));
    c->namespace = strdup(namespace);
    c->name = strdup(name);
    c->source = strdup(source);
    c->recording.bucket = strdup(CONNECTION_BUCKET);
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
    char *texts[] = { c->namespace,
                      c->name,
                      c->uid,
                      c->version,
                      c->title,
                      c->source,
                      c->hostname,
                      c->environment,
                      c->recording.bucket,
                      c->credentials.secret,
                      c->credentials.username };
    json_t *trees[] = { c->roles,      c->jit.approvers, c->host_key.keys,
                        c->parameters, c->spec,          c->errors };
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
