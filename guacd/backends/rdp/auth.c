/* Credentials, when the server wants them and the connection does not have them. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static bool is_empty(const char *text) {
    return !text || !*text;
}

static void replace(char **to, char *from) {
    if (*to)
        secret_wipe(*to, strlen(*to));
    free(*to);
    *to = from;
}

struct wanted {
    const char *names[3];
    char **to[3];
    size_t count;
};

static void want(struct wanted *w, const char *name, char **to) {
    w->names[w->count] = name;
    w->to[w->count++] = to;
}

/* DOMAIN\user, as people type it. */
static void take_apart(char **username, char **domain) {
    char *back = *username ? strchr(*username, '\\') : NULL;
    if (!back)
        return;
    char *user = strdup(back + 1);
    char *name = strndup(*username, (size_t)(back - *username));
    if (user && name) {
        replace(username, user);
        replace(domain, name);
        return;
    }
    free(user);
    free(name);
}

static BOOL ask(struct rdp *r, struct wanted *w, char **username, char **domain) {
    char *values[3] = { 0 };
    watch_allow(r, 0);
    session_mask_input(r->session, true);
    int got = session_ask(r->session, w->names, w->count, values, &r->fail);
    session_mask_input(r->session, false);
    watch_allow(r, RDP_HANDSHAKE_MS);
    if (got < 0)
        return FALSE;
    for (size_t i = 0; i < w->count; i++)
        replace(w->to[i], values[i]);
    take_apart(username, domain);
    return TRUE;
}

static BOOL on_credentials(freerdp *instance, char **username, char **password, char **domain,
                           rdp_auth_reason reason) {
    struct rdp *r = rdp_of(instance->context);
    struct wanted w = { .count = 0 };
    bool gateway = reason == GW_AUTH_HTTP || reason == GW_AUTH_RDG || reason == GW_AUTH_RPC;
    /* Without NLA the server shows its own login: nothing has to be known before. */
    if (reason != AUTH_NLA && !gateway)
        return TRUE;
    if (is_empty(*username)) {
        want(&w, gateway ? "gateway-username" : "username", username);
        if (is_empty(*domain))
            want(&w, gateway ? "gateway-domain" : "domain", domain);
    }
    if (is_empty(*password))
        want(&w, gateway ? "gateway-password" : "password", password);
    r->sent_secret = true;
    return w.count == 0 || ask(r, &w, username, domain);
}

/* The callbacks below would ask on a terminal, or open a browser. */
static DWORD refuse_certificate(freerdp *instance, const char *host, UINT16 port, const char *name,
                                const char *subject, const char *issuer, const char *print,
                                DWORD flags) {
    (void)instance, (void)host, (void)port, (void)name, (void)subject, (void)issuer, (void)print;
    (void)flags;
    return 0;
}

static DWORD refuse_changed(freerdp *instance, const char *host, UINT16 port, const char *name,
                            const char *subject, const char *issuer, const char *print,
                            const char *old_subject, const char *old_issuer, const char *old_print,
                            DWORD flags) {
    (void)old_subject, (void)old_issuer, (void)old_print;
    return refuse_certificate(instance, host, port, name, subject, issuer, print, flags);
}

static BOOL on_gateway_message(freerdp *instance, UINT32 type, BOOL must_show, BOOL must_consent,
                               size_t length, const WCHAR *message) {
    (void)type, (void)must_show, (void)length, (void)message;
    struct rdp *r = rdp_of(instance->context);
    if (must_consent)
        err_set(&r->fail, STATUS_CLIENT_FORBIDDEN,
                "the Remote Desktop Gateway wants a consent that cannot be given here");
    return !must_consent;
}

static int on_logon_error(freerdp *instance, UINT32 data, UINT32 type) {
    (void)instance;
    log_info("the RDP server tells of the login: %s, %s", freerdp_get_logon_error_info_type(type),
             freerdp_get_logon_error_info_data(data));
    return 1;
}

void rdp_auth_init(freerdp *instance) {
    instance->Authenticate = NULL;
    instance->GatewayAuthenticate = NULL;
    instance->AuthenticateEx = on_credentials;
    instance->VerifyX509Certificate = rdp_cert_check;
    instance->VerifyCertificateEx = refuse_certificate;
    instance->VerifyChangedCertificateEx = refuse_changed;
    instance->ChooseSmartcard = NULL;
    instance->GetAccessToken = NULL;
    instance->RetryDialog = NULL;
    instance->PresentGatewayMessage = on_gateway_message;
    instance->LogonErrorInfo = on_logon_error;
}
