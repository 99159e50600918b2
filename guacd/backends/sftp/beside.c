#include "guacd/backends/sftp/beside.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "guacd/backends/sftp/pin.h"
#include "guacd/backends/sftp/sftp.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define WIRE_MAX (1u << 20)
#define WIRE_LIMIT (128u << 10)
#define STEP_MS 20000 /* of a login */
#define STACK_BYTES (512u << 10)

enum secret_row { PASSWORD, KEY, PASSPHRASE, SECRETS };

struct beside {
    struct session *s;
    int fd, stop;
    pthread_t thread;
    bool runs, gateway;
    char *host, *user, *pin, *public_key, *root, *drop;
    char *secrets[SECRETS]; /* wiped after the login */
    int alive_s;
    LIBSSH2_SESSION *lib;
    struct sftp *sftp;
    struct buf wire; /* libssh2 cannot take a partial send and then something else */
    bool closed;
    uint64_t heard_ms;
};

static void tell(struct beside *b, const char *why) {
    log_warning("files: %s", why);
    session_state(b->s, "files", why);
}

/* ---- the socket --------------------------------------------------------------------------------
 */

static void flush(struct beside *b) {
    while (b->wire.len) {
        ssize_t n = send(b->fd, b->wire.data, b->wire.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            b->closed |= errno != EAGAIN && errno != EINTR;
            return;
        }
        buf_consume(&b->wire, (size_t)n);
    }
}

static ssize_t on_send(libssh2_socket_t fd, const void *data, size_t len, int flags, void **arg) {
    struct beside *b = *arg;
    (void)fd;
    (void)flags;
    if (buf_add(&b->wire, data, len) < 0)
        return -EAGAIN; /* WIRE_LIMIT keeps us far from here */
    flush(b);
    return b->closed ? -EPIPE : (ssize_t)len;
}

static ssize_t on_recv(libssh2_socket_t fd, void *data, size_t len, int flags, void **arg) {
    struct beside *b = *arg;
    (void)flags;
    ssize_t n = recv(fd, data, len, MSG_DONTWAIT);
    if (n > 0)
        b->heard_ms = clock_ms();
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    b->closed |= n <= 0;
    return n < 0 ? -errno : n;
}

static size_t room(void *arg) {
    const struct beside *b = arg;
    return b->wire.len < WIRE_LIMIT ? WIRE_LIMIT - b->wire.len : 0;
}

/* ---- logging in, in blocking mode --------------------------------------------------------------
 */

static int check_host(struct beside *b, struct err *e) {
    size_t len;
    int type;
    const char *raw = libssh2_session_hostkey(b->lib, &len, &type);
    if (!raw)
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s showed no host key", b->host);
    char print[52];
    pin_fingerprint((const unsigned char *)raw, len, print);
    if (!*b->pin && b->gateway)
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "sftp-host-key is needed: %s shows a key with the fingerprint %s.", b->host,
                       print);
    if (!*b->pin) {
        log_warning("files: the host key of %s is not checked (%s): sftp-host-key is not set",
                    b->host, print);
        return 0;
    }
    enum pin_result r = pin_check(b->pin, (const unsigned char *)raw, len);
    if (r == PIN_BAD)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "sftp-host-key holds no key.");
    return r == PIN_MATCH ? 0
                          : err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                                    "The host key of %s is not sftp-host-key: it shows %s. Either "
                                    "the server was set up anew, or somebody is in between.",
                                    b->host, print);
}

static void prefer(struct beside *b) {
    static const char ciphers[] = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
                                  "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr";
    static const char others[] = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
                                 "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256";
    char type[32], order[512];
    libssh2_session_method_pref(b->lib, LIBSSH2_METHOD_CRYPT_CS, ciphers);
    libssh2_session_method_pref(b->lib, LIBSSH2_METHOD_CRYPT_SC, ciphers);
    pin_type(b->pin, type, sizeof type);
    snprintf(order, sizeof order, "%s%s%s",
             strcmp(type, "ssh-rsa") == 0 ? "rsa-sha2-512,rsa-sha2-256" : type, *type ? "," : "",
             others);
    libssh2_session_method_pref(b->lib, LIBSSH2_METHOD_HOSTKEY, order);
}

/* The password answers what is asked without echo; a second factor cannot be asked here. */
static void on_prompts(const char *name, int name_len, const char *about, int about_len, int count,
                       const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                       LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses, void **arg) {
    const struct beside *b = *arg;
    (void)name;
    (void)name_len;
    (void)about;
    (void)about_len;
    for (int i = 0; i < count; i++) {
        const char *answer = prompts[i].echo ? "" : b->secrets[PASSWORD];
        responses[i].text = strdup(answer); /* libssh2 frees it */
        responses[i].length = responses[i].text ? (unsigned)strlen(answer) : 0;
    }
}

static int log_in(struct beside *b, struct err *e) {
    unsigned n = (unsigned)strlen(b->user);
    const char *password = b->secrets[PASSWORD], *key = b->secrets[KEY];
    int rc = LIBSSH2_ERROR_AUTHENTICATION_FAILED;
    if (*key)
        rc = libssh2_userauth_publickey_frommemory(
            b->lib, b->user, n, *b->public_key ? b->public_key : NULL, strlen(b->public_key), key,
            strlen(key), b->secrets[PASSPHRASE]);
    if (rc && *password)
        rc = libssh2_userauth_password_ex(b->lib, b->user, n, password, (unsigned)strlen(password),
                                          NULL);
    if (rc && *password && !b->closed)
        rc = libssh2_userauth_keyboard_interactive_ex(b->lib, b->user, n, on_prompts);
    if (rc && !libssh2_userauth_authenticated(b->lib))
        return err_set(e, STATUS_CLIENT_UNAUTHORIZED, "%s refuses the login of %s for files.",
                       b->host, b->user);
    return 0;
}

static int connect_sftp(struct beside *b, struct err *e) {
    buf_init(&b->wire, WIRE_MAX);
    b->lib = libssh2_session_init_ex(NULL, NULL, NULL, b);
    if (!b->lib)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for an SSH session");
    libssh2_session_callback_set2(b->lib, LIBSSH2_CALLBACK_SEND, (libssh2_cb_generic *)on_send);
    libssh2_session_callback_set2(b->lib, LIBSSH2_CALLBACK_RECV, (libssh2_cb_generic *)on_recv);
    libssh2_session_set_blocking(b->lib, 1);
    libssh2_session_set_timeout(b->lib, STEP_MS);
    prefer(b);
    if (libssh2_session_handshake(b->lib, b->fd))
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s does not answer as an SSH server for files.",
                       b->host);
    if (check_host(b, e) < 0 || log_in(b, e) < 0)
        return -1;
    libssh2_session_set_blocking(b->lib, 0);
    libssh2_keepalive_config(b->lib, 1, (unsigned)b->alive_s);
    const struct sftp_conf conf = {
        .lib = b->lib, .root = b->root, .drop = b->drop, .room = room, .arg = b
    };
    b->sftp = sftp_new(b->s, &conf, e);
    return b->sftp ? 0 : -1;
}

static void forget_secrets(struct beside *b) {
    for (int i = 0; i < SECRETS; i++) {
        if (b->secrets[i])
            secret_wipe(b->secrets[i], strlen(b->secrets[i]));
        free(steal_ptr(b->secrets[i]));
    }
}

/* ---- the thread --------------------------------------------------------------------------------
 */

/* false: the server is gone. */
static bool keep_alive(struct beside *b) {
    uint64_t interval = (uint64_t)b->alive_s * 1000;
    int next;
    if (interval && clock_ms() - b->heard_ms > 3 * interval + 1000)
        return false;
    if (interval && b->wire.len < WIRE_LIMIT)
        libssh2_keepalive_send(b->lib, &next);
    return true;
}

static void serve(struct beside *b) {
    while (!b->closed) {
        while (sftp_step(b->sftp) && !b->closed)
            ;
        struct pollfd p[] = { { b->fd, (short)(POLLIN | (b->wire.len ? POLLOUT : 0)), 0 },
                              { sftp_fd(b->sftp), POLLIN, 0 },
                              { b->stop, POLLIN, 0 } };
        poll(p, 3, b->alive_s ? b->alive_s * 1000 : -1);
        if (p[2].revents)
            return;
        flush(b);
        if (p[0].revents & (POLLHUP | POLLERR))
            b->closed = true;
        if (!keep_alive(b))
            b->closed = true;
        if (p[0].revents & POLLIN && !sftp_step(b->sftp) && !sftp_drain(b->sftp))
            b->closed = true;
    }
    tell(b, "The server for files has closed the connection.");
}

static void *main_of_files(void *arg) {
    struct beside *b = arg;
    struct err e = { 0 };
    prctl(PR_SET_NAME, "files");
    b->heard_ms = clock_ms();
    int r = connect_sftp(b, &e);
    forget_secrets(b);
    if (r < 0)
        tell(b, e.text);
    else
        serve(b);
    sftp_free(b->sftp);
    b->sftp = NULL;
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------
 */

int beside_warm(struct err *e) {
    return libssh2_init(0) ? err_set(e, STATUS_SERVER_ERROR, "libssh2 cannot be started") : 0;
}

size_t beside_ports(const struct args *args, uint16_t *out, size_t max) {
    if (!max || !args_bool(args, "enable-sftp"))
        return 0;
    out[0] = (uint16_t)args_int(args, "sftp-port");
    return 1;
}

static char *either(const struct args *args, const char *name, const char *other) {
    return strdup(args_is_set(args, name) ? args_str(args, name) : args_str(args, other));
}

struct beside *beside_dial(struct session *s, const struct args *args) {
    static const char *const names[SECRETS] = { "sftp-password", "sftp-private-key",
                                                "sftp-passphrase" };
    if (!args_bool(args, "enable-sftp"))
        return NULL;
    struct beside *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->s = s;
    b->fd = -1;
    b->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    b->gateway = args_is_set(args, "session");
    b->alive_s = (int)args_int(args, "sftp-server-alive-interval");
    b->host = either(args, "sftp-hostname", "hostname");
    b->user = either(args, "sftp-username", "username");
    b->pin = strdup(args_str(args, "sftp-host-key"));
    b->public_key = strdup(args_str(args, "sftp-public-key"));
    b->root = strdup(args_str(args, "sftp-root-directory"));
    b->drop = strdup(args_str(args, "sftp-directory"));
    bool good = b->stop >= 0 && b->host && b->user && b->pin && b->public_key && b->root && b->drop;
    for (int i = 0; i < SECRETS; i++)
        good &= (b->secrets[i] = strdup(args_str(args, names[i]))) != NULL;
    struct err e = { 0 };
    if (good && session_dial_beside(s, b->host, (uint16_t)args_int(args, "sftp-port"),
                                    (int)args_int(args, "sftp-timeout") * 1000, &b->fd, &e) == 0)
        return b;
    tell(b, good ? e.text : "No memory for files.");
    beside_free(b);
    return NULL;
}

void beside_start(struct beside *b) {
    if (!b || b->runs)
        return;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    b->runs = pthread_create(&b->thread, &attr, main_of_files, b) == 0;
    pthread_attr_destroy(&attr);
    if (!b->runs)
        tell(b, "No thread for files.");
}

void beside_free(struct beside *b) {
    if (!b)
        return;
    eventfd_write(b->stop, 1);
    if (b->fd >= 0)
        shutdown(b->fd, SHUT_RDWR); /* whatever it waits for ends */
    if (b->runs)
        pthread_join(b->thread, NULL);
    if (b->lib)
        libssh2_session_free(b->lib);
    if (b->fd >= 0)
        close(b->fd);
    if (b->stop >= 0)
        close(b->stop);
    forget_secrets(b);
    buf_wipe(&b->wire);
    free(b->host);
    free(b->user);
    free(b->pin);
    free(b->public_key);
    free(b->root);
    free(b->drop);
    free(b);
}
