/* See check.h. SeaweedFS keeps its locks at the S3 port only: whoever reaches the filer, a master
 * or a volume server without a key removes what is locked. So these are asked, as a stranger would,
 * to remove something that is not there. */
#include "recording/recorder/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/conf.h"
#include "guacd/base/enc.h"
#include "guacd/base/http.h"
#include "recording/recorder/vault.h"
#include "recording/store.h"

#define CLOCK_MS 2000
#define ASK_MS 3000

struct check {
    int wrong;
    struct http *http;
};

static void tell(struct check *c, const char *name, const char *what, const char *advice) {
    printf("%s %s: %s%s%s\n", advice ? "BAD " : "ok  ", name, what, advice ? ". " : "",
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

/* HOST:PORT. 401 and 403: it wants a key. No answer: closed. */
static int ask_port(const char *where, void *arg) {
    struct check *c = arg;
    struct http_response rs = { 0 };
    struct err e = { 0 };
    char url[400], id[UUID_LEN + 1], text[320], server[80];
    uuid_v4(id);
    snprintf(url, sizeof url, "http://%.200s/guac-check-%s", where, id);
    const struct http_request rq = { .method = "DELETE", .url = url, .timeout_ms = ASK_MS };
    if (http_do(c->http, &rq, &rs, &e) < 0) {
        snprintf(text, sizeof text, "%.200s does not answer us", where);
        tell(c, "closed", text, NULL);
    } else {
        const char *name = http_header(&rs, "server", server, sizeof server);
        bool closed = rs.status == 401 || rs.status == 403;
        snprintf(text, sizeof text, "%.200s (%s) answered %d to a stranger's DELETE", where,
                 name ? name : "it does not say what it is", rs.status);
        tell(c, "closed", text,
             closed ? NULL
                    : "Whoever reaches it removes what is locked: close it (NetworkPolicy), and "
                      "set jwt.signing and jwt.filer_signing keys");
    }
    http_response_fini(&rs);
    return 0;
}

int check_run(const struct recorder *r, const char *const *buckets, size_t count) {
    struct check c = { 0 };
    struct err e = { 0 };
    check_files(&c, r->config);
    _store_ struct store *s = store_new(r->target, &e);
    c.http = http_new(&e);
    if (s && c.http) {
        store_timeout(s, (int)r->config->put_timeout_ms);
        check_buckets(&c, s, buckets, count, r->config->log_bucket);
        check_clock(&c, s, buckets[0]);
        conf_each(r->config->closed, ask_port, &c);
    } else {
        tell(&c, "store", e.text, "Check store");
    }
    if (!store_target_folder(r->target) && !r->config->closed)
        tell(&c, "closed", "not asked: no ports are named", NULL);
    http_free(c.http);
    if (c.wrong)
        printf("%d wrong\n", c.wrong);
    else
        puts("nothing is wrong");
    return c.wrong;
}
