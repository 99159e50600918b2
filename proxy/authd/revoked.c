/* An object of sid -> [at, exp]; appended to the file as lines, which is rewritten by a sweep. */
#include "proxy/authd/revoked.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct revoked {
    pthread_mutex_t lock;
    char *path;
    json_t *entries; /* sid -> [at ms, exp s] */
};

static int put(struct revoked *r, const char *sid, int64_t at, int64_t exp) {
    return json_object_set_new(r->entries, sid,
                               json_pack("[I, I]", (json_int_t)at, (json_int_t)exp));
}

static void load(struct revoked *r) {
    char line[512], sid[256];
    long long at, exp;
    _fclose_ FILE *f = fopen(r->path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%lld %lld %255s", &at, &exp, sid) == 3)
            put(r, sid, at, exp);
}

struct revoked *revoked_new(const char *path, struct err *e) {
    struct revoked *r = calloc(1, sizeof *r);
    if (r) {
        pthread_mutex_init(&r->lock, NULL);
        r->path = strdup(path);
        r->entries = json_object();
    }
    if (!r || !r->path || !r->entries) {
        revoked_free(r);
        err_set(e, 0, "no memory for the list of ended sign-ins");
        return NULL;
    }
    load(r);
    return r;
}

void revoked_free(struct revoked *r) {
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    json_decref(r->entries);
    free(r->path);
    free(r);
}

static int append(const struct revoked *r, const char *sid, int64_t at, int64_t exp) {
    char line[512];
    int n = snprintf(line, sizeof line, "%lld %lld %s\n", (long long)at, (long long)exp, sid);
    _close_ int fd = open(r->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 && write(fd, line, (size_t)n) == n ? 0 : -1;
}

/* Under the lock. */
static int add(struct revoked *r, const char *key, int64_t now_ms, int64_t exp, struct err *e) {
    if (json_object_size(r->entries) >= REVOKED_MAX)
        return err_set(e, STATUS_SERVER_BUSY, "too many ended sign-ins to remember");
    if (put(r, key, now_ms, exp))
        return err_set(e, STATUS_SERVER_ERROR, "no memory");
    if (append(r, key, now_ms, exp))
        log_error("%s cannot be written (%s): a restart would forget a sign-out", r->path,
                  strerror(errno));
    return 0;
}

int revoked_add(struct revoked *r, const char *sid, int64_t now_ms, int64_t exp, struct err *e) {
    if (strlen(sid) > 255 || strpbrk(sid, " \t\r\n"))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "the sign-in's id cannot be kept");
    pthread_mutex_lock(&r->lock);
    int rc = add(r, sid, now_ms, exp, e);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

bool revoked_once(struct revoked *r, const char *key, int64_t now_ms, int64_t exp) {
    struct err ignored = { 0 };
    pthread_mutex_lock(&r->lock);
    bool first = !json_object_get(r->entries, key) && add(r, key, now_ms, exp, &ignored) == 0;
    pthread_mutex_unlock(&r->lock);
    return first;
}

void revoked_person(const char *sub, char key[REVOKED_KEY]) {
    memcpy(key, "sub:", 4);
    sha256_hex(sub, strlen(sub), key + 4);
}

bool revoked_has(struct revoked *r, const char *sid, int64_t issued_ms) {
    pthread_mutex_lock(&r->lock);
    const json_t *entry = json_object_get(r->entries, sid);
    bool has = entry && issued_ms <= json_integer_value(json_array_get(entry, 0));
    pthread_mutex_unlock(&r->lock);
    return has;
}

static void rewrite(const struct revoked *r) {
    char temporary[600];
    const char *sid;
    json_t *entry;
    snprintf(temporary, sizeof temporary, "%s.new", r->path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f)
        return;
    json_object_foreach(r->entries, sid, entry)
        fprintf(f, "%lld %lld %s\n", (long long)json_integer_value(json_array_get(entry, 0)),
                (long long)json_integer_value(json_array_get(entry, 1)), sid);
    if (fclose(f) == 0 && rename(temporary, r->path) == 0)
        return;
    log_warning("%s cannot be written: %s", r->path, strerror(errno));
}

void revoked_sweep(struct revoked *r, int64_t now_s) {
    const char *sid;
    json_t *entry;
    void *next;
    pthread_mutex_lock(&r->lock);
    size_t before = json_object_size(r->entries);
    json_object_foreach_safe(r->entries, next, sid,
                             entry) if (json_integer_value(json_array_get(entry, 1)) < now_s)
        json_object_del(r->entries, sid);
    if (json_object_size(r->entries) != before)
        rewrite(r);
    pthread_mutex_unlock(&r->lock);
}
