/* The rows, and what they mean together. */
#include "guacd/daemon/options.h"

#include <libgen.h>
#include <limits.h>

#include "guacd/base/buf.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define AT(member) offsetof(struct options, member)

static const struct conf_row rows[] = {
    { "bind-host", CONF_STRING, AT(bind_host), "", 0, 0, 'b',
      "Host name or address to listen on (localhost)." },
    { "bind-port", CONF_INT, AT(bind_port), "", 0, 65535, 'l', "TCP port to listen on (4822)." },
    { "foreground", CONF_BOOL, AT(foreground), "false", 0, 0, 'f', "Stay in the foreground." },
    { "log-level", CONF_STRING, AT(log_level), "info", 0, 0, 'L',
      "What is logged: trace, debug, info, warning or error." },
    { "pid-file", CONF_PATH, AT(pid_file), "", 0, 0, 'p', "File for the process id." },
    { "server-certificate", CONF_PATH, AT(certificate), "", 0, 0, 'C',
      "Certificate chain, PEM: clients speak TLS." },
    { "server-key", CONF_SECRET_FILE, AT(key), "", 0, 0, 'K', "Its private key, PEM." },
    { "show-version", CONF_BOOL, AT(version), "false", 0, 0, 'v', "Print the version and exit." },
    { "socket", CONF_PATH, AT(socket), "", 0, 0, 0,
      "Gateway mode: listen on this Unix socket for guac-authd, and on nothing else." },
    { "run", CONF_PATH, AT(run), "", 0, 0, 0,
      "Folder of the control sockets; the socket's own in gateway mode, else a private one." },
    { "trusted-uids", CONF_LIST, AT(trusted_uids), "", 0, 0, 0,
      "Who may use the sockets, as numbers or names (the own uid)." },
    { "max-sessions", CONF_INT, AT(max_sessions), "1000", 1, 100000, 0,
      "Session processes at a time; one more is told that the server is busy." },
    { "max-starting", CONF_INT, AT(max_starting), "256", 1, 100000, 0,
      "How many of them may still be before `connect`." },
    { "drain", CONF_INT, AT(drain), "0", -1, 86400, 0,
      "Seconds that sessions may go on after SIGTERM before they are ended; -1 leaves them "
      "running and exits at once." },
    { "session-program", CONF_PATH, AT(session_program), "", 0, 0, 0,
      "The guacd-session to run (beside guacd)." },
    { "backends", CONF_PATH, AT(backends), "", 0, 0, 0,
      "Folder of the protocols' .so files (backends beside guacd)." },
    { "known-certificates", CONF_PATH, AT(known_certificates), "", 0, 0, 0,
      "File of the certificates that cert-tofu accepted (guacd/known-certificates in run; none for "
      "a private one: they are forgotten with guacd)." },
    { "allow-no-seccomp", CONF_BOOL, AT(allow_no_seccomp), "false", 0, 0, 0,
      "Run also where the kernel has no seccomp." },
    { "denylist-only", CONF_BOOL, AT(denylist_only), "false", 0, 0, 0,
      "Sessions refuse known bad system calls instead of all but the known good ones." },
    { "sandbox-trap", CONF_BOOL, AT(sandbox_trap), "false", 0, 0, 0,
      "Sessions print each system call that is refused." },
};

const struct conf_table options_table = {
    .program = "guacd",
    .purpose = "Listens for Guacamole clients and starts one guacd-session each.",
    .rows = rows,
    .count = ARRAY_LEN(rows),
    .default_file = "/etc/guac/guacd.conf",
};

static int set(char **slot, const char *value, struct err *e) {
    char *copy = strdup(value);
    if (!copy)
        return err_errno(e, 0, "cannot start");
    free(*slot);
    *slot = copy;
    return 0;
}

static int add_uid(const char *item, void *arg) {
    struct buf *out = arg;
    unsigned uid;
    if (conf_uid(item, &uid) < 0) {
        log_error("trusted-uids: there is no user %s", item);
        return -1;
    }
    return buf_printf(out, "%s%u", out->len ? "," : "", uid);
}

static int resolve_uids(struct options *o, struct err *e) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 4096);
    if (conf_each(o->trusted_uids, add_uid, &b) < 0)
        return err_set(e, 0, "trusted-uids is not understood: %s", o->trusted_uids);
    if (!b.len)
        buf_printf(&b, "%lu", (unsigned long)geteuid());
    return set(&o->trusted_uids, buf_str(&b), e);
}

/* The first of these below our own folder that exists; else the first, for the error's sake. */
static int beside(char **slot, const char *const *names, struct err *e) {
    char self[PATH_MAX];
    if (*slot) {
        _free_ char *real = realpath(*slot, NULL);
        return real ? set(slot, real, e) : err_errno(e, 0, "%s", *slot);
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return err_errno(e, 0, "/proc/self/exe");
    self[n] = '\0';
    const char *folder = dirname(self);
    _free_ char *real = NULL;
    for (size_t i = 0; names[i] && !real; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof(path), "%s/%s", folder, names[i]) < (int)sizeof(path))
            real = realpath(path, NULL);
    }
    return real ? set(slot, real, e)
                : err_set(e, 0, "there is no %s in %s: say where it is", names[0], folder);
}

static int check_mode(const struct options *o, struct err *e) {
    if (o->socket && (o->bind_host || o->bind_port))
        return err_set(e, 0, "with --socket there is no TCP: leave out -b and -l");
    if (o->socket && (o->certificate || o->key))
        return err_set(e, 0, "with --socket there is no TLS: leave out -C and -K");
    if (!o->certificate != !o->key)
        return err_set(e, 0, "TLS needs both -C (certificate) and -K (key)");
    if (log_level_parse(o->log_level) < 0)
        return err_set(e, 0, "log-level is trace, debug, info, warning or error, not %s",
                       o->log_level);
    return 0;
}

int options_finish(struct options *o, struct err *e) {
    static const char *const programs[] = { "guacd-session", "../libexec/guac/guacd-session",
                                            NULL };
    static const char *const folders[] = { "backends", "../lib/guac/backends", NULL };
    if (check_mode(o, e) < 0 || resolve_uids(o, e) < 0)
        return -1;
    if (!o->socket && !o->bind_host && set(&o->bind_host, "localhost", e) < 0)
        return -1;
    if (!o->socket && !o->bind_port)
        o->bind_port = 4822;
    if (o->socket && !o->run) {
        _free_ char *copy = strdup(o->socket);
        if (!copy || set(&o->run, dirname(copy), e) < 0)
            return err_errno(e, 0, "cannot start");
    }
    return beside(&o->session_program, programs, e) < 0 ? -1 : beside(&o->backends, folders, e);
}
