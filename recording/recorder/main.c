/* guac-recorder: takes what sessions show and what is typed in them, signs it, and stores it where
 * it cannot be changed; or, with nowhere to store it, lets no session begin. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/conf.h"
#include "guacd/base/log.h"
#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"
#include "recording/name.h"
#include "recording/log.h"
#include "recording/recorder/alive.h"
#include "recording/recorder/check.h"
#include "recording/recorder/control.h"
#include "recording/recorder/holder.h"
#include "recording/recorder/logger.h"
#include "recording/recorder/recorder.h"
#include "recording/recorder/sealer.h"
#include "recording/recorder/session.h"
#include "recording/recorder/stamp.h"
#include "recording/recorder/watch.h"

#define BUCKETS_MAX 16
#define ENDING_US 100000

static const struct conf_row rows[] = {
    { "run", CONF_PATH, offsetof(struct config, run), "/run/guac", 0, 0, 0,
      "Folder of the sockets" },
    { "spool", CONF_PATH, offsetof(struct config, spool), "/var/lib/guac/spool", 0, 0, 0,
      "Folder for what is not stored yet; on a disk that survives a restart" },
    { "secret-file", CONF_SECRET_FILE, offsetof(struct config, secret_file), NULL, 0, 0, 0,
      "File with the secret that session keys are encrypted with in the spool" },
    STORE_CONF_ROWS(struct config, store),
    { "buckets", CONF_LIST, offsetof(struct config, buckets), "", 0, 0, 0,
      "Buckets to be checked at start (and made by `guac-recorder bucket`)" },
    { "retention-days", CONF_INT, offsetof(struct config, retention_days), "1", 1, 36500, 0,
      "For `bucket`: how long an object is kept that came without a retention of its own" },
    { "hold-access-key-file", CONF_SECRET_FILE, offsetof(struct config, hold_access_key_file), "",
      0, 0, 0, "File with the S3 access key of who may set legal holds (default: the writer)" },
    { "hold-secret-key-file", CONF_SECRET_FILE, offsetof(struct config, hold_secret_key_file), "",
      0, 0, 0, "File with its secret key" },
    { "log-bucket", CONF_STRING, offsetof(struct config, log_bucket), "", 0, 0, 0,
      "Bucket of the log over all sessions (default: the first of buckets); what moves lies in "
      "<log-bucket>-head" },
    { "log-retention-days", CONF_INT, offsetof(struct config, log_retention_days), "3650", 1, 36500,
      0, "How long the log's own objects are kept: longer than any recording" },
    { "checkpoint-interval", CONF_INT, offsetof(struct config, checkpoint_interval), "3600", 1,
      86400, 0, "Seconds between checkpoints that are kept under lock (and stamped)" },
    { "fence-after", CONF_INT, offsetof(struct config, fence_after), "60", 12, 3600, 0,
      "Seconds of silence after which other recorders seal the sessions of this one; after a sixth "
      "of it, it ends them itself" },
    { "tsa-url", CONF_STRING, offsetof(struct config, tsa_url), "", 0, 0, 0,
      "RFC 3161 time stamp authority for them (http:// or https://)" },
    { "tsa-ca-file", CONF_PATH, offsetof(struct config, tsa_ca_file), "", 0, 0, 0,
      "Certificates that its TLS is checked against (default: the system's)" },
    { "closed", CONF_LIST, offsetof(struct config, closed), "", 0, 0, 0,
      "HOST:PORT of the store's filer, masters and volume servers: where one obeys a stranger, the "
      "recorder does not start (default: SeaweedFS's usual ports, with a warning)" },
    { "trusted-uids", CONF_LIST, offsetof(struct config, trusted_uids), "", 0, 0, 0,
      "Users beside our own that may connect (authd's)" },
    { "max-sessions", CONF_INT, offsetof(struct config, max_sessions), "2000", 1, 20000, 0,
      "Sessions recorded at once" },
    { "memory", CONF_INT, offsetof(struct config, memory), "1024", 16, 1048576, 0,
      "MiB of frames kept in memory while the store is slow, before taps are read more slowly" },
    { "workers", CONF_INT, offsetof(struct config, workers), "8", 1, 64, 0,
      "Requests to the store at once, beside those that open sessions" },
    { "compression", CONF_INT, offsetof(struct config, level), "1", 1, 19, 0, "Level of zstd" },
    { "drain", CONF_INT, offsetof(struct config, drain), "0", 0, 86400, 0,
      "Seconds to go on when told to stop, until what was recorded is stored and sealed; 0: stop, "
      "and "
      "leave it to the spool" },
    { "put-timeout", CONF_INT, offsetof(struct config, put_timeout_ms), "4000", 100, 60000, 0,
      "Milliseconds after which a request to the store is tried again" },
    { "log-level", CONF_STRING, offsetof(struct config, log_level), "info", 0, 0, 0,
      "error, warning, info, debug or trace" },
    { "allow-no-seccomp", CONF_BOOL, offsetof(struct config, allow_no_seccomp), "no", 0, 0, 0,
      "Start also where the kernel has no seccomp" },
};

static const struct conf_table table = {
    .program = "guac-recorder",
    .purpose = "Records sessions into a store. Commands: bucket makes the buckets right, check "
               "tells all that is wrong.",
    .rows = rows,
    .count = ARRAY_LEN(rows),
    .default_file = "/etc/guac/recorder.conf",
};

/* ---- buckets -------------------------------------------------------------------------------- */

struct buckets {
    char names[BUCKETS_MAX][64];
    size_t count;
};

static int add_bucket(const char *item, void *arg) {
    struct buckets *b = arg;
    if (b->count == BUCKETS_MAX || !name_bucket_valid(item, strlen(item)))
        return -1;
    snprintf(b->names[b->count++], sizeof b->names[0], "%s", item);
    return 0;
}

static int read_buckets(struct config *c, struct buckets *b, struct err *e) {
    if (conf_each(c->buckets, add_bucket, b) != 0)
        return err_set(e, 0, "buckets: at most %d names of 3 to 63 of a-z 0-9 . -", BUCKETS_MAX);
    if (b->count == 0)
        add_bucket(LOG_BUCKET, b);
    if (!c->log_bucket)
        c->log_bucket = strdup(b->names[0]);
    if (!c->log_bucket || !name_bucket_valid(c->log_bucket, strlen(c->log_bucket)) ||
        strlen(c->log_bucket) > 58)
        return err_set(e, 0, "log-bucket: 3 to 58 of a-z 0-9 . -");
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->names[i], c->log_bucket) == 0)
            return 0;
    return add_bucket(c->log_bucket, b) < 0
               ? err_set(e, 0, "buckets: at most %d with the log's", BUCKETS_MAX)
               : 0;
}

static int make_folder(const char *path, mode_t mode, struct err *e) {
    return mkdir(path, mode) < 0 && errno != EEXIST ? err_errno(e, 0, "%s", path) : 0;
}

static int make_store(const struct recorder *r, struct err *e) {
    const char *folder = store_target_folder(r->target);
    return folder ? make_folder(folder, 0750, e) : 0;
}

static void say(const char *text) {
    printf("  %s\n", text);
}

static int make_buckets(struct recorder *r, const struct buckets *b, struct err *e) {
    _store_ struct store *s = make_store(r, e) == 0 ? store_new(r->target, e) : NULL;
    if (!s)
        return -1;
    for (size_t i = 0; i < b->count; i++) {
        printf("%s\n", b->names[i]);
        if (store_bucket(s, b->names[i], (int)r->config->retention_days, say, e) != STORE_OK)
            return -1;
    }
    char head[80];
    snprintf(head, sizeof head, "%s-head", r->config->log_bucket);
    printf("%s\n", head);
    return store_bucket_plain(s, head, say, e) == STORE_OK ? 0 : -1;
}

/* Only what can never work keeps us from starting: sessions in the spool wait for us also when the
 * store is away. */
static int check_buckets(struct recorder *r, const struct buckets *b, struct err *e) {
    _store_ struct store *s = store_new(r->target, e);
    if (!s)
        return -1;
    store_timeout(s, (int)r->config->put_timeout_ms);
    for (size_t i = 0; i < b->count; i++) {
        enum store_result result = store_check(s, b->names[i], e);
        if (result != STORE_OK && result != STORE_AWAY)
            return -1;
        watch_set(r, result == STORE_AWAY, e->text);
        if (result == STORE_OK && i == 0)
            store_clock(s, b->names[i], &r->clock_offset_ms, e);
        *e = (struct err){ 0 };
    }
    char head[80];
    snprintf(head, sizeof head, "%s-head", r->config->log_bucket);
    enum store_result result = store_check_plain(s, head, e);
    if (result != STORE_OK && result != STORE_AWAY)
        return -1;
    if (result == STORE_AWAY)
        watch_set(r, true, e->text);
    *e = (struct err){ 0 };
    return 0;
}

/* ---- start ---------------------------------------------------------------------------------- */

static int enter_sandbox(const struct recorder *r, struct err *e) {
    const struct config *c = r->config;
    char sockets[128];
    snprintf(sockets, sizeof sockets, "%s/s", c->run);
    const char *folder = store_target_folder(r->target);
    uint16_t ports[2];
    size_t port_count = 0;
    if (store_target_port(r->target))
        ports[port_count++] = store_target_port(r->target);
    if (c->tsa_url)
        ports[port_count++] = stamper_port(c->tsa_url);
    const char *tsa_ca = c->tsa_url && c->tsa_ca_file ? c->tsa_ca_file : "";
    struct sandbox_path paths[4] = { { c->spool, SANDBOX_WRITE }, { sockets, SANDBOX_READ } };
    size_t path_count = 2;
    if (folder)
        paths[path_count++] = (struct sandbox_path){ folder, SANDBOX_WRITE };
    else if (c->store.ca_file && *c->store.ca_file)
        paths[path_count++] = (struct sandbox_path){ c->store.ca_file, SANDBOX_READ };
    if (*tsa_ca)
        paths[path_count++] = (struct sandbox_path){ tsa_ca, SANDBOX_READ };
    const struct sandbox_profile profile = {
        .paths = paths,
        .path_count = path_count,
        .connect_ports = port_count ? ports : NULL,
        .connect_port_count = port_count,
        .unix_sockets = true, /* to its sessions, after a restart */
        .datagrams = store_target_named(r->target) || c->tsa_url,
        .libraries = true,
        .tls = true,
    };
    const struct sandbox_options options = { .allow_no_seccomp = c->allow_no_seccomp };
    return sandbox_begin(e) < 0 ? -1 : sandbox_enter(&profile, &options, e);
}

/* ---- ending: by the second signal at once, by the first when everything is stored -------------
 */

static struct loop_timer *ending;
static uint64_t ending_until;

static void on_ending(void *arg) {
    struct recorder *r = arg;
    if (r->session_count == 0 || clock_ms() >= ending_until) {
        if (r->session_count > 0)
            log_warning("%zu sessions stay in the spool", r->session_count);
        loop_stop(r->loop);
        return;
    }
    loop_timer_set(ending, ENDING_US);
}

static void on_stop(void *arg, int signo) {
    struct recorder *r = arg;
    if (r->config->drain == 0 || r->stopping) {
        log_info("ends by signal %d", signo);
        loop_stop(r->loop);
        return;
    }
    log_info("ends by signal %d, when %zu sessions are stored and sealed", signo, r->session_count);
    r->stopping = true;
    ending_until = clock_ms() + (uint64_t)r->config->drain * 1000;
    on_ending(r);
}

/* Every session has a tap; a spool's files come and go. */
static void raise_files(void) {
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

static int prepare(struct recorder *r, const struct buckets *buckets, struct err *e) {
    const struct config *c = r->config;
    char path[128];
    if (c->put_timeout_ms > c->fence_after * 500)
        return err_set(e, 0,
                       "put-timeout: at most half of fence-after, or a late PUT could land "
                       "behind another recorder's seal");
    if (strlen(c->run) > 48)
        return err_set(e, 0, "run: %s is too long for sockets below it", c->run);
    check_leave(r, NULL, 0, NULL);
    if (vault_init(&r->vault, c->secret_file, e) < 0 || make_folder(c->spool, 0700, e) < 0 ||
        make_store(r, e) < 0 || check_buckets(r, buckets, e) < 0 || check_doors(r, e) < 0)
        return -1;
    r->spooler = spooler_new(r->loop, c->spool, e);
    r->work = r->spooler ? work_new(r->loop, r->target, (int)c->workers, (int)c->put_timeout_ms,
                                    (int)c->level, e)
                         : NULL;
    snprintf(path, sizeof path, "%s/recorder.sock", c->run);
    r->logger = r->work ? logger_new(r, e) : NULL;
    r->holder = r->logger ? holder_new(r, e) : NULL;
    r->alive = r->holder ? alive_new(r, e) : NULL;
    r->sealer = r->alive ? sealer_new(r, e) : NULL;
    r->control = r->sealer ? control_new(r, path, c->trusted_uids, e) : NULL;
    return r->control ? 0 : -1;
}

static int run(struct recorder *r, const struct buckets *buckets, struct err *e) {
    r->loop = loop_new(e);
    if (!r->loop)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    ending = loop_timer_new(r->loop, on_ending, r);
    if (!ending)
        return err_set(e, 0, "no memory");
    loop_signal(r->loop, SIGTERM, on_stop, r);
    loop_signal(r->loop, SIGINT, on_stop, r);
    raise_files();
    r->watch = watch_new(r, buckets->names[0]);
    if (!r->watch || prepare(r, buckets, e) < 0 || enter_sandbox(r, e) < 0 ||
        spooler_start(r->spooler, e) < 0 || work_start(r->work, e) < 0 ||
        session_resume_all(r, e) < 0)
        return -1;
    logger_start(r->logger);
    alive_start(r->alive);
    sealer_start(r->sealer);
    watch_start(r->watch);
    log_info("ready; %s, %zu sessions from the spool", r->config->store.url, r->session_count);
    loop_run(r->loop);
    /* What is in memory only was never acknowledged; what was is in the spool. */
    session_free_all(r);
    control_free(r->control);
    spooler_free(r->spooler, 2000);
    /* Workers may hang in a request, and use what is not freed then: they end with the process. */
    if (!work_free(r->work, 1000))
        _exit(0);
    sealer_free(r->sealer);
    alive_free(r->alive);
    holder_free(r->holder);
    logger_free(r->logger);
    watch_free(r->watch);
    return 0;
}

static const char *const *bucket_names(const struct buckets *b, const char *names[BUCKETS_MAX]) {
    for (size_t i = 0; i < b->count; i++)
        names[i] = b->names[i];
    return names;
}

int main(int argc, char **argv) {
    static struct config config;
    static struct recorder recorder = { .config = &config };
    static struct buckets buckets;
    struct err e = { 0 };
    char *words[4];
    const char *names[BUCKETS_MAX];
    size_t word_count = ARRAY_LEN(words);
    enum conf_result loaded = conf_load(&table, &config, argc, argv, words, &word_count, &e);
    if (loaded == CONF_EXIT)
        return 0;
    int level = loaded == CONF_OK ? log_level_parse(config.log_level) : -1;
    log_init("guac-recorder", level >= 0 ? (enum log_level)level : LOG_LEVEL_INFO);
    bool bucket = word_count == 1 && strcmp(words[0], "bucket") == 0;
    bool check = word_count == 1 && strcmp(words[0], "check") == 0;
    int r = loaded == CONF_OK ? 0 : -1;
    if (r == 0 && level < 0)
        r = err_set(&e, 0, "log-level: '%s' is none", config.log_level);
    if (r == 0 && word_count > 0 && !bucket && !check)
        r = err_set(&e, 0, "'%s' is no command; there are bucket and check", words[0]);
    if (r == 0)
        r = read_buckets(&config, &buckets, &e);
    if (r == 0 && (recorder.target = store_target_new(&config.store, &e)) == NULL)
        r = -1;
    recorder_metrics_init(&recorder.metrics);
    if (r == 0)
        r = check ? check_run(&recorder, bucket_names(&buckets, names), buckets.count, stdout) ? -1
                                                                                               : 0
            : bucket ? make_buckets(&recorder, &buckets, &e)
                     : run(&recorder, &buckets, &e);
    if (r < 0 && *e.text)
        log_error("%s", e.text);
    if (r < 0 && *e.text && recorder.target && !bucket && !check)
        check_leave(&recorder, bucket_names(&buckets, names), buckets.count, e.text);
    vault_fini(&recorder.vault);
    store_target_free(recorder.target);
    conf_free(&table, &config);
    return r < 0 ? 1 : 0;
}
