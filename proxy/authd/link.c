/* A ring of hashes. */
#include "proxy/authd/link.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/secret.h"

#define LINKS_MAX 16
#define TOKEN_BYTES 32

struct links {
    pthread_mutex_t lock;
    char *origin;
    struct {
        uint8_t hash[32];
        uint64_t until; /* clock_ms; 0: free or used */
    } issued[LINKS_MAX];
    size_t next;
};

struct links *links_new(const char *origin) {
    struct links *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    pthread_mutex_init(&l->lock, NULL);
    l->origin = strdup(origin);
    return l;
}

void links_free(struct links *l) {
    if (!l)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l->origin);
    free(l);
}

int links_make(struct links *l, struct buf *url) {
    uint8_t raw[TOKEN_BYTES];
    struct buf token;
    buf_init(&token, 64);
    random_bytes(raw, sizeof raw);
    int rc = base64url_add(&token, raw, sizeof raw);
    if (rc == 0) {
        pthread_mutex_lock(&l->lock);
        size_t i = l->next++ % LINKS_MAX;
        sha256(token.data, token.len, l->issued[i].hash);
        l->issued[i].until = clock_ms() + (uint64_t)LINK_HOURS * 3600 * 1000;
        pthread_mutex_unlock(&l->lock);
        rc = buf_printf(url, "%s/auth/link?token=%s", l->origin, buf_str(&token));
    }
    buf_wipe(&token);
    return rc;
}

bool links_use(struct links *l, const char *token) {
    uint8_t hash[32];
    bool good = false;
    sha256(token, strlen(token), hash);
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (l->issued[i].until > clock_ms() && secret_equal(l->issued[i].hash, hash, sizeof hash)) {
            l->issued[i].until = 0;
            good = true;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return good;
}
