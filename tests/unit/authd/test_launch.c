/* From a resource to the wire: every gateway row, and the handshake against the server's own state
 * machine over a real socket. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "crd/yamldoc.h"
#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/launch.h"
#include "tests/unit/unit.h"

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"
#define HEAD \
    "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleConnection\n" \
    "metadata: {name: box, namespace: relay}\n"

static int take(void *arg, json_t *doc, int line) {
    (void)line;
    *(json_t **)arg = json_incref(doc);
    return 0;
}

static struct connection *connection(const char *spec) {
    char yaml[2048];
    struct err e = { 0 };
    json_t *doc = NULL;
    snprintf(yaml, sizeof yaml, HEAD "%s", spec);
    ck_assert_msg(yamldoc_each(yaml, strlen(yaml), take, &doc, &e) == 0, "%s", e.text);
    struct connection *c = connection_read(doc, "t:1");
    json_decref(doc);
    ck_assert_msg(connection_usable(c), "%s", json_string_value(json_array_get(c->errors, 0)));
    return c;
}

static struct config conf;
static struct identity *who;
static struct decision decision;

static void setup(void) {
    json_t *roles = json_array();
    who = identity_new("u-1", "sid", "Olga", roles);
    json_decref(roles);
    conf = (struct config){ .grace_seconds = 60,
                            .warn_seconds = 30,
                            .idle_minutes = 20,
                            .tap_soft_bytes = 1000000,
                            .tap_hard_bytes = 2000000,
                            .tap_soft_ms = 5000,
                            .tap_hard_ms = 10000,
                            .address_allow = (char *)(uintptr_t) "127.0.0.1:2222" };
    decision = (struct decision){ .allow = true, .max_minutes = 60 };
}

static void teardown(void) {
    identity_free(who);
}

static struct args *build(struct connection *c, const struct secret_set *secrets, struct err *e) {
    static const struct secret_set none;
    struct launch l = { &conf,         c,    who, &decision, secrets ? secrets : &none, ID,
                        1700000000000, NULL, NULL };
    return launch_args(&l, e);
}

START_TEST(rows) {
    struct err e = { 0 };
    struct connection *c = connection(
        "spec: {protocol: ssh, hostname: h.example, port: 2222, audience: {keycloakRoles: [a]},"
        " parameters: {font-size: 15}, credentials: {username: root}, clipboard: {paste: false},"
        " files: {download: false}, limits: {idleMinutes: 5}, recording: {keys: off},"
        " hostKey: {keys: ['ssh-ed25519 AAAA', 'ssh-rsa BBBB']}}");
    struct args *a = build(c, NULL, &e);
    ck_assert_msg(a != NULL, "%s", e.text);
    static const struct {
        const char *name, *value;
    } want[] = {
        { "hostname", "h.example" },
        { "username", "root" },
        { "host-key", "ssh-ed25519 AAAA\nssh-rsa BBBB" },
        { "host-key-policy", "pin" },
        { "session", ID },
        { "connection", "relay/box" },
        { "owner", "u-1" },
        { "owner-name", "Olga" },
        { "duration-reason", "duration" },
        { "recording", "full" },
        { "recording-keys", "off" },
        { "address-allow", "127.0.0.1:2222" },
        { "address-deny", "" },
        { "password", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        ck_assert_msg(strcmp(args_str(a, want[i].name), want[i].value) == 0, "%s: '%s'",
                      want[i].name, args_str(a, want[i].name));
    static const struct {
        const char *name;
        long value;
    } numbers[] = { { "port", 2222 },
                    { "font-size", 15 },
                    { "grace", 60 },
                    { "max-duration", 3600 },
                    { "idle-timeout", 300 },
                    { "warn-before", 30 },
                    { "started", 1700000000000 },
                    { "tap-soft-limit", 1000000 } };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        ck_assert_msg(args_int(a, numbers[i].name) == numbers[i].value, "%s", numbers[i].name);
    ck_assert(args_bool(a, "allow-copy") && !args_bool(a, "allow-paste"));
    ck_assert(!args_bool(a, "allow-download") && args_bool(a, "allow-upload"));
    ck_assert(args_bool(a, "require-tap"));
    /* "authd sends every row": nothing of policy is left to stock mode's defaults */
    for (size_t i = 0; protocol_arg(c->protocol, i); i++)
        if (protocol_arg(c->protocol, i)->flags & ARG_GATEWAY)
            ck_assert_msg(args_is_set(a, protocol_arg(c->protocol, i)->name) ||
                              strcmp(protocol_arg(c->protocol, i)->name, "address-deny") == 0,
                          "%s is not set", protocol_arg(c->protocol, i)->name);
    args_free(a);
    connection_unref(c);
}
END_TEST

START_TEST(unrecorded_and_asking) {
    struct err e = { 0 };
    struct connection *c =
        connection("spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [a]},"
                   " recording: {enabled: false}, hostKey: {unknown: ask}}");
    struct args *a = build(c, NULL, &e);
    ck_assert_str_eq(args_str(a, "recording"), "events");
    ck_assert_str_eq(args_str(a, "host-key-policy"), "ask");
    ck_assert_int_eq(args_int(a, "idle-timeout"), 1200);
    args_free(a);
    connection_unref(c);
    c = connection("spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [a]}}");
    a = build(c, NULL, &e);
    ck_assert_str_eq(args_str(a, "host-key-policy"), "known");
    args_free(a);
    connection_unref(c);
}
END_TEST

START_TEST(secrets) {
    struct err e = { 0 };
    struct connection *c =
        connection("spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [a]},"
                   " credentials: {secretRef: {name: login}}}");
    struct secret_set s = { 0 };
    ck_assert_int_eq(secret_set_add(&s, "password", "p w", 3, &e), 0);
    ck_assert_int_eq(secret_set_add(&s, "username", "root", 4, &e), 0);
    struct args *a = build(c, &s, &e);
    ck_assert_msg(a != NULL, "%s", e.text);
    ck_assert_str_eq(args_str(a, "password"), "p w");
    ck_assert_str_eq(args_str(a, "username"), "root");
    args_free(a);
    static const char *const bad[] = { "hostname",    "port",     "session", "owner",
                                       "known-hosts", "nonsense", "command", "address-allow" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct secret_set t = { 0 };
        ck_assert_int_eq(secret_set_add(&t, bad[i], "evil", 4, &e), 0);
        ck_assert_ptr_null(build(c, &t, &e));
        ck_assert_ptr_null(strstr(e.text, "evil"));
        secret_set_fini(&t);
    }
    secret_set_fini(&s);
    connection_unref(c);
}
END_TEST

/* guacd's end, on a thread: takes the tap with the first byte, answers, then says more. */
struct guacd {
    int sock;
    const char *id;    /* what `ready` says */
    const char *error; /* instead of ready */
    bool joined;       /* as after a `join`: args at once */
    int tap;
    char select[64], seen_user[256];
    int width;
};

static void *serve(void *arg) {
    struct guacd *g = arg;
    struct handshake_server h;
    struct buf out;
    struct err e = { 0 };
    char data[16384];
    int fds[FDPASS_MAX];
    size_t nfds = FDPASS_MAX;
    buf_init(&out, 65536);
    handshake_server_init(&h, true);
    g->tap = -1;
    if (g->joined) {
        handshake_server_args(&h, protocol_find("demo"), &out);
        ck_assert_int_eq(send(g->sock, out.data, out.len, 0), (ssize_t)out.len);
        buf_clear(&out);
    }
    for (bool first = !g->joined;; first = false) {
        size_t used = 0, n;
        ssize_t got =
            first ? fdpass_recv(g->sock, data, 1, fds, &nfds) : recv(g->sock, data, sizeof data, 0);
        if (got <= 0)
            break;
        if (first && nfds)
            g->tap = fds[0];
        enum handshake_result r = HANDSHAKE_MORE;
        for (n = 0; n < (size_t)got && r != HANDSHAKE_CONNECTED && r != HANDSHAKE_BAD; n += used) {
            r = handshake_server_feed(&h, data + n, (size_t)got - n, &used, &e);
            if (r == HANDSHAKE_SELECTED) {
                snprintf(g->select, sizeof g->select, "%s", h.select);
                handshake_server_args(&h, protocol_find(h.select), &out);
            }
        }
        if (r == HANDSHAKE_CONNECTED) {
            g->width = h.info.width;
            snprintf(g->seen_user, sizeof g->seen_user, "%s", h.info.name);
            if (g->error)
                handshake_put_error(&out, STATUS_UPSTREAM_NOT_FOUND, g->error);
            else
                handshake_put_ready(&out, g->id);
            buf_puts(&out, "4.size,1.0,3.100,3.100;"); /* drawing, at once behind ready */
        }
        if (out.len && send(g->sock, out.data, out.len, MSG_NOSIGNAL) < 0)
            break;
        buf_clear(&out);
        if (r == HANDSHAKE_CONNECTED || r == HANDSHAKE_BAD)
            break;
    }
    handshake_server_fini(&h);
    args_free(h.args);
    buf_fini(&out);
    return NULL;
}

static int shake(struct guacd *g, const char *select, int tap, int *sock, struct err *e) {
    int pair[2];
    pthread_t t;
    struct handshake_info info;
    struct connection *c = connection("spec: {protocol: demo, audience: {keycloakRoles: [a]}}");
    struct args *a = build(c, NULL, e);
    ck_assert_msg(a != NULL, "%s", e->text);
    handshake_info_init(&info);
    info.width = 1234;
    snprintf(info.name, sizeof info.name, "Olga");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    g->sock = pair[1];
    ck_assert_int_eq(pthread_create(&t, NULL, serve, g), 0);
    int rc = launch_handshake(pair[0], select, tap, &info, a, ID, e);
    *sock = pair[0];
    pthread_join(t, NULL);
    close(g->sock);
    args_free(a);
    connection_unref(c);
    return rc;
}

START_TEST(handshake) {
    struct guacd g = { .id = ID };
    struct err e = { 0 };
    int sock, pipe_fds[2];
    char rest[64];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_msg(shake(&g, "demo", pipe_fds[1], &sock, &e) == 0, "%s", e.text);
    ck_assert_str_eq(g.select, "demo");
    ck_assert_str_eq(g.seen_user, "Olga");
    ck_assert_int_eq(g.width, 1234);
    /* the tap arrived, and it is that very pipe */
    ck_assert_int_ge(g.tap, 0);
    ck_assert_int_eq(write(g.tap, "t", 1), 1);
    ck_assert_int_eq(read(pipe_fds[0], rest, 1), 1);
    /* not one byte beyond `ready` was taken */
    ssize_t n = recv(sock, rest, sizeof rest, 0);
    ck_assert_int_eq(n, 23);
    ck_assert_int_eq(memcmp(rest, "4.size,", 7), 0);
    close(sock);
}
END_TEST

START_TEST(handshake_after_join) {
    struct guacd g = { .id = ID, .joined = true };
    struct err e = { 0 };
    int sock;
    ck_assert_msg(shake(&g, NULL, -1, &sock, &e) == 0, "%s", e.text);
    ck_assert_str_eq(g.seen_user, "Olga");
    close(sock);
}
END_TEST

START_TEST(handshake_refused) {
    struct guacd g = { .error = "no such host" };
    struct err e = { 0 };
    int sock;
    ck_assert_int_eq(shake(&g, "demo", -1, &sock, &e), -1);
    ck_assert_int_eq(e.status, STATUS_UPSTREAM_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(e.text, "no such host"));
    close(sock);
    struct guacd other = { .id = "01890a5d-ac96-774b-bcce-b302099a8058" };
    ck_assert_int_eq(shake(&other, "demo", -1, &sock, &e), -1);
    ck_assert_ptr_nonnull(strstr(e.text, "another id"));
    close(sock);
}
END_TEST

START_TEST(handshake_cut) {
    struct err e = { 0 };
    struct handshake_info info;
    int pair[2];
    handshake_info_init(&info);
    struct args *a = args_new(protocol_find("demo"));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[1]);
    ck_assert_int_eq(launch_handshake(pair[0], "demo", -1, &info, a, ID, &e), -1);
    close(pair[0]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(send(pair[1], "4.args,13.VERSION_1_5_0;x.y;", 28, 0), 28);
    ck_assert_int_eq(launch_handshake(pair[0], "demo", -1, &info, a, ID, &e), -1);
    close(pair[0]);
    close(pair[1]);
    args_free(a);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("launch");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 40);
    tcase_add_test(t, rows);
    tcase_add_test(t, unrecorded_and_asking);
    tcase_add_test(t, secrets);
    tcase_add_test(t, handshake);
    tcase_add_test(t, handshake_after_join);
    tcase_add_test(t, handshake_refused);
    tcase_add_test(t, handshake_cut);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
