/* One thread a collection: list in pages, then watch from there, for ever. What the watch cannot be
 * trusted with (a version too old, garbage) leads back to the list; what merely ends is resumed. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "crd/cluster_impl.h"
#include "crd/watch_lines.h"
#include "guacd/base/clock.h"
#include "guacd/base/http.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define PAGE 500
#define WATCH_S 240         /* and up to half as much more, so that not all end at one moment */
#define IDLE_MS 90000       /* bookmarks come every minute: a connection this silent is dead */
#define BACKOFF_MS 250      /* doubled each time … */
#define BACKOFF_MAX_MS 8000 /* … up to this; a random half of it is waited */
#define ABSENT_MS 5000      /* until a kind that is not there is looked for again */
#define BRIEF_MS 1000       /* a watch that ends sooner and told nothing counts as a failure */
#define STACK ((size_t)512 << 10)

struct cluster_watch {
    struct cluster *k;
    char *namespace, *plural;
    bool optional;
    struct cluster_watcher fn;
    void *arg;
    pthread_t thread;
    bool running;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct http *http;
    char version[64]; /* "": a list is due */
    unsigned failures;
    struct watch_lines lines;
    bool heard;   /* this watch told something */
    bool expired; /* …that its version is too old */
    struct err e; /* of a line */
};

static uint32_t random_below(uint32_t n) {
    uint32_t r = 0;
    if (getrandom(&r, sizeof r, 0) != sizeof r)
        r = (uint32_t)clock_us();
    return n ? r % n : 0;
}

static void rest(struct cluster_watch *w, uint32_t ms) {
    const struct timespec until = clock_deadline(ms);
    pthread_mutex_lock(&w->lock);
    while (!atomic_load(&w->stop) && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&w->lock);
}

static void failed(struct cluster_watch *w, const struct err *e) {
    uint32_t ms = BACKOFF_MS;
    for (unsigned i = 0; i < w->failures && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    ms = MIN_OF(ms, (uint32_t)BACKOFF_MAX_MS);
    if (w->failures++ == 0 && w->fn.failed && !atomic_load(&w->stop))
        w->fn.failed(w->arg, e);
    rest(w, ms / 2 + random_below(ms / 2));
}

static void alive(struct cluster_watch *w) {
    w->failures = 0;
    w->fn.alive(w->arg);
}

/* ---- list ------------------------------------------------------------------------------------ */

static enum resources_result list_page(struct cluster_watch *w, char *next, size_t size,
                                       struct err *e) {
    char path[1600], base[512];
    _json_ json_t *answer = NULL;
    json_t *item;
    size_t i;
    cluster_path(base, sizeof base, w->namespace, w->plural, NULL, NULL);
    snprintf(path, sizeof path, "%s?limit=%d%s%.1000s", base, PAGE, *next ? "&continue=" : "",
             next);
    enum resources_result r = cluster_call(w->k, "GET", path, NULL, NULL, &answer, e);
    if (r != RESOURCES_OK)
        return r;
    const json_t *meta = json_object_get(answer, "metadata");
    const char *version = json_str(meta, "resourceVersion", ""),
               *more = json_str(meta, "continue", "");
    if (!json_is_array(json_object_get(answer, "items")) || !*version ||
        strlen(version) >= sizeof w->version || strlen(more) > 300) {
        err_set(e, STATUS_UPSTREAM_ERROR, "GET %.300s: the answer is no list", path);
        return RESOURCES_UNAVAILABLE;
    }
    if (!*next)
        w->fn.begin(w->arg);
    json_array_foreach(json_object_get(answer, "items"), i, item) w->fn.object(w->arg, item);
    snprintf(w->version, sizeof w->version, "%s", version);
    cluster_escape(more, next, size);
    return RESOURCES_OK;
}

static int list(struct cluster_watch *w, struct err *e) {
    char next[1000] = "";
    do {
        enum resources_result r = list_page(w, next, sizeof next, e);
        if (r == RESOURCES_NOT_FOUND && w->optional && !*next) {
            w->fn.begin(w->arg); /* no such kind in this cluster; it may come */
            w->fn.end(w->arg);
            w->fn.rest(w->arg);
            w->fn.alive(w->arg);
            w->version[0] = '\0';
            rest(w, ABSENT_MS + random_below(ABSENT_MS));
            return 0;
        }
        if (r != RESOURCES_OK) {
            w->version[0] = '\0'; /* 410 in the middle: from the start */
            return -1;
        }
    } while (*next && !atomic_load(&w->stop));
    if (atomic_load(&w->stop))
        return 0;
    w->fn.end(w->arg);
    w->fn.rest(w->arg);
    alive(w);
    return 0;
}

/* ---- watch ----------------------------------------------------------------------------------- */

static int on_event(void *arg, const struct watch_event *event) {
    struct cluster_watch *w = arg;
    switch (event->type) {
    case WATCH_ADDED:
    case WATCH_MODIFIED:
        w->fn.object(w->arg, (json_t *)(uintptr_t)event->object);
        break;
    case WATCH_DELETED:
        w->fn.gone(w->arg, event->object);
        break;
    case WATCH_BOOKMARK:
        break;
    case WATCH_ERROR:
        w->expired = event->code == 410;
        return err_set(&w->e, STATUS_UPSTREAM_ERROR, "the watch ends with %d: %.300s", event->code,
                       event->message);
    }
    snprintf(w->version, sizeof w->version, "%s", event->version);
    return 0;
}

static int on_data(void *arg, const void *data, size_t len) {
    struct cluster_watch *w = arg;
    w->heard = true;
    int rc = watch_lines_feed(&w->lines, data, len, on_event, w, &w->e);
    w->fn.rest(w->arg);
    if (rc == 0)
        alive(w);
    return rc;
}

/* 0: it ended as watches do; -1: not, and e says why. */
static int watch(struct cluster_watch *w, struct err *e) {
    char base[512], url[1200];
    struct buf bearer;
    struct http_response rs = { 0 };
    uint32_t seconds = WATCH_S + random_below(WATCH_S / 2);
    cluster_path(base, sizeof base, w->namespace, w->plural, NULL, NULL);
    snprintf(url, sizeof url,
             "%s%s?watch=1&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%u",
             w->k->server, base, w->version, seconds);
    buf_init(&bearer, 65536);
    bearer.secret = true;
    watch_lines_init(&w->lines);
    w->heard = w->expired = false;
    w->e = (struct err){ 0 };
    int rc = cluster_bearer(w->k, false, &bearer, e);
    if (rc == 0) {
        const char *headers[] = { buf_str(&bearer), "Accept: application/json", NULL };
        struct http_request rq = { .method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = (int)(seconds + 30) * 1000,
                                   .ca_file = w->k->ca_file,
                                   .on_data = on_data,
                                   .arg = w,
                                   .idle_ms = IDLE_MS,
                                   .stop = &w->stop };
        rc = http_do(w->http, &rq, &rs, e);
    }
    if (rc && w->e.text[0]) { /* our own reader stopped it: nothing it says is believed */
        *e = w->e;
        w->version[0] = '\0';
    } else if (rc == 0 && (rs.status < 200 || rs.status > 299)) {
        struct err ignored = { 0 };
        _json_ json_t *answer =
            json_parse(rs.body.data ? rs.body.data : "", rs.body.len, CLUSTER_BODY_MAX, &ignored);
        cluster_result(rs.status, answer, base, e);
        w->expired = rs.status == 410;
        w->version[0] = '\0';
        rc = -1;
    }
    http_response_fini(&rs);
    watch_lines_fini(&w->lines);
    buf_wipe(&bearer);
    return rc;
}

static void *run(void *arg) {
    struct cluster_watch *w = arg;
    while (!atomic_load(&w->stop)) {
        struct err e = { 0 };
        if (!w->version[0]) {
            if (list(w, &e))
                failed(w, &e);
            continue;
        }
        uint64_t began = clock_ms();
        int rc = watch(w, &e);
        bool brief = clock_ms() - began < BRIEF_MS && !w->heard;
        if (rc == 0 && !brief) {
            alive(w); /* it was open until the API server ended it in good order */
        } else if (w->expired && w->failures == 0) {
            w->failures = 1; /* the list comes at once; a second time in a row waits */
        } else {
            if (rc == 0)
                err_set(&e, STATUS_UPSTREAM_ERROR, "the watch of %s ends at once", w->plural);
            if (brief && w->failures > 0)
                w->version[0] = '\0'; /* a watch may say nothing for a minute, a list answers */
            failed(w, &e);
        }
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct cluster_watch *cluster_watch_new(struct cluster *k, const char *namespace,
                                        const char *plural, bool optional,
                                        const struct cluster_watcher *fn, void *arg,
                                        struct err *e) {
    pthread_condattr_t cond;
    pthread_attr_t attr;
    struct cluster_watch *w = calloc(1, sizeof *w);
    if (!w) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a watch");
        return NULL;
    }
    w->k = k;
    w->namespace = namespace ? strdup(namespace) : NULL;
    w->plural = strdup(plural);
    w->optional = optional;
    w->fn = *fn;
    w->arg = arg;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&cond);
    pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &cond);
    pthread_condattr_destroy(&cond);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    w->http = http_new(e);
    if (w->http && w->plural && (!namespace || w->namespace))
        w->running = pthread_create(&w->thread, &attr, run, w) == 0;
    pthread_attr_destroy(&attr);
    if (w->running)
        return w;
    err_set(e, STATUS_SERVER_ERROR, "no thread for a watch");
    cluster_watch_free(w);
    return NULL;
}

void cluster_watch_stop(struct cluster_watch *w) {
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->stop, true);
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void cluster_watch_free(struct cluster_watch *w) {
    if (!w)
        return;
    cluster_watch_stop(w);
    if (w->running)
        pthread_join(w->thread, NULL);
    http_free(w->http);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    free(w->namespace);
    free(w->plural);
    free(w);
}
