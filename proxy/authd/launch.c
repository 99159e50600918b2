/* Rows first, wire second. */
#include "proxy/authd/launch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "crd/parameters.h"
#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

/* ---- parameters ------------------------------------------------------------------------------ */

struct setter {
    struct args *args;
    struct err *e;
    int rc;
};

static void set_text(struct setter *s, const char *name, const char *value) {
    if (s->rc == 0 && !args_set(s->args, name, value, strlen(value), s->e))
        s->rc = err_prefix(s->e, "%s", name);
}

static void set_number(struct setter *s, const char *name, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    set_text(s, name, text);
}

static void set_flag(struct setter *s, const char *name, bool value) {
    set_text(s, name, value ? "true" : "false");
}

static void set_if_known(struct setter *s, const char *name, const char *value) {
    if (value && protocol_arg_find(args_protocol(s->args), name, NULL))
        set_text(s, name, value);
}

static void set_target(struct setter *s, const struct connection *c) {
    const char *name;
    json_t *value;
    if (c->hostname) {
        set_text(s, "hostname", c->hostname);
        set_number(s, "port", c->port);
    }
    json_object_foreach(c->parameters, name, value) set_text(s, name, json_string_value(value));
}

/* Several accepted keys stand on lines of their own. */
static void set_host_key(struct setter *s, const struct connection *c) {
    struct buf lines;
    size_t i;
    json_t *key;
    buf_init(&lines, 65536);
    json_array_foreach(c->host_key.keys, i, key)
        buf_printf(&lines, "%s%s", i ? "\n" : "", json_string_value(key));
    if (lines.len)
        set_if_known(s, "host-key", buf_str(&lines));
    set_text(s, "host-key-policy",
             lines.len                             ? "pin"
             : c->host_key.unknown == HOST_KEY_ASK ? "ask"
                                                   : "known");
    buf_fini(&lines);
}

static void set_credentials(struct setter *s, const struct launch *l) {
    set_if_known(s, "username", l->connection->credentials.username);
    for (size_t i = 0; s->rc == 0 && i < l->secrets->count; i++) {
        const struct secret_item *item = &l->secrets->items[i];
        if (!parameters_secret_may(l->connection->protocol, item->key))
            s->rc = err_set(s->e, STATUS_SERVER_ERROR,
                            "Secret %s has the key '%s', which %s does not take from a Secret",
                            l->connection->credentials.secret, item->key,
                            l->connection->protocol->name);
        else if (!args_set(s->args, item->key, item->value.data, item->value.len, s->e))
            s->rc =
                err_prefix(s->e, "Secret %s, key %s", l->connection->credentials.secret, item->key);
    }
}

static long least(long a, long b) {
    return a == 0 ? b : b == 0 ? a : MIN_OF(a, b);
}

/* Seconds, and whose: the limits', or what is left of its approval's window. 0: none. */
static int64_t longest(const struct launch *l, const char **whose) {
    int64_t max = l->decision->max_minutes * 60, window = (l->decision->until - l->started) / 1000;
    window = MAX_OF(window, 1);
    bool approval = l->decision->until && (max == 0 || window < max);
    *whose = approval ? "approval" : "duration";
    return approval ? window : max;
}

static void set_policy(struct setter *s, const struct launch *l) {
    const struct connection *c = l->connection;
    const struct config *conf = l->conf;
    char resource[400];
    const char *whose;
    snprintf(resource, sizeof resource, "%s/%s", c->namespace, c->name);
    set_text(s, "session", l->session);
    set_text(s, "connection", resource);
    set_text(s, "owner", l->who->sub);
    set_text(s, "owner-name", l->who->name);
    set_number(s, "started", l->started);
    set_number(s, "grace", conf->grace_seconds);
    set_number(s, "max-duration", longest(l, &whose));
    set_text(s, "duration-reason", whose);
    set_number(s, "idle-timeout", least(c->limits.idle_minutes, conf->idle_minutes) * 60);
    set_number(s, "warn-before", conf->warn_seconds);
    set_text(s, "recording", c->recording.enabled ? "full" : "events");
    set_text(s, "recording-keys", connection_keys_name(c->recording.keys));
    set_flag(s, "allow-copy", c->clipboard.copy);
    set_flag(s, "allow-paste", c->clipboard.paste);
    set_flag(s, "allow-download", c->files.download);
    set_flag(s, "allow-upload", c->files.upload);
    set_number(s, "file-size-limit", (int64_t)c->files.max_mib << 20);
    set_flag(s, "helper-files", false); /* the target's files are the owner's */
    set_flag(s, "require-tap", true);
    set_number(s, "tap-soft-limit", conf->tap_soft_bytes);
    set_number(s, "tap-hard-limit", conf->tap_hard_bytes);
    set_number(s, "tap-soft-delay", conf->tap_soft_ms);
    set_number(s, "tap-hard-delay", conf->tap_hard_ms);
    set_text(s, "address-allow", conf->address_allow ? conf->address_allow : "");
    set_text(s, "address-deny", conf->address_refused ? conf->address_refused : "");
}

struct args *launch_args(const struct launch *l, struct err *e) {
    struct setter s = { args_new(l->connection->protocol), e, 0 };
    if (!s.args) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a session's parameters");
        return NULL;
    }
    set_target(&s, l->connection);
    set_host_key(&s, l->connection);
    set_credentials(&s, l);
    set_policy(&s, l);
    if (s.rc == 0 && pods_launch(l, s.args, e))
        s.rc = -1;
    if (s.rc == 0)
        return s.args;
    args_free(s.args);
    return NULL;
}

/* ---- handshake ------------------------------------------------------------------------------- */

static int wait_for(int sock, short events, uint64_t until, struct err *e) {
    for (;;) {
        struct pollfd p = { sock, events, 0 };
        uint64_t now = clock_ms();
        int n = now < until ? poll(&p, 1, (int)(until - now)) : 0;
        if (n > 0)
            return 0;
        if (n == 0)
            return err_set(e, STATUS_UPSTREAM_TIMEOUT, "the session did not answer in time");
        if (errno != EINTR)
            return err_errno(e, STATUS_SERVER_ERROR, "poll");
    }
}

/* All of out; the tap goes with the first byte. */
static int send_all(int sock, struct buf *out, int *tap, uint64_t until, struct err *e) {
    while (out->len) {
        if (wait_for(sock, POLLOUT, until, e))
            return -1;
        ssize_t n = *tap >= 0 ? fdpass_send(sock, out->data, 1, tap, 1)
                              : send(sock, out->data, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return err_errno(e, STATUS_UPSTREAM_ERROR, "the session went away");
        *tap = -1;
        buf_consume(out, (size_t)n);
    }
    return 0;
}

/* What the socket has, fed; exactly what belongs to the handshake is taken. */
static enum handshake_result step(int sock, struct handshake_client *h, struct buf *out,
                                  uint64_t until, struct err *e) {
    char data[8192];
    size_t used = 0;
    if (wait_for(sock, POLLIN, until, e))
        return HANDSHAKE_BAD;
    ssize_t n = recv(sock, data, sizeof data, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return HANDSHAKE_MORE;
    if (n <= 0) {
        err_set(e, STATUS_UPSTREAM_ERROR, "the session ended before it began");
        return HANDSHAKE_BAD;
    }
    enum handshake_result r = handshake_client_feed(h, data, (size_t)n, &used, out, e);
    for (size_t taken = 0; taken < used;) {
        ssize_t got = recv(sock, data, MIN_OF(used - taken, sizeof data), MSG_DONTWAIT);
        if (got <= 0) {
            err_set(e, STATUS_UPSTREAM_ERROR, "the session ended before it began");
            return HANDSHAKE_BAD;
        }
        taken += (size_t)got;
    }
    return r;
}

int launch_handshake(int sock, const char *select, int tap, const struct handshake_info *info,
                     const struct args *args, const char *session, struct err *e) {
    struct handshake_client h;
    struct buf out;
    uint64_t until = clock_ms() + HANDSHAKE_TIMEOUT_MS;
    enum handshake_result r = HANDSHAKE_MORE;
    buf_init(&out, HANDSHAKE_BYTES_MAX);
    out.secret = true;
    int rc = handshake_client_init(&h, select, info, args, &out);
    if (rc)
        err_set(e, STATUS_SERVER_ERROR, "no memory for a handshake");
    while (rc == 0 && r == HANDSHAKE_MORE) {
        rc = send_all(sock, &out, &tap, until, e);
        if (rc == 0)
            r = step(sock, &h, &out, until, e);
    }
    if (rc == 0 && r != HANDSHAKE_CONNECTED)
        rc = -1;
    if (rc == 0 && strcmp(h.id, session) != 0)
        rc = err_set(e, STATUS_SERVER_ERROR, "the session calls itself by another id");
    handshake_client_fini(&h);
    buf_wipe(&out);
    return rc;
}
