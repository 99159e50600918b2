/* Token buckets in a table of fixed size: who was not heard of longest makes room. */
#include "proxy/authd/limits.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/stats.h"

#define BUCKETS 8192
#define WAYS 16 /* places that a key may stand in */
#define PATIENCE_MS 5000

static const struct row {
    const char *what;
    size_t per_minute, at_once; /* members of the configuration; 0 there: no limit */
    bool waits;                 /* for its turn, instead of being refused */
} rows[LIMIT_COUNT] = {
    [LIMIT_SIGN_IN] = { "sign-ins from your address", offsetof(struct config, sign_ins_per_minute),
                        offsetof(struct config, at_once), false },
    [LIMIT_CALLBACK] = { "sign-ins from your address", offsetof(struct config, sign_ins_per_minute),
                         offsetof(struct config, at_once), false },
    [LIMIT_TUNNEL] = { "connections of yours", offsetof(struct config, tunnels_per_minute),
                       offsetof(struct config, at_once), false },
    [LIMIT_OPEN] = { "sessions of yours being opened", offsetof(struct config, opens_per_minute),
                     offsetof(struct config, dials_at_once), true },
};

struct bucket {
    uint8_t key[16]; /* of a SHA-256 */
    int64_t tokens;  /* thousandths */
    uint64_t at;     /* clock_ms; 0: free */
    long inside;
};

struct limits {
    const struct config *c;
    pthread_mutex_t lock;
    pthread_cond_t left;
    struct bucket buckets[BUCKETS];
};

struct limits *limits_new(const struct config *c) {
    struct limits *l = calloc(1, sizeof *l);
    pthread_condattr_t attr;
    if (!l)
        return NULL;
    l->c = c;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->left, &attr);
    pthread_condattr_destroy(&attr);
    return l;
}

void limits_free(struct limits *l) {
    if (!l)
        return;
    pthread_cond_destroy(&l->left);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static long setting(const struct limits *l, size_t member) {
    return *(const long *)(const void *)((const char *)l->c + member);
}

/* Under the lock. The key's own place, or the one longest unheard of, emptied; NULL: all are in use
 * this moment. */
static struct bucket *place(struct limits *l, enum limit kind, const char *key, int64_t full,
                            uint64_t now) {
    uint8_t hash[32];
    size_t from;
    char text[600];
    snprintf(text, sizeof text, "%d %s", (int)kind, key);
    sha256(text, strlen(text), hash);
    memcpy(&from, hash + 16, sizeof from);
    struct bucket *oldest = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        struct bucket *b = &l->buckets[(from + i) % BUCKETS];
        if (b->at && memcmp(b->key, hash, sizeof b->key) == 0)
            return b;
        if (b->inside == 0 && (!oldest || b->at < oldest->at))
            oldest = b;
    }
    if (!oldest)
        return NULL;
    *oldest = (struct bucket){ .tokens = full, .at = now };
    memcpy(oldest->key, hash, sizeof oldest->key);
    return oldest;
}

static int refuse(struct err *e, const struct row *r, int64_t seconds) {
    stats_refused(LIMIT_RULE);
    err_set(e, STATUS_CLIENT_TOO_MANY, "Too many %s. Try again in %lld second%s.", r->what,
            (long long)seconds, seconds == 1 ? "" : "s");
    return (int)seconds;
}

int limits_enter(struct limits *l, enum limit kind, const char *key, uint64_t now, struct err *e) {
    const struct row *r = &rows[kind];
    int64_t rate = setting(l, r->per_minute), full = rate * 1000;
    long at_once = setting(l, r->at_once);
    int wait = 0;
    pthread_mutex_lock(&l->lock);
    struct bucket *b = place(l, kind, key, full, now);
    const struct timespec until =
        clock_deadline(PATIENCE_MS); /* in all, whoever leaves meanwhile */
    bool patient = r->waits;
    while (b && at_once && b->inside >= at_once && patient) {
        patient = pthread_cond_timedwait(&l->left, &l->lock, &until) == 0;
        b = place(l, kind, key, full, now); /* its place may be another's by now */
    }
    if (b && now > b->at) {
        b->tokens = MIN_OF(full, b->tokens + (int64_t)(now - b->at) * rate / 60);
        b->at = now;
    }
    if (!b || (at_once && b->inside >= at_once)) {
        wait = refuse(e, r, 1);
    } else if (rate && b->tokens < 1000) {
        wait = refuse(e, r, (1000 - b->tokens) * 60 / rate / 1000 + 1);
    } else {
        b->tokens -= rate ? 1000 : 0;
        b->inside++;
    }
    pthread_mutex_unlock(&l->lock);
    return wait;
}

void limits_leave(struct limits *l, enum limit kind, const char *key) {
    pthread_mutex_lock(&l->lock);
    struct bucket *b = place(l, kind, key, 0, 1);
    if (b && b->inside > 0)
        b->inside--;
    pthread_cond_broadcast(&l->left);
    pthread_mutex_unlock(&l->lock);
}
