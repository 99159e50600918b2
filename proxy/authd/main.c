/* guac-authd: authority without session bytes. Reads its secrets, closes the doors, then serves. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crd/cluster.h"
#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "proxy/authd/own.h"
#include "proxy/authd/check.h"
#include "proxy/authd/doors.h"
#include "proxy/authd/record.h"
#include "proxy/authd/relay.h"
#include "proxy/authd/share.h"
#include "proxy/authd/ship.h"
#include "proxy/authd/evidence_log.h"
#include "proxy/authd/keeper.h"
#include "proxy/authd/limits.h"
#include "proxy/authd/listener.h"
#include "proxy/authd/realm.h"
#include "proxy/authd/used.h"

#define HOUSEKEEPING_US 5000000
#define LINK_MS 5000

struct program {
    struct authd a;
    struct loop *loop;
    struct loop_timer *housekeeping;
    struct listener *listener;
    struct keeper *keeper;
    int listening; /* until the listener has it */
    struct timespec keys_mtime;
};

/* JSON trees hold refresh tokens and Secrets for a moment. */
static void wiping_free(void *p) {
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

/* ---- the command link ------------------------------------------------------------------------ */

static int print_link(const struct config *conf, struct err *e) {
    char path[400];
    snprintf(path, sizeof path, "%s/authd.sock", conf->run);
    _close_ int sock = ctl_connect(path, e);
    _json_ json_t *msg = json_pack("{s:s, s:i}", "op", "link", "rid", 1);
    _json_ json_t *answer = sock >= 0 ? ctl_call(sock, msg, NULL, 0, NULL, NULL, LINK_MS, e) : NULL;
    if (!answer)
        return -1;
    puts(json_str(answer, "url", ""));
    return 0;
}

/* The first link, where `make run` finds it. */
static int write_link(struct authd *a, struct err *e) {
    char path[400];
    struct buf url;
    snprintf(path, sizeof path, "%s/authd/link", a->conf.run);
    buf_init(&url, 1024);
    unlink(path);
    _close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 || links_make(a->links, &url) || buf_putc(&url, '\n') ||
                     write(fd, url.data, url.len) != (ssize_t)url.len
                 ? err_errno(e, 0, "%s cannot be written", path)
                 : 0;
    buf_wipe(&url);
    return rc;
}

/* ---- secrets --------------------------------------------------------------------------------- */

static int make_missing_keys(const struct config *c, struct err *e) {
    if (access(c->cookie_keys, F_OK) && errno == ENOENT) {
        if (cookie_keys_create(c->cookie_keys, e))
            return -1;
        log_info("made %s", c->cookie_keys);
    }
    if (access(c->gateway_key, F_OK) && errno == ENOENT) {
        if (sign_key_create_file(c->gateway_key, e))
            return -1;
        log_info("made %s", c->gateway_key);
    }
    return 0;
}

static int read_secrets(struct program *p, struct err *e) {
    struct authd *a = &p->a;
    struct stat st;
    if (a->conf.create_keys && make_missing_keys(&a->conf, e))
        return -1;
    if (stat(a->conf.cookie_keys, &st) == 0)
        p->keys_mtime = st.st_mtim;
    if (!(a->keys = cookie_keys_read(a->conf.cookie_keys, e)))
        return err_prefix(e, "cookie-keys");
    if (!(a->key = sign_key_read_private(a->conf.gateway_key, e)))
        return err_prefix(e, "gateway-key");
    log_info("recordings are signed by key %s", sign_key_id(a->key));
    if (a->conf.oidc_issuer && *a->conf.oidc_issuer && !(a->oidc = oidc_new(&a->conf, e)))
        return -1;
    return 0;
}

/* Rotation without a restart: the file is looked at now and then. */
static void look_at_keys(struct program *p, bool told) {
    struct stat st;
    struct err e = { 0 };
    if (stat(p->a.conf.cookie_keys, &st) || (!told && st.st_mtim.tv_sec == p->keys_mtime.tv_sec &&
                                             st.st_mtim.tv_nsec == p->keys_mtime.tv_nsec))
        return;
    p->keys_mtime = st.st_mtim;
    struct cookie_keys *k = cookie_keys_read(p->a.conf.cookie_keys, &e);
    if (!k) {
        log_error("cookie-keys: %s; the old ones stay", e.text);
        return;
    }
    authd_new_keys(&p->a, k);
    log_info("read %s again", p->a.conf.cookie_keys);
}

/* Our own below RUN, and the resources'. */
static int make_folders(const struct config *c, struct err *e) {
    char own[PATH_MAX];
    snprintf(own, sizeof own, "%s/authd", c->run);
    if (mkdir(own, 0700) < 0 && errno != EEXIST)
        return err_errno(e, 0, "cannot make the folder %s", own);
    if (!c->in_cluster && mkdir(c->resources_path, 0700) < 0 && errno != EEXIST)
        return err_errno(e, 0, "resources: %s", c->resources_path);
    return 0;
}

/* ---- the parts ------------------------------------------------------------------------------- */

static bool trust(void *arg, unsigned uid) {
    return authd_trusts(arg, uid);
}

static void connections_changed(void *arg) {
    listener_wake(((struct program *)arg)->listener);
}

static void resources_changed(void *arg, enum resource_kind kind) {
    struct program *p = arg;
    if (kind == RESOURCE_LOCK)
        locks_changed(p->a.locks);
    listener_wake(p->listener);
}

static void sessions_changed(void *arg) {
    struct authd *a = arg;
    atomic_fetch_add(&a->session_changes, 1);
    struct listener *listener = atomic_load(&a->listener);
    if (listener) /* NULL while starting */
        listener_wake(listener);
}

static void on_housekeeping(void *arg) {
    struct program *p = arg;
    look_at_keys(p, false);
    loop_timer_set(p->housekeeping, HOUSEKEEPING_US);
}

static void on_stop(void *arg, int signo) {
    struct program *p = arg;
    log_info("stopping (%s)", strsignal(signo));
    loop_stop(p->loop);
}

static void on_hup(void *arg, int signo) {
    struct program *p = arg;
    (void)signo;
    audit_reopen(p->a.audit);
    look_at_keys(p, true);
}

static int make_state(struct authd *a, struct err *e) {
    a->policy = (struct policy_config){ .operator_roles = a->conf.operators,
                                        .auditor_roles = a->conf.auditors,
                                        .sessions_per_person = a->conf.sessions_per_person,
                                        .max_minutes = a->conf.max_minutes,
                                        .address_allow = a->conf.address_allow,
                                        .address_deny = a->conf.address_refused };
    a->evidence_log = evidence_log_new();
    a->opened = opened_new();
    a->used = used_new();
    a->replays = used_new();
    a->share = share_new();
    a->relay = relay_new();
    a->limits = limits_new(&a->conf);
    const struct cluster_config cluster = { a->conf.cluster_server, a->conf.cluster_token,
                                            a->conf.cluster_ca, a->conf.namespaces,
                                            a->conf.namespace };
    if (a->conf.in_cluster && !(a->cluster = cluster_new(&cluster, e)))
        return -1;
    a->resources = a->cluster ? resources_cluster_new(a->cluster, e)
                              : resources_folder_new(a->conf.resources_path, e);
    if (!a->resources || !(a->locks = locks_new(a->resources, a->conf.namespace, e)))
        return -1;
    if (a->conf.dev_link)
        a->links = links_new(a->conf.origin);
    if (!a->evidence_log || !a->opened || !a->used || !a->replays || !a->share || !a->relay ||
        !a->limits || (a->conf.dev_link && !a->links))
        return err_set(e, 0, "no memory");
    return 0;
}

static int start_threads(struct program *p, struct err *e) {
    struct authd *a = &p->a;
    char path[400];
    snprintf(path, sizeof path, "%s/recorder.sock", a->conf.run);
    evidence_log_load(a);
    a->catalog = a->cluster ? catalog_cluster_new(a->cluster, a->resources, e)
                            : catalog_folder_new(a->conf.folder, e);
    if (!a->catalog || !(a->sessions = sessions_new(a->conf.run, sessions_changed, trust, a, e)) ||
        !(a->recorder = recorder_new(path, record_on_message, trust, a, e)) ||
        !(p->listener = listener_new(a, p->loop, steal_fd(&p->listening), e)))
        return -1;
    atomic_store(&a->listener, p->listener);
    catalog_watch(a->catalog, connections_changed, p);
    resources_watch(a->resources, resources_changed, p);
    if (!(p->keeper = keeper_new(a, e)))
        return -1;
    return a->links ? write_link(a, e) : 0;
}

static int start(struct program *p, struct err *e) {
    static const int stops[] = { SIGTERM, SIGINT };
    struct authd *a = &p->a;
    pthread_rwlock_init(&a->keys_lock, NULL);
    if (config_derive(&a->conf, e) || own_addresses(&a->conf, e) || read_secrets(p, e) ||
        !(a->audit = audit_new(a->conf.audit_file, a->conf.gateway_name, e)) ||
        (p->listening = listener_open(&a->conf, e)) < 0 || make_folders(&a->conf, e) ||
        doors_lock(&a->conf, e) || !(p->loop = loop_new(e)))
        return -1;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(stops); i++)
        if (loop_signal(p->loop, stops[i], on_stop, p))
            return err_errno(e, 0, "signals");
    if (loop_signal(p->loop, SIGHUP, on_hup, p))
        return err_errno(e, 0, "signals");
    if (!(a->ship = ship_new(&a->conf, e)))
        return -1;
    audit_ship(a->audit, a->ship);
    if (make_state(a, e)) /* its thread must not take the signals */
        return -1;
    p->housekeeping = loop_timer_new(p->loop, on_housekeeping, p);
    if (!p->housekeeping)
        return err_set(e, 0, "no memory");
    loop_timer_set(p->housekeeping, HOUSEKEEPING_US);
    return start_threads(p, e);
}

/* Who calls whom decides the order: the workers end first, since they use everything; then the
 * threads that may wake the listener; then the listener. */
static void finish(struct program *p) {
    struct authd *a = &p->a;
    listener_stop(p->listener);
    keeper_free(p->keeper);
    recorder_free(a->recorder);
    sessions_free(a->sessions);
    if (a->resources)
        resources_watch(a->resources, NULL, NULL);
    catalog_free(a->catalog);
    listener_free(p->listener);
    if (p->listening >= 0)
        close(p->listening);
    loop_timer_free(p->housekeeping);
    if (p->loop)
        loop_free(p->loop);
    links_free(a->links);
    locks_free(a->locks);
    resources_free(a->resources);
    cluster_free(a->cluster);
    opened_free(a->opened);
    evidence_log_free(a->evidence_log);
    used_free(a->used);
    used_free(a->replays);
    share_free(a->share);
    relay_free(a->relay);
    limits_free(a->limits);
    oidc_free(a->oidc);
    if (a->audit)
        audit_ship(a->audit, NULL);
    ship_free(a->ship);
    audit_free(a->audit);
    sign_key_free(a->key);
    cookie_keys_free(a->keys);
    config_fini(&a->conf);
}

int main(int argc, char **argv) {
    struct program p = { .listening = -1 };
    struct err e = { 0 };
    char **words = calloc((size_t)argc + 1, sizeof *words);
    size_t count = 0;
    json_set_alloc_funcs(malloc, wiping_free);
    log_init("guac-authd", LOG_LEVEL_INFO);
    enum conf_result r =
        words ? conf_load(&config_table, &p.a.conf, argc, argv, words, &count, &e) : CONF_BAD;
    int rc = EXIT_SUCCESS;
    if (r == CONF_OK && count == 1 && strcmp(words[0], "link") == 0) {
        rc = print_link(&p.a.conf, &e);
    } else if (r == CONF_OK && count == 1 && strcmp(words[0], "client") == 0) {
        rc = config_derive(&p.a.conf, &e) ? -1 : realm_make_client(&p.a.conf, &e);
    } else if (r == CONF_OK && count == 0 && p.a.conf.check) {
        int wrong = check_run(&p.a.conf, stdout);
        config_fini(&p.a.conf);
        free(words);
        return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
    } else if (r == CONF_OK && count > 0) {
        rc = err_set(&e, 0, "'%s' is not known here; 'link' and 'client' are", words[0]);
    } else if (r == CONF_OK) {
        int level = log_level_parse(p.a.conf.log_level);
        log_init("guac-authd", level < 0 ? LOG_LEVEL_INFO : (enum log_level)level);
        rc = start(&p, &e);
        if (rc == 0) {
            log_info("serving %s", p.a.conf.origin);
            loop_run(p.loop);
        }
    } else {
        rc = r == CONF_BAD;
    }
    if (rc)
        log_error("%s", e.text);
    finish(&p);
    free(words);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
