/* SSH: life and death of one connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/backends/ssh/ssh.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static int warm(void *state, struct err *e) {
    (void)state;
    if (libssh2_init(0))
        return err_set(e, STATUS_SERVER_ERROR, "libssh2 cannot be started");
    term_warm();
    return 0;
}

static size_t ports(const struct args *args, uint16_t *out, size_t max) {
    if (!max)
        return 0;
    out[0] = (uint16_t)args_int(args, "port");
    return 1;
}

/* OpenSSL has AES in hardware where there is any; libssh2's ChaCha20 is plain C and costs a third
 * of a flood. */
static void prefer_ciphers(struct ssh *c) {
    static const char ciphers[] =
        "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
        "aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,aes192-cbc,aes256-cbc";
    libssh2_session_method_pref(c->lib, LIBSSH2_METHOD_CRYPT_CS, ciphers);
    libssh2_session_method_pref(c->lib, LIBSSH2_METHOD_CRYPT_SC, ciphers);
}

static int handshake(struct ssh *c, uint64_t deadline, struct err *e) {
    int rc;
    ssh_prefer_host_keys(c);
    prefer_ciphers(c);
    while ((rc = libssh2_session_handshake(c->lib, c->fd)) == LIBSSH2_ERROR_EAGAIN)
        if (ssh_wait(c, deadline, e))
            return -1;
    return rc ? ssh_error(c, rc, "the SSH handshake", e) : 0;
}

/* Somebody answered, but not as SSH servers do. */
static bool speaks_otherwise(const struct ssh *c, const struct err *e) {
    const char *banner = libssh2_session_banner_get(c->lib); /* or the last line read instead */
    return e->status == STATUS_UPSTREAM_TIMEOUT && c->heard_ms &&
           (!banner || strncmp(banner, "SSH-", 4) != 0);
}

/* What a server says before the login belongs above it. */
static void show_banner(struct ssh *c) {
    char *text = NULL;
    if (libssh2_userauth_banner(c->lib, &text) || !text)
        return;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\r\n");
        term_feed(c->con.term, p, n);
        p += n;
        if (*p == '\n')
            term_feed(c->con.term, "\r\n", 2);
        p += *p ? 1 : 0;
    }
}

static int ssh_open(struct session *s, void *state, const struct args *args, struct err *e) {
    struct ssh *c = state;
    c->s = s;
    c->args = args;
    c->fd = -1;
    c->port = (int)args_int(args, "port");
    snprintf(c->host, sizeof c->host, "%s", args_str(args, "hostname"));
    if (console_init(&c->con, s, args, e))
        return -1;
    if (args_bool(args, "enable-agent"))
        log_warning("enable-agent: agents are not forwarded yet; the session goes on without");
    int timeout_ms = (int)args_int(args, "timeout") * 1000;
    uint64_t deadline = clock_ms() + (uint64_t)timeout_ms;
    session_state(s, "connecting", c->host);
    if (session_dial(s, c->host, (uint16_t)c->port, timeout_ms, &c->fd, e))
        return -1;
    if (ssh_wire_start(c, e))
        return -1;
    if (handshake(c, deadline, e))
        return speaks_otherwise(c, e) ? err_set(e, STATUS_UPSTREAM_ERROR,
                                                "%s, port %d does not speak SSH", c->host, c->port)
                                      : -1;
    if (ssh_check_host(c, e))
        return -1;
    session_state(s, "login", c->host);
    int r = ssh_login(c, e);
    c->login = NULL;
    if (r)
        return -1;
    show_banner(c);
    console_show(&c->con);
    if (ssh_shell(c, e))
        return -1;
    if (args_bool(args, "enable-sftp") && ssh_files(c, e))
        return -1;
    session_state(s, "connected", c->host);
    log_info("%s at %s: %s, %s, %s", c->username, c->host,
             libssh2_session_methods(c->lib, LIBSSH2_METHOD_KEX),
             libssh2_session_methods(c->lib, LIBSSH2_METHOD_HOSTKEY),
             libssh2_session_methods(c->lib, LIBSSH2_METHOD_CRYPT_CS));
    return 0;
}

static int ssh_main(struct session *s, void *state, struct err *e) {
    (void)s;
    return ssh_run(state, e);
}

static void ssh_close(struct session *s, void *state) {
    struct ssh *c = state;
    (void)s;
    sftp_free(c->sftp);
    if (c->lib) {
        c->budget = SSH_READ_BUDGET;
        if (c->fd >= 0)
            libssh2_session_disconnect(c->lib, "closed by the gateway");
        ssh_flush(c);
        /* Nothing is waited for any more: what it would read is the end. */
        c->peer_closed = c->tell_closed = true;
        for (int i = 0; i < 8 && libssh2_session_free(c->lib) == LIBSSH2_ERROR_EAGAIN; i++)
            ;
    }
    if (c->fd >= 0)
        close(c->fd);
    free(c->username);
    buf_fini(&c->wire);
    console_fini(&c->con);
}

extern const struct backend backend;
__attribute__((visibility("default"))) const struct backend backend = {
    .name = "ssh",
    .state_size = sizeof(struct ssh),
    .warm = warm,
    .ports = ports,
    .open = ssh_open,
    .run = ssh_main,
    .close = ssh_close,
};
