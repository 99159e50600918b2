/* The front of both kinds of store: parses where it is, holds the credentials, checks keys. */
#include "recording/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/dial.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/name.h"
#include "recording/store_impl.h"

/* "s3:https://host:port" -> base, host, port */
static int parse_s3(const char *url, struct store_target *t, struct err *e) {
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!tls && strncmp(url, "http://", 7) != 0)
        return err_set(e, 0, "store: s3: is followed by https://HOST:PORT");
    const char *host = url + (tls ? 8 : 7);
    size_t len = strcspn(host, "/?#@");
    if (len == 0 || (host[len] && strcmp(host + len, "/") != 0))
        return err_set(e, 0, "store: s3:https://HOST:PORT has no path, query or user");
    t->base = strndup(url, (size_t)(host - url) + len);
    t->host = strndup(host, len);
    if (!t->base || !t->host)
        return err_set(e, 0, "no memory");
    const char *colon = strrchr(t->host, ':'), *bracket = strrchr(t->host, ']');
    bool with_port = colon && (!bracket || colon > bracket);
    _free_ char *name = strndup(t->host, with_port ? (size_t)(colon - t->host) : len);
    t->named = !name || !dial_needs_no_resolver(name);
    t->port = tls ? 443 : 80;
    if (with_port) {
        char *end;
        long port = strtol(colon + 1, &end, 10);
        if (*end || end == colon + 1 || port < 1 || port > 65535)
            return err_set(e, 0, "store: '%s' is no port", colon + 1);
        t->port = (uint16_t)port;
        /* As clients send it: without the scheme's own port. */
        if (port == (tls ? 443 : 80))
            t->host[colon - t->host] = '\0';
    }
    return 0;
}

static int read_key(struct secret *s, const char *path, const char *row, struct err *e) {
    if (!path || !*path)
        return err_set(e, 0, "%s is needed for an S3 store", row);
    if (secret_read_file(s, path, e) < 0)
        return err_prefix(e, "%s", row);
    if (s->len == 0 || s->len > 512 || strcspn(s->data, "\r\n ") != s->len)
        return err_set(e, 0, "%s: %s holds no key (one line, no blanks)", row, path);
    return 0;
}

struct store_target *store_target_new(const struct store_config *c, struct err *e) {
    struct store_target *t = calloc(1, sizeof *t);
    const char *url = c->url ? c->url : "";
    int r = t ? 0 : err_set(e, 0, "no memory");
    if (r == 0 && strncmp(url, "folder:/", 8) == 0) {
        t->ops = &store_folder_ops;
        t->folder = strdup(url + 7);
    } else if (r == 0 && strncmp(url, "s3:", 3) == 0) {
        t->ops = &store_s3_ops;
        t->region = strdup(c->region && *c->region ? c->region : "us-east-1");
        t->ca_file = c->ca_file && *c->ca_file ? strdup(c->ca_file) : NULL;
        r = parse_s3(url + 3, t, e);
        if (r == 0)
            r = read_key(&t->access_key, c->access_key_file, "access-key-file", e);
        if (r == 0)
            r = read_key(&t->secret_key, c->secret_key_file, "secret-key-file", e);
    } else if (r == 0) {
        r = err_set(e, 0, "store: '%s' is neither folder:/PATH nor s3:https://HOST:PORT", url);
    }
    if (r == 0)
        return t;
    store_target_free(t);
    return NULL;
}

void store_target_free(struct store_target *t) {
    if (!t)
        return;
    free(t->folder);
    free(t->base);
    free(t->host);
    free(t->region);
    free(t->ca_file);
    secret_fini(&t->access_key);
    secret_fini(&t->secret_key);
    free(t);
}

const char *store_target_folder(const struct store_target *t) {
    return t->folder;
}

bool store_target_named(const struct store_target *t) {
    return t->named;
}

uint16_t store_target_port(const struct store_target *t) {
    return t->port;
}

struct store *store_new(const struct store_target *t, struct err *e) {
    struct store *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, 0, "no memory for a store");
        return NULL;
    }
    *s = (struct store){ .target = t, .root = -1 };
    if (t->folder) {
        s->root = open(t->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (s->root < 0)
            err_errno(e, 0, "store: %s", t->folder);
    } else {
        s->http = http_new(e);
    }
    if (s->root >= 0 || s->http)
        return s;
    store_free(s);
    return NULL;
}

void store_free(struct store *s) {
    if (!s)
        return;
    if (s->root >= 0)
        close(s->root);
    http_free(s->http);
    free(s);
}

int store_timeout(struct store *s, int ms) {
    int before = s->timeout_ms;
    s->timeout_ms = ms;
    return before;
}

static enum store_result key_bad(const char *key, struct err *e) {
    err_set(e, 0, "'%.100s' is no key of a store", key);
    return STORE_REFUSED;
}

enum store_result store_put(struct store *s, const char *key, const void *data, size_t len,
                            const uint8_t sha256[32], uint64_t retain_until_ms,
                            struct store_meta *meta, struct err *e) {
    if (!name_key_valid(key))
        return key_bad(key, e);
    return s->target->ops->put(s, key, data, len, sha256, retain_until_ms, meta, e);
}

enum store_result store_get(struct store *s, const char *key, const char *version, struct buf *out,
                            struct store_meta *meta, struct err *e) {
    if (!name_key_valid(key))
        return key_bad(key, e);
    return s->target->ops->get(s, key, version, 0, 0, out, meta, e);
}

enum store_result store_get_range(struct store *s, const char *key, const char *version,
                                  uint64_t offset, size_t len, struct buf *out, struct err *e) {
    if (!name_key_valid(key) || len == 0)
        return key_bad(key, e);
    return s->target->ops->get(s, key, version, offset, len, out, NULL, e);
}

enum store_result store_head(struct store *s, const char *key, const char *version,
                             struct store_meta *meta, struct err *e) {
    if (!name_key_valid(key))
        return key_bad(key, e);
    return s->target->ops->head(s, key, version, meta, e);
}

enum store_result store_swap(struct store *s, const char *key, const void *data, size_t len,
                             const char *etag, char fresh[STORE_ETAG_SIZE], struct err *e) {
    if (!name_key_valid(key))
        return key_bad(key, e);
    return s->target->ops->swap(s, key, data, len, etag, fresh, e);
}

enum store_result store_remove(struct store *s, const char *key, struct err *e) {
    if (!name_key_valid(key))
        return key_bad(key, e);
    return s->target->ops->remove(s, key, e);
}

enum store_result store_hold(struct store *s, const char *key, const char *version, bool on,
                             struct err *e) {
    if (!name_key_valid(key))
        return key_bad(key, e);
    return s->target->ops->hold(s, key, version, on, e);
}

enum store_result store_list(struct store *s, const char *folder,
                             int (*fn)(void *arg, const struct store_entry *entry), void *arg,
                             struct err *e) {
    if (!name_key_valid(folder) && (*folder || !s->target->folder))
        return key_bad(folder, e);
    return s->target->ops->list(s, folder, fn, arg, e);
}

enum store_result store_clock(struct store *s, const char *bucket, int64_t *offset_ms,
                              struct err *e) {
    return s->target->ops->clock(s, bucket, offset_ms, e);
}

enum store_result store_check(struct store *s, const char *bucket, struct err *e) {
    return s->target->ops->check(s, bucket, e);
}

enum store_result store_bucket(struct store *s, const char *bucket, int retention_days,
                               void (*say)(const char *text), struct err *e) {
    return s->target->ops->bucket(s, bucket, retention_days, say, e);
}

enum store_result store_bucket_plain(struct store *s, const char *bucket,
                                     void (*say)(const char *text), struct err *e) {
    return s->target->ops->plain(s, bucket, say, e);
}

static enum store_result plain_wrong(const char *bucket, const char *what, enum store_result r,
                                     struct err *e) {
    err_prefix(e, "store: bucket %s %s", bucket, what);
    return r == STORE_AWAY ? r : STORE_REFUSED;
}

/* By doing it: made once, swapped by its etag only, removed. */
enum store_result store_check_plain(struct store *s, const char *bucket, struct err *e) {
    char id[UUID_LEN + 1], key[NAME_KEY_SIZE], etag[STORE_ETAG_SIZE], other[STORE_ETAG_SIZE];
    struct store_meta meta = { 0 };
    struct buf there __attribute__((cleanup(buf_fini)));
    buf_init(&there, 64);
    uuid_v7(id, clock_wall_ms());
    snprintf(key, sizeof key, "%s/_check/%s", bucket, id);
    enum store_result r = store_swap(s, key, "1", 1, "", etag, e);
    if (r == STORE_MISSING)
        return plain_wrong(bucket, "does not exist: make it with `guac-recorder bucket`", r, e);
    if (r != STORE_OK)
        return plain_wrong(bucket, "cannot be written to (its identity needs Write there)", r, e);
    r = store_swap(s, key, "2", 1, "", other, e);
    if (r == STORE_EXISTS)
        r = store_swap(s, key, "2", 1, etag, other, e) == STORE_OK &&
                    store_swap(s, key, "3", 1, etag, other, e) == STORE_EXISTS
                ? STORE_OK
                : STORE_REFUSED;
    else
        r = STORE_REFUSED;
    if (r != STORE_OK)
        return plain_wrong(bucket, "does not respect If-Match and If-None-Match", r, e);
    r = store_get(s, key, NULL, &there, &meta, e);
    if (r != STORE_OK || there.len != 1 || *there.data != '2')
        return plain_wrong(bucket, "cannot be read (its identity needs Read there)", r, e);
    if (*meta.version) {
        err_set(e, 0, "what moves would leave every version behind");
        return plain_wrong(bucket, "is versioned", STORE_REFUSED, e);
    }
    r = store_remove(s, key, e);
    if (r != STORE_OK)
        return plain_wrong(bucket, "does not let the recorder remove what it wrote", r, e);
    *e = (struct err){ 0 };
    return STORE_OK;
}
