/* S3 as SeaweedFS speaks it (evidence.md section 4): every object with its own checksum, its own
 * COMPLIANCE lock and If-None-Match, since none of the three may depend on the bucket. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/name.h"
#include "recording/s3xml.h"
#include "recording/sigv4.h"
#include "recording/store_impl.h"

#define HEADER_SIZE 512
#define LIST_MAX_BODY ((size_t)4 << 20)

static enum store_result too_long(struct err *e) {
    err_set(e, 0, "S3: request too long");
    return STORE_REFUSED;
}

/* ---- one request ---------------------------------------------------------------------------- */

struct s3_lines {
    struct sigv4_pair pairs[SIGV4_HEADERS_MAX];
    size_t count;
    char text[SIGV4_HEADERS_MAX][HEADER_SIZE];
    const char *list[SIGV4_HEADERS_MAX + 1];
};

static int add_line(struct s3_lines *l, const char *name, const char *value) {
    size_t i = l->count;
    if (i == SIGV4_HEADERS_MAX - 1 ||
        snprintf(l->text[i], HEADER_SIZE, "%s: %s", name, value) >= HEADER_SIZE)
        return -1;
    l->pairs[i] = (struct sigv4_pair){ name, l->text[i] + strlen(name) + 2 };
    l->list[i] = l->text[i];
    l->list[++l->count] = NULL;
    return 0;
}

static size_t params(const struct s3_param *from, struct sigv4_pair *to) {
    size_t n = 0;
    for (; from && from[n].name && n < SIGV4_HEADERS_MAX; n++)
        to[n] = (struct sigv4_pair){ from[n].name, from[n].value };
    return n;
}

static int make_headers(const struct store_target *t, const struct s3_call *call,
                        const struct sigv4_request *rq, const char *date, struct s3_lines *l,
                        struct err *e) {
    struct buf authorization __attribute__((cleanup(buf_fini)));
    buf_init(&authorization, HEADER_SIZE - 32);
    const struct sigv4_credentials c = { t->access_key.data, &t->secret_key, t->region, "s3" };
    struct sigv4_request signed_rq = *rq;
    if (add_line(l, "host", t->host) < 0 || add_line(l, "x-amz-date", date) < 0 ||
        add_line(l, "x-amz-content-sha256", rq->payload_hash) < 0)
        return -1;
    for (const struct s3_param *h = call->headers; h && h->name; h++)
        if (add_line(l, h->name, h->value) < 0)
            return -1;
    signed_rq.headers = l->pairs;
    signed_rq.header_count = l->count;
    return sigv4_sign(&signed_rq, &c, date, &authorization, e) < 0 ||
                   add_line(l, "authorization", buf_str(&authorization)) < 0
               ? -1
               : 0;
}

/* What comes is counted here, so that too much is told apart from a connection that broke. */
struct sink {
    struct buf *into;
    size_t left;
    bool over;
};

static int take(void *arg, const void *data, size_t len) {
    struct sink *k = arg;
    k->over = len > k->left || buf_add(k->into, data, len) < 0;
    k->left -= k->over ? 0 : len;
    return k->over;
}

enum store_result s3_do(struct store *s, const struct s3_call *call, struct http_response *rs,
                        struct err *e) {
    const struct store_target *t = s->target;
    struct buf url __attribute__((cleanup(buf_fini)));
    char path[NAME_KEY_SIZE + 2], hash[65], date[SIGV4_DATE];
    struct sigv4_pair query[SIGV4_HEADERS_MAX];
    struct s3_lines lines = { 0 };
    buf_init(&url, 16384);
    if (call->sha256)
        hex_encode(call->sha256, 32, hash);
    else
        sha256_hex(call->body ? call->body : "", call->body_len, hash);
    snprintf(path, sizeof path, "/%s", call->key);
    sigv4_date(clock_wall_ms(), date);
    struct sigv4_request rq = { .method = call->method,
                                .path = path,
                                .query = query,
                                .query_count = params(call->query, query),
                                .payload_hash = hash };
    buf_puts(&url, t->base);
    sigv4_encode(path, true, &url);
    if (rq.query_count) {
        buf_putc(&url, '?');
        sigv4_query(&rq, &url);
    }
    if (url.failed || make_headers(t, call, &rq, date, &lines, e) < 0)
        return too_long(e);
    struct sink sink = { .into = call->into, .left = call->max_body };
    struct http_request http = { .method = call->method,
                                 .url = buf_str(&url),
                                 .headers = lines.list,
                                 .body = call->body,
                                 .body_len = call->body_len,
                                 .timeout_ms = s->timeout_ms,
                                 .max_body = call->into ? 0 : call->max_body,
                                 .ca_file = t->ca_file,
                                 .on_data = call->into ? take : NULL,
                                 .arg = &sink };
    size_t start = call->into ? call->into->len : 0;
    if (http_do(s->http, &http, rs, e) == 0)
        return STORE_OK;
    if (call->into) {
        call->into->len = start;
        call->into->failed = false;
    }
    if (sink.over) {
        err_set(e, STATUS_CLIENT_OVERRUN, "S3: %s has more bytes than are taken", call->key);
        return STORE_REFUSED;
    }
    err_prefix(e, "S3");
    return STORE_AWAY;
}

enum store_result s3_judge(const char *what, const char *key, struct http_response *rs,
                           struct err *e) {
    int status = rs->status;
    char said[400];
    if (status >= 200 && status < 300)
        return STORE_OK;
    s3_error_parse(rs->body.data ? rs->body.data : "", rs->body.len, said, sizeof said);
    err_set(e, status >= 500 ? STATUS_UPSTREAM_ERROR : STATUS_SERVER_ERROR, "S3: %s %s: %d %s",
            what, key, status, said);
    return status == 404                                     ? STORE_MISSING
           : status == 412 || status == 409                  ? STORE_EXISTS
           : status >= 500 || status == 408 || status == 429 ? STORE_AWAY
                                                             : STORE_REFUSED;
}

enum store_result s3_ask(struct store *s, const struct s3_call *call, struct err *e) {
    struct http_response rs = { 0 };
    enum store_result r = s3_do(s, call, &rs, e);
    if (r == STORE_OK)
        r = s3_judge(call->method, call->key, &rs, e);
    http_response_fini(&rs);
    return r;
}

/* It goes into lists and statements as it is: an odd one is none. */
static void version_of(struct http_response *rs, char out[STORE_VERSION_SIZE]) {
    if (!http_header(rs, "x-amz-version-id", out, STORE_VERSION_SIZE) || strcmp(out, "null") == 0)
        out[0] = '\0';
    for (const char *p = out; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\')
            out[0] = '\0';
}

static uint64_t date_of(struct http_response *rs, const char *name) {
    char text[64];
    struct tm tm = { 0 };
    const char *date = http_header(rs, name, text, sizeof text);
    const char *end = date ? strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    return end && !*end ? (uint64_t)timegm(&tm) * 1000 : 0;
}

static void meta_of(struct http_response *rs, struct store_meta *m) {
    version_of(rs, m->version);
    if (!http_header(rs, "etag", m->etag, sizeof m->etag))
        m->etag[0] = '\0';
    m->modified_ms = date_of(rs, "last-modified");
    m->now_ms = date_of(rs, "date");
}

/* ---- objects -------------------------------------------------------------------------------- */

static enum store_result get(struct store *s, const char *key, const char *version, uint64_t offset,
                             size_t len, struct buf *out, struct store_meta *meta, struct err *e) {
    char range[64];
    snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)offset,
             (unsigned long long)(offset + len - 1));
    const struct s3_param headers[] = { { "range", range }, { NULL, NULL } };
    const struct s3_param query[] = { { "versionId", version }, { NULL, NULL } };
    const struct s3_call call = { .method = "GET",
                                  .key = key,
                                  .headers = len ? headers : NULL,
                                  .query = version && *version ? query : NULL,
                                  .into = out,
                                  .max_body = len ? len : out->max - out->len };
    struct http_response rs = { 0 };
    size_t start = out->len;
    enum store_result r = s3_do(s, &call, &rs, e);
    if (r != STORE_OK)
        return r;
    if (rs.status == 416 && len) { /* behind the end: nothing */
        http_response_fini(&rs);
        return STORE_OK;
    }
    r = s3_judge("GET", key, &rs, e);
    if (r == STORE_OK && len && rs.status != 206) {
        err_set(e, STATUS_UPSTREAM_ERROR, "S3: GET %s: the range was not respected", key);
        r = STORE_REFUSED;
        out->len = start;
    }
    if (r == STORE_OK && meta) {
        *meta = (struct store_meta){ .size = out->len - start };
        meta_of(&rs, meta);
    }
    http_response_fini(&rs);
    return r;
}

/* 412: an earlier attempt of ours may have landed although it timed out. */
static enum store_result compare(struct store *s, const char *key, const void *data, size_t len,
                                 struct store_meta *meta, struct err *e) {
    struct buf there __attribute__((cleanup(buf_fini)));
    buf_init(&there, len);
    enum store_result r = get(s, key, NULL, 0, 0, &there, meta, e);
    if (r == STORE_AWAY)
        return r;
    if (r == STORE_OK && there.len == len && (len == 0 || memcmp(there.data, data, len) == 0))
        return STORE_OK;
    err_set(e, STATUS_RESOURCE_CONFLICT, "S3: another %s is there already", key);
    return STORE_EXISTS;
}

struct body {
    const void *data;
    size_t len;
    const uint8_t *sha256;
};

static enum store_result put_body(struct store *s, const char *key, const struct s3_param *headers,
                                  const struct body *b, struct store_meta *m, struct err *e) {
    const struct s3_call call = { .method = "PUT",
                                  .key = key,
                                  .headers = headers,
                                  .body = b->data,
                                  .body_len = b->len,
                                  .sha256 = b->sha256 };
    struct http_response rs = { 0 };
    enum store_result r = s3_do(s, &call, &rs, e);
    if (r != STORE_OK)
        return r;
    meta_of(&rs, m);
    r = s3_judge("PUT", key, &rs, e);
    http_response_fini(&rs);
    return r;
}

static enum store_result put(struct store *s, const char *key, const void *data, size_t len,
                             const uint8_t sha256_of[32], uint64_t retain_until_ms,
                             struct store_meta *meta, struct err *e) {
    char sum[BASE64_LEN(32) + 1] = "", until[32];
    base64_encode(sha256_of, 32, sum);
    /* Whole seconds, and never earlier than asked. */
    clock_format((retain_until_ms + 999) / 1000 * 1000, until, sizeof until);
    const struct s3_param headers[] = { { "if-none-match", "*" },
                                        { "x-amz-checksum-sha256", sum },
                                        { "x-amz-object-lock-mode", "COMPLIANCE" },
                                        { "x-amz-object-lock-retain-until-date", until },
                                        { "content-type", "application/octet-stream" },
                                        { NULL, NULL } };
    const struct body body = { data, len, sha256_of };
    struct store_meta m = { 0 };
    enum store_result r = put_body(s, key, headers, &body, &m, e);
    m.size = len;
    m.retain_until_ms = retain_until_ms;
    if (r == STORE_EXISTS)
        r = compare(s, key, data, len, &m, e);
    if (r == STORE_OK && meta)
        *meta = m;
    return r;
}

static enum store_result head(struct store *s, const char *key, const char *version,
                              struct store_meta *meta, struct err *e) {
    const struct s3_param query[] = { { "versionId", version }, { NULL, NULL } };
    const struct s3_call call = { .method = "HEAD",
                                  .key = key,
                                  .query = version && *version ? query : NULL };
    struct http_response rs = { 0 };
    enum store_result r = s3_do(s, &call, &rs, e);
    if (r != STORE_OK)
        return r;
    r = s3_judge("HEAD", key, &rs, e);
    if (r == STORE_OK) {
        struct store_meta m = { 0 };
        char text[64];
        if (http_header(&rs, "content-length", text, sizeof text))
            m.size = strtoull(text, NULL, 10);
        if (http_header(&rs, "x-amz-object-lock-retain-until-date", text, sizeof text))
            clock_parse(text, &m.retain_until_ms);
        meta_of(&rs, &m);
        *meta = m;
    }
    http_response_fini(&rs);
    return r;
}

/* ---- what moves ----------------------------------------------------------------------------- */

static enum store_result swap(struct store *s, const char *key, const void *data, size_t len,
                              const char *etag, char fresh[STORE_ETAG_SIZE], struct err *e) {
    char sum[BASE64_LEN(32) + 1] = "";
    uint8_t hash[32];
    sha256(data, len, hash);
    base64_encode(hash, 32, sum);
    const struct s3_param headers[] = { { *etag ? "if-match" : "if-none-match",
                                          *etag ? etag : "*" },
                                        { "x-amz-checksum-sha256", sum },
                                        { "content-type", "application/octet-stream" },
                                        { NULL, NULL } };
    const struct body body = { data, len, hash };
    struct store_meta m = { 0 };
    enum store_result r = put_body(s, key, headers, &body, &m, e);
    if (r == STORE_OK)
        memcpy(fresh, m.etag, STORE_ETAG_SIZE);
    return r;
}

static enum store_result remove_object(struct store *s, const char *key, struct err *e) {
    const struct s3_call call = { .method = "DELETE", .key = key };
    enum store_result r = s3_ask(s, &call, e);
    return r == STORE_MISSING ? STORE_OK : r;
}

static enum store_result hold(struct store *s, const char *key, const char *version, bool on,
                              struct err *e) {
    char text[128];
    snprintf(text, sizeof text,
             "<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>%s</Status>"
             "</LegalHold>",
             on ? "ON" : "OFF");
    const struct s3_param query[] = { { "legal-hold", "" },
                                      { version && *version ? "versionId" : NULL, version },
                                      { NULL, NULL } };
    const struct s3_call call = {
        .method = "PUT", .key = key, .query = query, .body = text, .body_len = strlen(text)
    };
    return s3_ask(s, &call, e);
}

/* ---- listing -------------------------------------------------------------------------------- */

struct lister {
    int (*fn)(void *arg, const struct store_entry *entry);
    void *arg;
    const char *bucket;
    size_t bucket_len;
    bool odd;
};

static int on_entry(void *arg, const char *key, uint64_t size, bool prefix) {
    struct lister *l = arg;
    char whole[NAME_KEY_SIZE + 1024];
    if (snprintf(whole, sizeof whole, "%.*s/%s", (int)l->bucket_len, l->bucket, key) >=
        (int)sizeof whole) {
        l->odd = true;
        return 1;
    }
    struct store_entry entry = { .key = whole, .size = size, .folder = prefix };
    return l->fn(l->arg, &entry);
}

static enum store_result list_page(struct store *s, struct lister *l, const char *prefix,
                                   struct buf *token, bool *more, struct err *e) {
    char bucket[64];
    snprintf(bucket, sizeof bucket, "%.*s", (int)l->bucket_len, l->bucket);
    const struct s3_param query[] = { { "list-type", "2" },
                                      { "prefix", prefix },
                                      { "delimiter", "/" },
                                      { "max-keys", "1000" },
                                      { token->len ? "continuation-token" : NULL, buf_str(token) },
                                      { NULL, NULL } };
    const struct s3_call call = {
        .method = "GET", .key = bucket, .query = query, .max_body = LIST_MAX_BODY
    };
    struct s3_listing page = { .fn = on_entry, .arg = l };
    struct http_response rs = { 0 };
    enum store_result r = s3_do(s, &call, &rs, e);
    if (r != STORE_OK)
        return r;
    r = s3_judge("list", prefix, &rs, e);
    *more = false;
    if (r == STORE_OK && s3_listing_parse(rs.body.data, rs.body.len, &page, e) == 0) {
        *more = page.truncated;
        buf_clear(token);
        buf_add(token, page.token.data, page.token.len);
    } else if (r == STORE_OK && !page.stopped) {
        r = STORE_AWAY;
    } else if (l->odd) {
        err_set(e, STATUS_UPSTREAM_ERROR, "S3: list %s: a name is too long", prefix);
        r = STORE_REFUSED;
    }
    s3_listing_fini(&page);
    http_response_fini(&rs);
    return r;
}

static enum store_result list(struct store *s, const char *folder,
                              int (*fn)(void *arg, const struct store_entry *entry), void *arg,
                              struct err *e) {
    struct lister l = {
        .fn = fn, .arg = arg, .bucket = folder, .bucket_len = strcspn(folder, "/")
    };
    char prefix[NAME_KEY_SIZE + 2];
    const char *rest = folder + l.bucket_len;
    snprintf(prefix, sizeof prefix, "%s%s", *rest ? rest + 1 : "", *rest ? "/" : "");
    struct buf token __attribute__((cleanup(buf_fini)));
    buf_init(&token, 8192);
    enum store_result r;
    bool more;
    do
        r = list_page(s, &l, prefix, &token, &more, e);
    while (r == STORE_OK && more);
    return r == STORE_MISSING ? STORE_OK : r;
}

/* ---- time ----------------------------------------------------------------------------------- */

static enum store_result clock_offset(struct store *s, const char *bucket, int64_t *offset_ms,
                                      struct err *e) {
    const struct s3_call call = { .method = "HEAD", .key = bucket };
    struct http_response rs = { 0 };
    uint64_t before = clock_wall_ms();
    enum store_result r = s3_do(s, &call, &rs, e);
    if (r != STORE_OK)
        return r;
    uint64_t middle = before + (clock_wall_ms() - before) / 2;
    uint64_t date = date_of(&rs, "date");
    http_response_fini(&rs);
    if (!date) {
        err_set(e, STATUS_UPSTREAM_ERROR, "S3: no Date in the answer");
        return STORE_AWAY;
    }
    /* Date is cut to the second: on average half a second has gone since. */
    *offset_ms = (int64_t)date + 500 - (int64_t)middle;
    return STORE_OK;
}

const struct store_ops store_s3_ops = { .put = put,
                                        .get = get,
                                        .head = head,
                                        .list = list,
                                        .swap = swap,
                                        .remove = remove_object,
                                        .hold = hold,
                                        .clock = clock_offset,
                                        .check = store_s3_check,
                                        .bucket = store_s3_bucket,
                                        .plain = store_s3_plain };
