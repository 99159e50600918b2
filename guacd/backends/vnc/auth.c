/* Credentials for the library, and what its log says about why it failed: it returns no reason. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/vnc/vnc.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

/* The library's log has no client in it; a session is a process with one. */
static struct vnc *current;

/* ---- the library's words ------------------------------------------------------------------------
 */

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* The server's bytes may be in it: one line of plain ASCII is left. */
static void tidy(char *text) {
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        text[--len] = '\0';
    for (char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7E)
            *p = '?';
}

static void __attribute__((format(printf, 1, 2))) on_log(const char *format, ...) {
    static const char reason[] = "VNC connection failed:";
    struct vnc *v = current;
    if (!v)
        return;
    char line[sizeof(v->said)];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    tidy(line);
    if (begins(line, "TLS session initialized"))
        vnc_tls_begin(v);
    if (begins(line, reason)) {
        const char *why = line + strlen(reason);
        snprintf(v->refused, sizeof(v->refused), "%s", *why ? why + 1 : "it gave no reason");
    }
    memcpy(v->said, line, sizeof(line));
    log_debug("libvncclient: %s", line);
}

/* What the library says last, and what it means. First match counts. */
static const struct meaning {
    const char *said;
    int status;
    const char *text; /* NULL: the library's own words */
} meanings[] = {
    { "VNC authentication failed - too many tries", STATUS_UPSTREAM_UNAVAILABLE,
      "the VNC server refuses logins for now: too many were wrong" },
    { "VNC authentication failed", STATUS_CLIENT_UNAUTHORIZED,
      "the VNC server refused the password" },
    { "Reading password failed", STATUS_CLIENT_UNAUTHORIZED, "the VNC server wants a password" },
    { "Unknown authentication scheme", STATUS_UPSTREAM_ERROR,
      "the VNC server offers no security type known here" },
    { "Unknown VeNCrypt authentication", STATUS_UPSTREAM_ERROR,
      "the VNC server offers no security type known here" },
    { "Not a valid VNC server", STATUS_UPSTREAM_ERROR, "what answers is no VNC server" },
    { "Connection timed out", STATUS_UPSTREAM_TIMEOUT, "the VNC server stopped answering" },
    { "TLS handshake failed", STATUS_UPSTREAM_ERROR, NULL },
    { "VNC server closed connection", STATUS_UPSTREAM_ERROR,
      "the VNC server hung up in the middle of a message" },
};

static int explain_refusal(const struct vnc *v, struct err *e) {
    if (v->sent_secret && !strcasestr(v->refused, "too many"))
        return err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the VNC server refused the login: %s",
                       v->refused);
    return err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "the VNC server refused the connection: %s",
                   v->refused);
}

int vnc_explain(struct vnc *v, bool connecting, struct err *e) {
    if (v->fail.status) {
        *e = v->fail;
        return -1;
    }
    if (connecting && v->refused[0])
        return explain_refusal(v, e);
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        const struct meaning *m = &meanings[i];
        if (begins(v->said, m->said))
            return err_set(e, m->status, "%s", m->text ? m->text : v->said);
    }
    return err_set(e, STATUS_UPSTREAM_ERROR, "the VNC server broke the protocol%s%s",
                   v->said[0] ? ": " : "", v->said);
}

/* ---- credentials --------------------------------------------------------------------------------
 */

const char *vnc_param(const struct vnc *v, const char *name) {
    return protocol_arg_find(args_protocol(v->args), name, NULL) ? args_str(v->args, name) : "";
}

static void wipe(char **secret) {
    if (*secret)
        secret_wipe(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

/* Whichever is missing is asked for in one prompt. */
static int get(struct vnc *v, bool user) {
    const char *names[2];
    char **to[2], *values[2] = { 0 };
    size_t count = 0;
    if (user && !v->username) {
        to[count] = &v->username;
        names[count++] = "username";
    }
    if (!v->password) {
        to[count] = &v->password;
        names[count++] = "password";
    }
    if (count > 0) {
        session_mask_input(v->session, true);
        int r = session_ask(v->session, names, count, values, &v->fail);
        session_mask_input(v->session, false);
        if (r < 0)
            return -1;
    }
    for (size_t i = 0; i < count; i++)
        *to[i] = values[i];
    v->sent_secret = true;
    v->said[0] = v->refused[0] = '\0';
    return 0;
}

struct vnc *vnc_of(rfbClient *client) {
    return rfbClientGetClientData(client, &current);
}

static char *on_password(rfbClient *client) {
    struct vnc *v = vnc_of(client);
    return get(v, false) == 0 ? strdup(v->password) : NULL; /* the library wipes and frees it */
}

static rfbCredential *on_credential(rfbClient *client, int kind) {
    struct vnc *v = vnc_of(client);
    rfbCredential *c = calloc(1, sizeof(*c));
    int r = c ? 0 : -1;
    if (r == 0 && kind == rfbCredentialTypeX509) {
        r = vnc_tls_credential(v, c);
    } else if (r == 0) {
        r = get(v, true);
        c->userCredential.username = r == 0 ? strdup(v->username) : NULL;
        c->userCredential.password = r == 0 ? strdup(v->password) : NULL;
    }
    if (r == 0)
        return c;
    free(c);
    return NULL;
}

static char *given(const struct args *args, const char *name) {
    return args_is_set(args, name) ? strdup(args_str(args, name)) : NULL;
}

void vnc_auth_init(struct vnc *v) {
    /* SASL is left out: it loads plug-ins when it is used, which the sandbox refuses. */
    static const uint32_t types[] = { rfbNoAuth,   rfbVncAuth, rfbTLS,
                                      rfbVeNCrypt, rfbARD,     rfbUltraMSLogonII };
    current = v;
    rfbEnableClientLogging = TRUE;
    rfbClientLog = rfbClientErr = on_log;
    v->ca_fd = -1;
    v->username = given(v->args, "username");
    v->password = given(v->args, "password");
    rfbClientSetClientData(v->client, &current, v);
    SetClientAuthSchemes(v->client, types, ARRAY_LEN(types));
    v->client->GetPassword = on_password;
    v->client->GetCredential = on_credential;
}

void vnc_auth_fini(struct vnc *v) {
    wipe(&v->password);
    wipe(&v->username);
    if (v->ca_fd > 0)
        close(v->ca_fd);
    v->ca_fd = -1;
}
