/* GuacamoleConnection: its users' form is read, every mistake is told at once with its path. */
#include <stdio.h>
#include <string.h>

#include "crd/connection.h"
#include "crd/environment.h"
#include "crd/parameters.h"
#include "crd/yamldoc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

#define HEAD "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleConnection\n"

static int take(void *arg, json_t *doc, int line) {
    (void)line;
    *(json_t **)arg = json_incref(doc);
    return 0;
}

static json_t *parse(const char *yaml) {
    struct err e = { 0 };
    json_t *doc = NULL;
    ck_assert_msg(yamldoc_each(yaml, strlen(yaml), take, &doc, &e) == 0, "%s", e.text);
    return doc;
}

static struct connection *load(const char *yaml) {
    _json_ json_t *doc = parse(yaml);
    struct connection *c = connection_read(doc, "test.yaml:1");
    ck_assert_ptr_nonnull(c);
    return c;
}

static void no_errors(const struct connection *c) {
    ck_assert_msg(connection_usable(c), "%s", json_string_value(json_array_get(c->errors, 0)));
}

/* Exactly these errors, in any order. */
static void errors_are(const struct connection *c, const char *const *want, size_t n) {
    size_t i;
    json_t *error;
    json_array_foreach(c->errors, i, error) {
        size_t j;
        for (j = 0; j < n && strcmp(want[j], json_string_value(error)) != 0; j++)
            ;
        ck_assert_msg(j < n, "unexpected: %s", json_string_value(error));
    }
    for (i = 0; i < n; i++)
        ck_assert_msg(json_has_string(c->errors, want[i]), "missing: %s", want[i]);
}

START_TEST(as_written_today) {
    struct connection *c = load(
        HEAD "metadata: { name: legacy-payment-gateway, namespace: relay }\n"
             "spec:\n"
             "  protocol: rdp\n"
             "  hostname: \"10.42.7.12\"\n"
             "  port: 3389\n"
             "  audience: { keycloakRoles: [legacy-app-operator, security-officer] }\n"
             "  recording: { enabled: true, bucket: guacamole-recordings, retentionDays: 365 }\n"
             "  jit: { requiredApprovers: [team-platform], maxDurationMinutes: 60 }\n");
    no_errors(c);
    ck_assert_str_eq(c->namespace, "relay");
    ck_assert_str_eq(c->title, "legacy-payment-gateway");
    ck_assert_str_eq(c->protocol->name, "rdp");
    ck_assert_str_eq(c->hostname, "10.42.7.12");
    ck_assert_uint_eq(c->port, 3389);
    ck_assert(json_has_string(c->roles, "security-officer"));
    ck_assert(c->recording.enabled);
    ck_assert_str_eq(c->recording.bucket, "guacamole-recordings");
    ck_assert_int_eq(c->recording.retention_days, 365);
    ck_assert_int_eq(c->recording.keys, RECORD_KEYS_MASKED);
    ck_assert(json_has_string(c->jit.approvers, "team-platform"));
    ck_assert_int_eq(c->jit.max_minutes, 60);
    char target[300];
    connection_target(c, target, sizeof target);
    ck_assert_str_eq(target, "10.42.7.12:3389");
    ck_assert_uint_eq(strlen(c->spec_sha256), 64);
    connection_unref(c);
}
END_TEST

START_TEST(everything) {
    struct connection *c =
        load(HEAD "metadata:\n  name: box\n  annotations: { catalyst.openova.io/title: The box }\n"
                  "spec:\n"
                  "  protocol: ssh\n"
                  "  hostname: fd00::1\n"
                  "  audience: { keycloakRoles: [ops] }\n"
                  "  recording: { keys: full }\n"
                  "  environment: prod\n"
                  "  parameters: { font-size: 14, enable-sftp: true, color-scheme: gray-black }\n"
                  "  credentials: { secretRef: { name: box-login }, username: root }\n"
                  "  clipboard: { copy: false }\n"
                  "  files: { upload: false, download: true }\n"
                  "  limits: { idleMinutes: 15, maxMinutes: 480 }\n"
                  "  hostKey: { keys: ['ssh-ed25519 AAAAC3Nz'], unknown: refuse }\n");
    no_errors(c);
    ck_assert_str_eq(c->namespace, "default");
    ck_assert_str_eq(c->title, "The box");
    ck_assert_uint_eq(c->port, 22);
    ck_assert_int_eq(c->recording.keys, RECORD_KEYS_FULL);
    ck_assert_str_eq(c->environment, "prod");
    ck_assert_str_eq(json_str(c->parameters, "font-size", ""), "14");
    ck_assert_str_eq(json_str(c->parameters, "enable-sftp", ""), "true");
    ck_assert_int_eq(c->credentials.from, CREDENTIALS_SECRET);
    ck_assert_str_eq(c->credentials.secret, "box-login");
    ck_assert_str_eq(c->credentials.username, "root");
    ck_assert(!c->clipboard.copy && c->clipboard.paste);
    ck_assert(!c->files.upload && c->files.download);
    ck_assert_int_eq(c->limits.idle_minutes, 15);
    ck_assert_uint_eq(json_array_size(c->host_key.keys), 1);
    char target[300];
    connection_target(c, target, sizeof target);
    ck_assert_str_eq(target, "[fd00::1]:22");
    connection_unref(c);
}
END_TEST

START_TEST(all_errors_at_once) {
    struct connection *c = load(
        HEAD "metadata: { name: Bad_Name, namespace: x.y }\n"
             "spec:\n"
             "  protocol: ssh\n"
             "  hostname: 'a b'\n"
             "  port: 70000\n"
             "  audience: { keycloakRoles: [] }\n"
             "  recordng: {}\n"
             "  recording: { enabled: yes, retentionDays: 0, keys: some, bucket: X }\n"
             "  jit: { requiredApprovers: team }\n"
             "  credentials: { from: secret, user: x }\n"
             "  limits: { idleMinutes: 1.5 }\n"
             "  hostKey: { keys: [nonsense], unknown: maybe }\n"
             "  moderation: {}\n"
             "  parameters: { password: hunter2, known-hosts: /etc/passwd, session: x,\n"
             "     font-sze: 3, font-size: huge, hostname: h, disable-copy: true, host-key: k }\n");
    static const char *const want[] = {
        "metadata.name: must be small letters, digits, dots and hyphens",
        "metadata.namespace: must be small letters, digits and hyphens, 63 at most",
        "spec.hostname: is no host name and no address (no port, no brackets)",
        "spec.port: 70000 is not in 1…65535",
        "spec.audience.keycloakRoles: must not be empty",
        "spec: unknown field 'recordng', did you mean 'recording'?",
        "spec.recording.enabled: must be true or false",
        "spec.recording.retentionDays: 0 is not in 1…36500",
        "spec.recording.keys: must be one of full, masked, off",
        "spec.recording.bucket: must be 3…63 small letters, digits, dots and hyphens",
        "spec.jit.requiredApprovers: must be a list",
        "spec.credentials: unknown field 'user'",
        "spec.credentials.secretRef: is missing",
        "spec.limits.idleMinutes: must be a whole number",
        "spec.hostKey.keys: entry 1 must be one line such as 'ssh-ed25519 AAAA…'",
        "spec.hostKey.unknown: must be one of refuse, ask",
        "spec.moderation.roles: is missing",
        "spec.parameters.password: is a secret: it comes by spec.credentials only",
        "spec.parameters.known-hosts: names something on the gateway's own machine and is not "
        "taken "
        "here",
        "spec.parameters.session: is the gateway's own and is not taken here",
        "spec.parameters.font-sze: ssh knows no such parameter",
        "spec.parameters.hostname: is said by spec.hostname",
        "spec.parameters.disable-copy: is said by spec.clipboard",
        "spec.parameters.host-key: is said by spec.hostKey",
    };
    /* font-size: its sentence is the table's own */
    size_t i;
    json_t *error;
    bool found = false;
    json_array_foreach(c->errors, i, error) {
        if (strncmp(json_string_value(error), "spec.parameters.font-size: ", 27) == 0) {
            json_array_remove(c->errors, i);
            found = true;
            break;
        }
    }
    ck_assert(found);
    errors_are(c, want, ARRAY_LEN(want));
    /* a secret written where it does not belong is not kept, hashed or told */
    _free_ char *text = json_dumps(c->spec, 0);
    ck_assert_ptr_null(strstr(text, "hunter2"));
    _free_ char *errors = json_dumps(c->errors, 0);
    ck_assert_ptr_null(strstr(errors, "hunter2"));
    connection_unref(c);
}
END_TEST

/* Sections that only some connections have. */
START_TEST(guarded) {
    struct connection *c =
        load(HEAD "metadata: {name: pod}\n"
                  "spec:\n"
                  "  protocol: kubernetes\n"
                  "  audience: { keycloakRoles: [ops] }\n"
                  "  credentials: { from: kubernetes, kubernetes: impersonation }\n"
                  "  kubernetes:\n"
                  "    namespace: shop\n"
                  "    deployment: web\n"
                  "    container: app\n"
                  "    command: [sh, -l]\n"
                  "    choose: [container]\n"
                  "  limits: { sessionsPerPerson: 1, sessionsPerConnection: 3 }\n"
                  "  moderation: { roles: [security-officer], onLeave: end }\n"
                  "  watermark: { text: '{name} on {connection}' }\n"
                  "  stepUp: { acr: gold, maxAgeMinutes: 15 }\n"
                  "  locks: { failClosed: true }\n");
    no_errors(c);
    ck_assert_ptr_null(c->hostname);
    ck_assert_uint_eq(c->port, 0);
    ck_assert_int_eq(c->credentials.from, CREDENTIALS_KUBERNETES);
    ck_assert_int_eq(c->credentials.kubernetes_as, KUBERNETES_IMPERSONATION);
    ck_assert_str_eq(c->kubernetes.deployment, "web");
    ck_assert_str_eq(json_str(c->parameters, "namespace", ""), "shop");
    ck_assert_str_eq(json_str(c->parameters, "container", ""), "app");
    ck_assert_uint_eq(json_array_size(c->kubernetes.command), 2);
    ck_assert(json_has_string(c->kubernetes.choose, "container"));
    ck_assert_int_eq(c->limits.per_person, 1);
    ck_assert_int_eq(c->limits.per_connection, 3);
    ck_assert(c->moderation.there && json_has_string(c->moderation.roles, "security-officer"));
    ck_assert_int_eq(c->moderation.on_leave, MODERATION_END);
    ck_assert(c->watermark.there);
    ck_assert_str_eq(c->step_up.acr, "gold");
    ck_assert_int_eq(c->step_up.max_age_minutes, 15);
    ck_assert(c->locks.fail_closed);
    connection_unref(c);

    c = load(HEAD "metadata: {name: pod}\nspec:\n  protocol: kubernetes\n  hostname: api\n"
                  "  audience: { keycloakRoles: [ops] }\n"
                  "  credentials: { from: kubernetes, kubernetes: clientCertificate,"
                  " secretRef: { name: cert } }\n"
                  "  parameters: { pod-selector: app=web }\n  watermark: {}\n");
    no_errors(c);
    ck_assert_str_eq(c->kubernetes.selector, "app=web");
    ck_assert_str_eq(c->watermark.text, "{name} {time}");
    ck_assert(!c->moderation.there && !c->locks.fail_closed);
    connection_unref(c);
}
END_TEST

START_TEST(guarded_wrong) {
    static const struct {
        const char *spec, *error;
    } cases[] = {
        { "protocol: ssh, hostname: h, kubernetes: {pod: a}",
          "spec.kubernetes: ssh opens no pods" },
        { "protocol: kubernetes, hostname: h, kubernetes: {pod: a, selector: b=c}",
          "spec.kubernetes: pod, selector, deployment and statefulSet: say one of them" },
        { "protocol: kubernetes, hostname: h, kubernetes: {pod: a}, parameters: {pod: b}",
          "spec.kubernetes.pod: is said by spec.parameters.pod, too" },
        { "protocol: kubernetes, hostname: h, kubernetes: {pod: A_b}",
          "spec.kubernetes.pod: is no Kubernetes name" },
        { "protocol: kubernetes, hostname: h, kubernetes: {selector: '=='}",
          "spec.kubernetes.selector: is no list of labels such as app=shop,tier!=db" },
        { "protocol: kubernetes, hostname: h, kubernetes: {choose: [pod, node]}",
          "spec.kubernetes.choose: entry 2 is none of namespace|pod|container|command" },
        { "protocol: kubernetes, hostname: h, kubernetes: {pod: a, choose: [namespace]}",
          "spec.kubernetes.choose: who chooses the namespace has to choose the pod" },
        { "protocol: kubernetes, kubernetes: {pod: a}", "spec.hostname: is missing" },
        { "protocol: kubernetes, hostname: evil, kubernetes: {pod: a},"
          " credentials: {from: kubernetes, kubernetes: serviceAccount}",
          "spec.hostname: the gateway's own identity goes to the cluster it runs in only: leave it "
          "out" },
        { "protocol: kubernetes, kubernetes: {pod: a}, hostname: h,"
          " credentials: {from: kubernetes, kubernetes: clientCertificate}",
          "spec.credentials.secretRef: is missing" },
        { "protocol: ssh, hostname: h, credentials: {from: kubernetes}",
          "spec.credentials.from: ssh does not sign in at a cluster" },
        { "protocol: ssh, hostname: h, credentials: {kubernetes: userToken}",
          "spec.credentials.kubernetes: goes with from: kubernetes only" },
        { "protocol: vnc, hostname: h, credentials: {from: certificate}",
          "spec.credentials.from: certificates are for ssh" },
        { "protocol: ssh, hostname: h, credentials: {from: certificate, secretRef: {name: a}}",
          "spec.credentials.secretRef: does not go with from: certificate" },
        { "protocol: ssh, hostname: h, watermark: {text: 'by {user}'}",
          "spec.watermark.text: knows {name}, {sub}, {connection}, {session}, {address} and {time} "
          "only" },
        { "protocol: ssh, hostname: h, stepUp: {}", "spec.stepUp: says neither acr nor "
                                                    "maxAgeMinutes" },
        { "protocol: ssh, hostname: h, limits: {sessionsPerPerson: 0}",
          "spec.limits.sessionsPerPerson: 0 is not in 1…1000" },
        { "protocol: ssh, hostname: h, locks: {failclosed: true}",
          "spec.locks: unknown field 'failclosed', did you mean 'failClosed'?" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 HEAD "metadata: {name: x}\nspec: {%s, audience: {keycloakRoles: [a]}}\n",
                 cases[i].spec);
        struct connection *c = load(text);
        errors_are(c, &cases[i].error, 1);
        connection_unref(c);
    }
}
END_TEST

START_TEST(nothing_at_all) {
    const char *const bare[] = { "kind: GuacamoleConnection", "[]", "7",
                                 "kind: 7\nspec: 3\nmetadata: []",
                                 HEAD "metadata: {name: x}\nspec: {protocol: telnet}" };
    for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
        struct connection *c = load(bare[i]);
        ck_assert(!connection_usable(c));
        ck_assert_ptr_nonnull(c->roles);
        ck_assert_ptr_nonnull(c->parameters);
        connection_unref(c);
    }
    struct connection *c = load(bare[4]);
    ck_assert(json_has_string(c->errors, "spec.audience: is missing"));
    bool told = false;
    size_t i;
    json_t *error;
    json_array_foreach(c->errors, i, error) told |=
        strncmp(json_string_value(error), "spec.protocol: 'telnet' is not one of ", 38) == 0;
    ck_assert(told);
    connection_unref(c);
}
END_TEST

START_TEST(many_errors_are_cut) {
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, HEAD "metadata: {name: x}\nspec:\n");
    for (int i = 0; i < 500; i++)
        buf_printf(&b, "  wrong%d: 1\n", i);
    struct connection *c = load(buf_str(&b));
    ck_assert_uint_le(json_array_size(c->errors), 65);
    buf_fini(&b);
    connection_unref(c);
}
END_TEST

START_TEST(hash_follows_content) {
#define FORM(host) \
    HEAD "metadata: {name: x}\nspec: {protocol: ssh, hostname: " host "," \
         " audience: {keycloakRoles: [a]}}"
    const char *one = FORM("a"), *two = FORM("b");
    struct connection *a = load(one), *b = load(two), *c = load(one);
    ck_assert_str_ne(a->spec_sha256, b->spec_sha256);
    ck_assert_str_eq(a->spec_sha256, c->spec_sha256);
    ck_assert_str_eq(a->uid, b->uid);
    ck_assert_str_ne(a->version, b->version);
    connection_unref(a);
    connection_unref(b);
    connection_unref(c);
}
END_TEST

START_TEST(secret_keys) {
    const struct protocol *ssh = protocol_find("ssh");
    ck_assert(parameters_secret_may(ssh, "password"));
    ck_assert(parameters_secret_may(ssh, "private-key"));
    ck_assert(parameters_secret_may(ssh, "username"));
    ck_assert(!parameters_secret_may(ssh, "hostname"));
    ck_assert(!parameters_secret_may(ssh, "port"));
    ck_assert(!parameters_secret_may(ssh, "known-hosts"));
    ck_assert(!parameters_secret_may(ssh, "session"));
    ck_assert(!parameters_secret_may(ssh, "command"));
    ck_assert(!parameters_secret_may(ssh, "no-such"));
}
END_TEST

START_TEST(environment) {
    _json_ json_t *good = parse("apiVersion: catalyst.openova.io/v1\nkind: EnvironmentPolicy\n"
                                "metadata: {name: prod}\nspec:\n  other: 1\n"
                                "  appliesTo: {environments: [prod, staging], clusters: [x]}\n"
                                "  rules: [{kind: recording-required}, {kind: jit-required, x: 1},"
                                " {kind: image-signed}]\n");
    struct environment_policy *p = environment_read(good, "p.yaml:1");
    ck_assert_uint_eq(json_array_size(p->errors), 0);
    ck_assert(p->recording_required && p->jit_required);
    ck_assert(json_has_string(p->environments, "staging"));
    environment_unref(p);
    _json_ json_t *half = parse("apiVersion: catalyst.openova.io/v1\nkind: EnvironmentPolicy\n"
                                "metadata: {name: prod}\nspec:\n"
                                "  appliesTo: {environments: [prod]}\n"
                                "  rules: [{kind: recording-required}, 7]\n");
    p = environment_read(half, "p.yaml:1");
    ck_assert_uint_eq(json_array_size(p->errors), 1);
    ck_assert(p->recording_required && !p->jit_required);
    environment_unref(p);
    _json_ json_t *none = parse("kind: EnvironmentPolicy");
    p = environment_read(none, "p.yaml:1");
    ck_assert_uint_ge(json_array_size(p->errors), 3);
    environment_unref(p);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("connection");
    TCase *t = tcase_create("all");
    tcase_add_test(t, as_written_today);
    tcase_add_test(t, everything);
    tcase_add_test(t, all_errors_at_once);
    tcase_add_test(t, guarded);
    tcase_add_test(t, guarded_wrong);
    tcase_add_test(t, nothing_at_all);
    tcase_add_test(t, many_errors_are_cut);
    tcase_add_test(t, hash_follows_content);
    tcase_add_test(t, secret_keys);
    tcase_add_test(t, environment);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
