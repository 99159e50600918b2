/* See check.h. A check that needs another one's success is left out when that failed. */
#include "proxy/authd/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "crd/catalog.h"
#include "crd/cluster.h"
#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "proxy/authd/cookie.h"
#include "proxy/authd/oidc.h"
#include "proxy/authd/policy.h"
#include "proxy/authd/text.h"
#include "recording/sign.h"

#define READY_MS 15000
#define LIST_MS 10000 /* for the first list of the API server */
#define REFUSED_LINES 100

struct check {
    struct config *conf;
    FILE *out;
    int wrong;
};

__attribute__((format(printf, 3, 4))) static void good(struct check *c, const char *name,
                                                       const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(c->out, "ok   %s: ", name);
    vfprintf(c->out, fmt, ap);
    fputc('\n', c->out);
    va_end(ap);
}

__attribute__((format(printf, 4, 5))) static void bad(struct check *c, const char *name,
                                                      const char *advice, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(c->out, "BAD  %s: ", name);
    vfprintf(c->out, fmt, ap);
    fprintf(c->out, ". %s\n", advice);
    va_end(ap);
    c->wrong++;
}

/* ---- secrets --------------------------------------------------------------------------------- */

static bool will_be_made(const struct config *conf, const char *path) {
    return conf->create_keys && access(path, F_OK) < 0 && errno == ENOENT;
}

static void check_keys(struct check *c) {
    const struct config *conf = c->conf;
    struct err e = { 0 };
    struct cookie_keys *keys = NULL;
    struct sign_key *key = NULL;
    if (will_be_made(conf, conf->cookie_keys))
        good(c, "cookie-keys", "%s will be made", conf->cookie_keys);
    else if ((keys = cookie_keys_read(conf->cookie_keys, &e)))
        good(c, "cookie-keys", "%s", conf->cookie_keys);
    else
        bad(c, "cookie-keys", "32 random bytes in base64, mode 0600, or create-keys = yes", "%s",
            e.text);
    if (will_be_made(conf, conf->gateway_key))
        good(c, "gateway-key", "%s will be made", conf->gateway_key);
    else if ((key = sign_key_read_private(conf->gateway_key, &e)))
        good(c, "gateway-key", "recordings are signed by %s", sign_key_id(key));
    else
        bad(c, "gateway-key",
            "`openssl genpkey -algorithm ed25519`, mode 0600, or create-keys = yes", "%s", e.text);
    cookie_keys_free(keys);
    sign_key_free(key);
}

/* ---- the issuer ------------------------------------------------------------------------------ */

/* Its clock, by the answer's Date; good to a second. */
static void check_clock(struct check *c, struct http_response *rs) {
    char date[64];
    struct tm tm = { 0 };
    const char *text = http_header(rs, "date", date, sizeof date);
    if (!text || !strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return;
    long long off = (long long)time(NULL) - (long long)timegm(&tm);
    long limit = MAX_OF(c->conf->oidc_clock_skew, 2L);
    if (off > limit || off < -limit)
        bad(c, "clock", "Synchronize this machine's clock (NTP), or the issuer's",
            "it is %lld s away from the issuer's, and %ld are allowed", off, limit);
    else
        good(c, "clock", "within %ld s of the issuer's", limit);
}

/* Asked without a person (prompt=none) the provider sends a client that it knows back to us, and
 * shows an error to one that it does not. */
static void check_client(struct check *c, struct oidc *o, struct http *h) {
    struct oidc_login login;
    struct http_response rs = { 0 };
    struct err e = { 0 };
    struct buf url;
    oidc_login_make(&login);
    buf_init(&url, 8192);
    if (oidc_authorize(o, h, &login, NULL, &url, &e) != FAILURE_NONE ||
        buf_puts(&url, "&prompt=none")) {
        buf_fini(&url);
        return;
    }
    const struct http_request rq = { .method = "GET",
                                     .url = buf_str(&url),
                                     .ca_file = c->conf->oidc_ca && *c->conf->oidc_ca
                                                    ? c->conf->oidc_ca
                                                    : NULL };
    char to[2048];
    if (http_do(h, &rq, &rs, &e))
        bad(c, "oidc-client", "See the issuer's log", "%s", e.text);
    else if (rs.status / 100 != 3)
        bad(c, "oidc-client",
            "Make the client in that realm, with the redirect URI PUBLIC-URL/auth/callback",
            "the issuer answered %d to client %s with redirect %s/auth/callback", rs.status,
            c->conf->oidc_client, c->conf->origin);
    else if (!http_header(&rs, "location", to, sizeof to) || strstr(to, "error=invalid") ||
             strstr(to, "error=unauthorized"))
        bad(c, "oidc-client", "Allow it the standard flow (authorization code)",
            "the issuer refuses client %s", c->conf->oidc_client);
    else
        good(c, "oidc-client", "%s is known, and so is %s/auth/callback", c->conf->oidc_client,
             c->conf->origin);
    http_response_fini(&rs);
    /* A code that was never given: a right client is told so, a wrong secret is told that. */
    struct identity *nobody = NULL;
    e = (struct err){ 0 };
    enum failure f = oidc_redeem(o, h, "guac-authd-check", &login, &nobody, &e);
    if (f == FAILURE_REFUSED && strstr(e.text, "invalid_grant"))
        good(c, "oidc-secret", "the issuer takes it");
    else
        bad(c, "oidc-secret", "Put the client's secret into oidc-secret's file", "%s", e.text);
    identity_free(nobody);
    buf_fini(&url);
}

static void check_issuer(struct check *c) {
    const struct config *conf = c->conf;
    struct err e = { 0 };
    if (!conf->oidc_issuer || !*conf->oidc_issuer)
        return;
    struct http *h = http_new(&e);
    struct oidc *o = h ? oidc_new(conf, &e) : NULL;
    struct oidc_endpoints ep;
    char url[600];
    if (!o) {
        bad(c, "oidc-secret", "A file of mode 0600 with the client's secret", "%s", e.text);
    } else if (oidc_endpoints(o, h, &ep, &e) != FAILURE_NONE) {
        bad(c, "oidc-issuer",
            "Is the address right (…/realms/NAME), can it be reached from here, and is oidc-ca the "
            "authority of its certificate?",
            "%s: %s", conf->oidc_issuer, e.text);
    } else {
        good(c, "oidc-issuer", "%s answers", conf->oidc_issuer);
        snprintf(url, sizeof url, "%s/.well-known/openid-configuration", conf->oidc_issuer);
        const struct http_request rq = { .method = "GET",
                                         .url = url,
                                         .ca_file = conf->oidc_ca && *conf->oidc_ca ? conf->oidc_ca
                                                                                    : NULL };
        struct http_response rs = { 0 };
        if (http_do(h, &rq, &rs, &e) == 0)
            check_clock(c, &rs);
        http_response_fini(&rs);
        check_client(c, o, h);
    }
    oidc_free(o);
    http_free(h);
}

/* ---- resources ------------------------------------------------------------------------------- */

static void tell_connections(struct check *c, struct catalog *k) {
    struct snapshot *s = catalog_snapshot(k);
    size_t wrong = 0, i;
    const json_t *problem;
    for (i = 0; i < s->count; i++) {
        const struct connection *it = s->connections[i];
        const json_t *error;
        size_t n;
        wrong += !connection_usable(it);
        json_array_foreach(it->errors, n, error)
            bad(c, "resources", "Mend that resource; the others are served", "%s/%s: %s",
                it->namespace, it->name, json_string_value(error));
    }
    json_array_foreach(s->problems, i, problem)
        bad(c, "resources", "Mend that file", "%s: %s", json_str(problem, "source", ""),
            json_string_value(json_array_get(json_object_get(problem, "errors"), 0)));
    good(c, "resources", "%zu connections, %zu policies", s->count - wrong, s->policy_count);
    snapshot_unref(s);
}

static void check_resources(struct check *c) {
    const struct config *conf = c->conf;
    struct err e = { 0 };
    const struct cluster_config cluster = { conf->cluster_server, conf->cluster_token,
                                            conf->cluster_ca, conf->namespaces, conf->namespace };
    struct cluster *k = conf->in_cluster ? cluster_new(&cluster, &e) : NULL;
    struct catalog *all = k                  ? catalog_cluster_new(k, NULL, &e)
                          : conf->in_cluster ? NULL
                                             : catalog_folder_new(conf->folder, &e);
    for (int waited = 0; all && catalog_age_ms(all) == INT64_MAX && waited < LIST_MS; waited += 100)
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    if (!all)
        bad(c, "resources", "Check folder, or store, cluster-server, cluster-ca and cluster-token",
            "%s", e.text);
    else if (catalog_age_ms(all) == INT64_MAX)
        bad(c, "resources",
            "Are the definitions applied, and may the service account list them (rbac.yaml)? The "
            "log above says what the API server answered",
            "the API server gave no list within %d s", LIST_MS / 1000);
    else
        tell_connections(c, all);
    catalog_free(all);
    cluster_free(k);
}

/* ---- the other programs ---------------------------------------------------------------------- */

/* The kernel answers EPROTOTYPE for a live listener of another type, and nobody has to accept. */
static bool listening(const char *path, int wrong_type) {
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    _close_ int fd = socket(AF_UNIX, wrong_type | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof sa.sun_path, "%.100s", path);
    return fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0 &&
           errno == EPROTOTYPE;
}

/* What a recorder that did not start has left: each line that says BAD. */
static bool check_refused(struct check *c) {
    char path[400], line[1024];
    snprintf(path, sizeof path, "%s/recorder.refused", c->conf->run);
    _close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
    bool any = false;
    if (!in)
        return false;
    steal_fd(&fd);
    for (int n = 0; n < REFUSED_LINES && fgets(line, sizeof line, in); n++) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "BAD  ", 5) != 0)
            continue;
        bad(c, "recorder", "Then start it again", "it did not start; %s", text_clean(line + 5));
        any = true;
    }
    fclose(in);
    return any;
}

static void check_programs(struct check *c) {
    static const struct {
        const char *name, *socket, *advice;
    } programs[] = {
        { "recorder", "recorder.sock",
          "Start guac-recorder; where it refuses, `guac-recorder check` tells everything" },
        { "guacd", "guacd.sock", "Start guacd with --socket RUN/guacd.sock" },
        { "evidence", "evidence.sock", "Start guac-evidence serve" },
    };
    char path[400];
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        snprintf(path, sizeof path, "%s/%s", c->conf->run, programs[i].socket);
        if (listening(path, SOCK_DGRAM))
            good(c, programs[i].name, "listens on %s", path);
        else if (i > 0 || !check_refused(c))
            bad(c, programs[i].name, programs[i].advice, "nobody listens on %s", path);
    }
}

/* What a running authd says of itself; it knows more than we can see. */
static void check_daemon(struct check *c) {
    char path[400];
    struct err e = { 0 };
    snprintf(path, sizeof path, "%s/authd.sock", c->conf->run);
    if (!listening(path, SOCK_DGRAM))
        return;
    _close_ int sock = ctl_connect(path, &e);
    _json_ json_t *msg = json_pack("{s:s, s:i}", "op", "ready", "rid", 1);
    if (sock < 0 || ctl_send(sock, msg, NULL, 0, &e) < 0) {
        bad(c, "daemon", "Run this as the daemon's own user", "%s", e.text);
        return;
    }
    const struct timeval wait = { .tv_sec = READY_MS / 1000 };
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    size_t none = 0;
    _json_ json_t *answer = ctl_recv(sock, NULL, &none, &e);
    const char *name;
    json_t *value;
    if (!answer)
        bad(c, "daemon", "Run this as the daemon's own user; else see its log",
            "the running guac-authd does not answer%s%s", *e.text ? ": " : "", e.text);
    json_object_foreach(json_object_get(answer, "checks"), name,
                        value) if (strcmp(json_string_value(value), "ok") != 0)
        bad(c, name, "The running daemon says so", "%s", json_string_value(value));
}

int check_run(struct config *conf, FILE *out) {
    struct check c = { conf, out, 0 };
    struct err e = { 0 };
    struct stat st;
    bool derived = config_derive(conf, &e) == 0;
    if (derived)
        good(&c, "configuration", "%s", conf->origin);
    else
        bad(&c, "configuration", "guac-authd --help tells every key", "%s", e.text);
    check_keys(&c);
    if (derived) {
        check_issuer(&c);
        check_resources(&c);
    }
    if (stat(conf->run, &st) < 0)
        bad(&c, "run", "systemd-tmpfiles --create makes it, or name another by run",
            "the folder %s: %s", conf->run, strerror(errno));
    else
        check_programs(&c);
    check_daemon(&c);
    fprintf(out, c.wrong ? "%d wrong\n" : "nothing is wrong\n", c.wrong);
    return c.wrong;
}
