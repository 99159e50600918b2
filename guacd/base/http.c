/* libcurl's easy interface with everything bounded that an answer could stretch: time, headers,
 * body. Redirects and the environment's proxies are off: where a request with credentials goes is
 * decided by our configuration alone. */
#include "guacd/base/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"

#define STATUS_TIMEOUT 0x0202
#define STATUS_UNREACHABLE 0x0207
#define TIMEOUT_MS 10000
#define CONNECT_MS 10000
#define MAX_BODY ((size_t)1 << 20)
#define MAX_HEADERS ((size_t)64 << 10)

struct http {
    CURL *curl;
    char reason[CURL_ERROR_SIZE];
};

/* One request on its way. */
struct exchange {
    struct http *http;
    const struct http_request *rq;
    struct http_response *rs;
    size_t streamed;
    const char *stopped; /* why we ended it ourselves */
    uint64_t last_ms;    /* when something came */
    bool idle;
};

static int global_result;

static void init_curl(void) {
    global_result = (int)curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *http_new(struct err *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    struct http *h = global_result == 0 ? calloc(1, sizeof *h) : NULL;
    if (h)
        h->curl = curl_easy_init();
    if (!h || !h->curl) {
        free(h);
        err_set(e, 0, "cannot set up the HTTP client");
        return NULL;
    }
    return h;
}

void http_free(struct http *h) {
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    free(h);
}

void http_response_fini(struct http_response *r) {
    buf_fini(&r->body);
    buf_fini(&r->headers);
    r->status = 0;
}

/* ---- what comes in --------------------------------------------------------------------------- */

static size_t on_header(char *data, size_t one, size_t len, void *arg) {
    struct exchange *x = arg;
    (void)one;
    /* A new status line: what stood before belonged to an interim answer (100 Continue). */
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
        buf_clear(&x->rs->headers);
    if (buf_add(&x->rs->headers, data, len) < 0) {
        x->stopped = "its headers are too large";
        return 0;
    }
    return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg) {
    struct exchange *x = arg;
    (void)one;
    long status = 0;
    x->last_ms = clock_ms();
    curl_easy_getinfo(x->http->curl, CURLINFO_RESPONSE_CODE, &status);
    if (x->rq->on_data && status >= 200 && status < 300) {
        if (x->rq->max_body && len > x->rq->max_body - x->streamed) {
            x->stopped = "its body is too large";
            return 0;
        }
        x->streamed += len;
        if (x->rq->on_data(x->rq->arg, data, len) != 0) {
            x->stopped = "its reader stopped";
            return 0;
        }
    } else if (buf_add(&x->rs->body, data, len) < 0) {
        x->stopped = "its body is too large";
        return 0;
    }
    return len;
}

/* libcurl asks this about once a second, whether or not something moves. */
static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    struct exchange *x = arg;
    (void)a, (void)b, (void)c, (void)d;
    if (x->rq->stop && atomic_load(x->rq->stop)) {
        x->stopped = "stopped";
        return 1;
    }
    if (x->rq->idle_ms && clock_ms() - x->last_ms > (uint64_t)x->rq->idle_ms) {
        x->stopped = "nothing came for too long";
        x->idle = true;
        return 1;
    }
    return 0;
}

/* ---- what goes out --------------------------------------------------------------------------- */

static bool has_header(const struct http_request *rq, const char *name) {
    size_t len = strlen(name);
    for (const char *const *h = rq->headers; h && *h; h++)
        if (strncasecmp(*h, name, len) == 0 && ((*h)[len] == ':' || (*h)[len] == ';'))
            return true;
    return false;
}

static bool add_header(struct curl_slist **list, const char *text) {
    struct curl_slist *more = curl_slist_append(*list, text);
    if (more)
        *list = more;
    return more != NULL;
}

/* The caller's headers, and none of those that libcurl would invent for a body. */
static int headers_of(const struct http_request *rq, struct curl_slist **list, struct err *e) {
    bool ok = add_header(list, "Expect:");
    if (!has_header(rq, "Content-Type"))
        ok = ok && add_header(list, "Content-Type:");
    if (!has_header(rq, "Accept"))
        ok = ok && add_header(list, "Accept: */*");
    for (const char *const *h = rq->headers; h && *h; h++) {
        if (strpbrk(*h, "\r\n"))
            return err_set(e, 0, "a request header contains a line break");
        ok = ok && add_header(list, *h);
    }
    return ok ? 0 : err_set(e, 0, "no memory for a request");
}

static void set_method(CURL *c, const struct http_request *rq) {
    bool body = rq->body || rq->body_len || strcmp(rq->method, "PUT") == 0 ||
                strcmp(rq->method, "POST") == 0;
    if (strcmp(rq->method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else if (body) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, rq->body ? rq->body : "");
    } else {
        curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
}

static void set_options(struct http *h, const struct http_request *rq, struct exchange *x,
                        struct curl_slist *headers) {
    CURL *c = h->curl;
    long timeout = rq->timeout_ms > 0 ? rq->timeout_ms : TIMEOUT_MS;
    curl_easy_reset(c); /* keeps connections, TLS sessions and DNS answers */
    h->reason[0] = '\0';
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->reason);
    curl_easy_setopt(c, CURLOPT_URL, rq->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L); /* S3 signs the path as it is written */
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    char agent[80];
    snprintf(agent, sizeof agent, "guac/%s", guac_version);
    curl_easy_setopt(c, CURLOPT_USERAGENT, agent); /* copied */
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, MIN_OF(timeout, (long)CONNECT_MS));
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (rq->stop || rq->idle_ms) {
        curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
    }
    if (rq->ca_file) { /* this CA and no other: the system's folder would count beside it */
        curl_easy_setopt(c, CURLOPT_CAINFO, rq->ca_file);
        curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    }
    set_method(c, rq);
}

/* scheme://host:port, for messages: what follows may hold a secret, and so may user:password@. */
static int say(const struct http_request *rq, CURLcode code, const char *reason, struct err *e) {
    const char *host = strstr(rq->url, "://");
    host = host ? host + 3 : rq->url;
    size_t len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', len);
    if (at) {
        len -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    int status = 0;
    if (code == CURLE_OPERATION_TIMEDOUT) {
        status = STATUS_TIMEOUT;
    } else if (code != CURLE_WRITE_ERROR && code != CURLE_ABORTED_BY_CALLBACK &&
               code != CURLE_OUT_OF_MEMORY && code != CURLE_URL_MALFORMAT &&
               code != CURLE_UNSUPPORTED_PROTOCOL) {
        status = STATUS_UNREACHABLE;
    }
    return err_set(e, status, "%s to %.*s: %s", rq->method, (int)MIN_OF(len, (size_t)200), host,
                   reason);
}

int http_do(struct http *h, const struct http_request *rq, struct http_response *rs,
            struct err *e) {
    struct http_response fresh = { 0 };
    buf_init(&fresh.body, rq->max_body && !rq->on_data ? rq->max_body : MAX_BODY);
    buf_init(&fresh.headers, MAX_HEADERS);
    fresh.body.secret = rq->secret;
    struct exchange x = { .http = h, .rq = rq, .rs = &fresh, .last_ms = clock_ms() };
    struct curl_slist *headers = NULL;
    int r = headers_of(rq, &headers, e);
    if (r == 0) {
        set_options(h, rq, &x, headers);
        CURLcode code = curl_easy_perform(h->curl);
        const char *reason = h->reason[0] ? h->reason : curl_easy_strerror(code);
        if (x.idle)
            code = CURLE_OPERATION_TIMEDOUT;
        if (code != CURLE_OK)
            r = say(rq, code, x.stopped ? x.stopped : reason, e);
        long status = 0;
        curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
        fresh.status = (int)status;
    }
    curl_slist_free_all(headers);
    if (r == 0)
        *rs = fresh;
    else
        http_response_fini(&fresh);
    return r;
}

const char *http_header(struct http_response *r, const char *name, char *out, size_t size) {
    const char *p = buf_str(&r->headers);
    size_t len = strlen(name);
    while (p && *p) {
        size_t line = strcspn(p, "\r\n");
        if (line > len && p[len] == ':' && strncasecmp(p, name, len) == 0) {
            const char *value = p + len + 1;
            const char *end = p + line;
            while (value < end && (*value == ' ' || *value == '\t'))
                value++;
            while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            if ((size_t)(end - value) >= size)
                return NULL;
            memcpy(out, value, (size_t)(end - value));
            out[end - value] = '\0';
            return out;
        }
        p += line;
        p += strspn(p, "\r\n");
    }
    return NULL;
}
