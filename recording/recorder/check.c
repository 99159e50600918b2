/* See check.h. SeaweedFS keeps its locks at the S3 port only: whoever reaches the filer, a master
 * or a volume server without a key removes what is locked. So these are asked, as a stranger would,
 * to remove something that is not there. */
#include "recording/recorder/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/conf.h"
#include "guacd/base/dial.h"
#include "guacd/base/enc.h"
#include "guacd/base/http.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "recording/recorder/vault.h"
#include "recording/store.h"

#define CLOCK_MS 2000
#define CONNECT_MS 1000
#define ASK_MS 15000

struct check {
    FILE *out;
    int wrong;
    struct http *http;
};

static void tell(struct check *c, const char *name, const char *what, const char *advice) {
    fprintf(c->out, "%s %s: %s%s%s\n", advice ? "BAD " : "ok  ", name, what, advice ? ". " : "",
            advice ? advice : "");
    c->wrong += advice != NULL;
}

static void check_files(struct check *c, const struct config *conf) {
    struct err e = { 0 };
    struct vault v = { 0 };
    char text[400];
    if (vault_init(&v, conf->secret_file, &e) < 0)
        tell(c, "secret-file", e.text, "32 random bytes in base64, mode 0600");
    else
        tell(c, "secret-file", conf->secret_file, NULL);
    vault_fini(&v);
    snprintf(text, sizeof text, "%s%s", conf->spool,
             access(conf->spool, W_OK | X_OK) == 0 ? "" : " cannot be written to");
    tell(c, "spool", text,
         access(conf->spool, W_OK | X_OK) == 0
             ? NULL
             : "Make the folder, on a disk that survives a restart, and give it to this user");
}

static void check_buckets(struct check *c, struct store *s, const char *const *buckets,
                          size_t count, const char *log_bucket) {
    char head[80];
    struct err e = { 0 };
    for (size_t i = 0; i < count; i++) {
        e = (struct err){ 0 };
        if (store_check(s, buckets[i], &e) == STORE_OK)
            tell(c, buckets[i], "keeps what evidence needs", NULL);
        else
            tell(c, buckets[i], e.text, "guac-recorder bucket makes it right, where that can be");
    }
    snprintf(head, sizeof head, "%s-head", log_bucket);
    e = (struct err){ 0 };
    if (store_check_plain(s, head, &e) == STORE_OK)
        tell(c, head, "plain, as it has to be", NULL);
    else
        tell(c, head, e.text, "guac-recorder bucket makes it");
}

static void check_clock(struct check *c, struct store *s, const char *bucket) {
    int64_t offset = 0;
    struct err e = { 0 };
    char text[100];
    if (store_clock(s, bucket, &offset, &e) != STORE_OK)
        return; /* the bucket's own line said why */
    snprintf(text, sizeof text, "%lld ms between the store's and ours", (long long)offset);
    tell(c, "clock", text,
         offset > CLOCK_MS || offset < -CLOCK_MS ? "Synchronize both (NTP)" : NULL);
}

/* ---- the store's other ports ---------------------------------------------------------------- */

#define DOOR_ADVICE \
    "Whoever reaches it removes what is locked: close it (NetworkPolicy, firewall), and set " \
    "jwt.signing and jwt.filer_signing keys (docs/seaweedfs.md)"

struct door {
    char text[320];
    bool obeys; /* a stranger */
    bool weed;  /* says that it is SeaweedFS */
};

/* Whether somebody listens is the kernel's to say, and soon; what he says may take its time. */
static bool listens(const char *where) {
    struct err e = { 0 };
    char host[256];
    const char *colon = strrchr(where, ':');
    const struct dial_policy any = { .any = true };
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (port < 1 || port > 65535)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - where), where);
    _close_ int fd = dial_tcp(host, (uint16_t)port, &any, CONNECT_MS, NULL, 0, &e);
    return fd >= 0;
}

/* where: HOST:PORT. 401 and 403: it wants a key. No answer: closed. */
static void ask_door(struct http *http, const char *where, struct door *d) {
    struct http_response rs = { 0 };
    struct err e = { 0 };
    char url[400], id[UUID_LEN + 1], server[80];
    uuid_v4(id);
    *d = (struct door){ .obeys = false };
    snprintf(url, sizeof url, "http://%.200s/guac-check-%s", where, id);
    const struct http_request rq = { .method = "DELETE", .url = url, .timeout_ms = ASK_MS };
    if (!listens(where) || http_do(http, &rq, &rs, &e) < 0) {
        snprintf(d->text, sizeof d->text, "%.200s does not answer us", where);
        return;
    }
    const char *name = http_header(&rs, "server", server, sizeof server);
    d->obeys = rs.status != 401 && rs.status != 403;
    d->weed = name && strncmp(name, "SeaweedFS", 9) == 0;
    snprintf(d->text, sizeof d->text, "%.200s (%s) answered %d to a stranger's DELETE", where,
             name ? name : "it does not say what it is", rs.status);
    http_response_fini(&rs);
}

static int tell_door(const char *where, void *arg) {
    struct check *c = arg;
    struct door d;
    ask_door(c->http, where, &d);
    tell(c, "closed", d.text, d.obeys ? DOOR_ADVICE : NULL);
    return 0;
}

/* Where none is named: SeaweedFS's own ports beside the S3 port. True: d obeys, and is SeaweedFS.
 */
static bool usual_doors(struct http *http, const struct config *c, struct door *d) {
    static const int usual[] = { 8888, 9333, 8080 };
    const char *host = c->store.url ? strstr(c->store.url, "://") : NULL;
    char where[280];
    if (!host)
        return false;
    host += 3;
    size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        snprintf(where, sizeof where, "%.*s:%d", (int)MIN_OF(len, (size_t)200), host, usual[i]);
        ask_door(http, where, d);
        if (d->obeys && d->weed)
            return true;
    }
    return false;
}

static void check_closed(struct check *c, const struct recorder *r) {
    struct door d;
    if (r->config->closed)
        conf_each(r->config->closed, tell_door, c);
    else if (!store_target_folder(r->target) && usual_doors(c->http, r->config, &d))
        tell(c, "closed", d.text, DOOR_ADVICE);
    else if (!store_target_folder(r->target))
        tell(c, "closed", "no ports are named; none of SeaweedFS's usual ones answers", NULL);
}

struct doors {
    struct http *http;
    struct err *e;
};

static int shut_door(const char *where, void *arg) {
    struct doors *a = arg;
    struct door d;
    ask_door(a->http, where, &d);
    return d.obeys ? err_set(a->e, 0, "closed: %s. " DOOR_ADVICE, d.text) : 0;
}

int check_doors(struct recorder *r, struct err *e) {
    struct door d;
    if (store_target_folder(r->target))
        return 0;
    struct http *http = http_new(e);
    struct doors a = { http, e };
    int rc = http ? 0 : -1;
    if (http && r->config->closed) {
        rc = conf_each(r->config->closed, shut_door, &a) ? -1 : 0;
    } else if (http && usual_doors(http, r->config, &d)) {
        snprintf(r->door_why, sizeof r->door_why, "%s. " DOOR_ADVICE, d.text);
        log_warning("%s", r->door_why);
    }
    http_free(http);
    return rc;
}

/* --------------------------------------------------------------------------------------------- */

int check_run(const struct recorder *r, const char *const *buckets, size_t count, FILE *out) {
    struct check c = { .out = out };
    struct err e = { 0 };
    check_files(&c, r->config);
    _store_ struct store *s = store_new(r->target, &e);
    c.http = http_new(&e);
    if (s && c.http) {
        store_timeout(s, (int)r->config->put_timeout_ms);
        check_buckets(&c, s, buckets, count, r->config->log_bucket);
        check_clock(&c, s, buckets[0]);
        check_closed(&c, r);
    } else {
        tell(&c, "store", e.text, "Check store");
    }
    http_free(c.http);
    if (c.wrong)
        fprintf(out, "%d wrong\n", c.wrong);
    else
        fputs("nothing is wrong\n", out);
    return c.wrong;
}

void check_leave(const struct recorder *r, const char *const *buckets, size_t count,
                 const char *why) {
    char path[128];
    snprintf(path, sizeof path, "%.48s/%s", r->config->run, RECORDER_REFUSED);
    unlink(path);
    if (!why)
        return;
    _close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out)
        return; /* no folder for sockets: authd's own check tells that */
    steal_fd(&fd);
    fprintf(out, "BAD  start: %s\n", why);
    check_run(r, buckets, count, out);
    fclose(out);
}
