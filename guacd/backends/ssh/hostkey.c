/* Is this the server it should be? A pinned key decides alone; else known_hosts; else the person,
 * where the connection allows it. A key that changed is refused always. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "guacd/backends/ssh/ssh.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define KNOWN_HOSTS_MAX (1u << 20)

static const struct {
    const char *key;     /* type in the key itself */
    const char *methods; /* what the exchange calls it */
    int known;           /* LIBSSH2_KNOWNHOST_KEY_* */
    const char *name;
} types[] = {
    { "ssh-ed25519", "ssh-ed25519", LIBSSH2_KNOWNHOST_KEY_ED25519, "ED25519" },
    { "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", LIBSSH2_KNOWNHOST_KEY_ECDSA_256, "ECDSA" },
    { "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", LIBSSH2_KNOWNHOST_KEY_ECDSA_384, "ECDSA" },
    { "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", LIBSSH2_KNOWNHOST_KEY_ECDSA_521, "ECDSA" },
    { "ssh-rsa", "rsa-sha2-512,rsa-sha2-256,ssh-rsa", LIBSSH2_KNOWNHOST_KEY_SSHRSA, "RSA" },
};

/* The file named, or, where no path is given, the lines themselves. */
static char *known_text(const struct ssh *c) {
    const char *arg = args_str(c->args, "known-hosts");
    if (arg[0] != '/')
        return *arg ? strdup(arg) : NULL;
    _fclose_ FILE *f = fopen(arg, "re");
    char *text = f ? calloc(1, KNOWN_HOSTS_MAX + 1) : NULL;
    if (!text || !fread(text, 1, KNOWN_HOSTS_MAX, f)) {
        free(text);
        return NULL;
    }
    return text;
}

static LIBSSH2_KNOWNHOSTS *known_load(const struct ssh *c) {
    _free_ char *text = known_text(c);
    LIBSSH2_KNOWNHOSTS *k = text ? libssh2_knownhost_init(c->lib) : NULL;
    for (const char *p = text; k && *p;) {
        size_t n = strcspn(p, "\n");
        libssh2_knownhost_readline(k, p, n, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
        p += n + (p[n] == '\n');
    }
    return k;
}

/* Types already known for this host come first, so that a server with several keys shows the one
 * that can be checked; then ed25519. */
void ssh_prefer_host_keys(struct ssh *c) {
    char order[512] = "", pinned[32];
    pin_type(args_str(c->args, "host-key"), pinned, sizeof pinned);
    LIBSSH2_KNOWNHOSTS *k = known_load(c);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < ARRAY_LEN(types); i++) {
            bool known = strcmp(pinned, types[i].key) == 0;
            struct libssh2_knownhost *host;
            if (k && !known) /* a key that cannot be it: MISMATCH means there is one */
                known = libssh2_knownhost_checkp(k, c->host, c->port, "x", 1,
                                                 LIBSSH2_KNOWNHOST_TYPE_PLAIN |
                                                     LIBSSH2_KNOWNHOST_KEYENC_RAW | types[i].known,
                                                 &host) == LIBSSH2_KNOWNHOST_CHECK_MISMATCH;
            if (known != (pass == 0))
                continue;
            size_t n = strlen(order);
            snprintf(order + n, sizeof order - n, "%s%s", n ? "," : "", types[i].methods);
        }
    if (k)
        libssh2_knownhost_free(k);
    libssh2_session_method_pref(c->lib, LIBSSH2_METHOD_HOSTKEY, order);
}

static const char *type_name(const unsigned char *key, size_t len, int *known) {
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t n = strlen(types[i].key);
        if (len > 4 + n && key[3] == n && memcmp(key + 4, types[i].key, n) == 0) {
            *known = types[i].known;
            return types[i].name;
        }
    }
    *known = LIBSSH2_KNOWNHOST_KEY_UNKNOWN;
    return "unknown";
}

static int changed(const struct ssh *c, const char *type, const char *print, const char *where,
                   struct err *e) {
    return err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                   "The host key of %s is not the one in %s: it shows a %s key, %s. Either the "
                   "server was set up anew, or somebody is in between. Not connected.",
                   c->host, where, type, print);
}

static int ask(struct ssh *c, const char *type, const char *print, struct err *e) {
    char text[512];
    snprintf(text, sizeof text,
             "The host key of %s, port %d, is not known. It is a %s key with the fingerprint %s. "
             "Connect if this is the server you mean: answer yes.",
             c->host, c->port, type, print);
    char *answer = NULL;
    struct err why = { 0 };
    if (session_ask_text(c->s, "host-key-accept", text, true, &answer, &why)) {
        if (why.status == STATUS_SESSION_CLOSED) {
            *e = why;
            return -1;
        }
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "The host key of %s is not known (%s, %s) and nobody accepted it: %s",
                       c->host, type, print, why.text);
    }
    static const char *const yes[] = { "yes", "y", "true", "1" };
    bool accepted = strcmp(answer, print) == 0;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        accepted |= strcasecmp(answer, yes[i]) == 0;
    free(answer);
    if (!accepted)
        return err_set(e, STATUS_CLIENT_FORBIDDEN, "The host key of %s (%s, %s) was not accepted.",
                       c->host, type, print);
    log_info("host key of %s accepted by the owner: %s %s", c->host, type, print);
    return 0;
}

static int unknown(struct ssh *c, const char *type, const char *print, struct err *e) {
    const char *policy = args_str(c->args, "host-key-policy");
    if (strcmp(policy, "ask") == 0)
        return ask(c, type, print, e);
    return err_set(e, STATUS_CLIENT_FORBIDDEN,
                   strcmp(policy, "pin") == 0
                       ? "This connection needs a pinned host key and has none; %s shows %s, %s."
                       : "The host key of %s is not known (%s, %s) and this connection does not "
                         "allow to accept it.",
                   c->host, type, print);
}

int ssh_check_host(struct ssh *c, struct err *e) {
    size_t len;
    int lib_type, known_type;
    const char *file = args_str(c->args, "known-hosts");
    _close_ int fd = file[0] == '/' ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (file[0] == '/' && fd < 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "known-hosts: %.200s cannot be read from inside the sandbox; give its lines "
                       "instead of its name",
                       file);
    const char *raw = libssh2_session_hostkey(c->lib, &len, &lib_type);
    if (!raw)
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s showed no host key", c->host);
    const unsigned char *key = (const unsigned char *)raw;
    const char *type = type_name(key, len, &known_type);
    char print[52];
    pin_fingerprint(key, len, print);
    const char *pin = args_str(c->args, "host-key");
    if (*pin)
        switch (pin_check(pin, key, len)) {
        case PIN_MATCH:
            return 0;
        case PIN_OTHER:
            return changed(c, type, print, "this connection", e);
        case PIN_BAD:
            return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                           "host-key holds no key: give it as in known_hosts, or SHA256:…");
        }
    if (strcmp(args_str(c->args, "host-key-policy"), "pin") == 0)
        return unknown(c, type, print, e);
    LIBSSH2_KNOWNHOSTS *k = known_load(c);
    int found = LIBSSH2_KNOWNHOST_CHECK_NOTFOUND;
    if (k) {
        struct libssh2_knownhost *host;
        found = libssh2_knownhost_checkp(
            k, c->host, c->port, raw, len,
            LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | known_type, &host);
        libssh2_knownhost_free(k);
    }
    if (found == LIBSSH2_KNOWNHOST_CHECK_MATCH)
        return 0;
    if (found == LIBSSH2_KNOWNHOST_CHECK_MISMATCH)
        return changed(c, type, print, "known-hosts", e);
    return unknown(c, type, print, e);
}
