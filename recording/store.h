/* Where recordings lie: one interface, two kinds. Objects are written once, under retention, and
 * never changed or removed here. A key is `<bucket>/<path>`.
 *
 *   folder:/PATH         keys are files below PATH, mode 0440; `.retain` in each folder notes until
 *                        when its objects must be kept (nothing enforces it: the folder's owner can
 *                        delete files; what a lock would hold, only a locked bucket holds)
 *   s3:https://HOST:PORT path-style S3, versioned buckets with object lock (COMPLIANCE)
 *
 * A struct store belongs to one thread; its target is shared and immutable. */
#ifndef GUAC_RECORDING_STORE_H
#define GUAC_RECORDING_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/conf.h"
#include "guacd/base/err.h"

/* Configuration, and its rows for a program's conf_table: STORE_CONF_ROWS(struct config, store) */
struct store_config {
    char *url, *region, *access_key_file, *secret_key_file, *ca_file;
};
#define STORE_CONF_ROWS(type, member) \
    { "store", \
      CONF_STRING, \
      offsetof(type, member.url), \
      NULL, \
      0, \
      0, \
      0, \
      "Where recordings lie: folder:/PATH or s3:https://HOST:PORT" }, \
        { "region", CONF_STRING, offsetof(type, member.region),           "us-east-1", 0, \
          0,        0,           "Region that S3 requests are signed for" }, \
        { "access-key-file", \
          CONF_SECRET_FILE, \
          offsetof(type, member.access_key_file), \
          "", \
          0, \
          0, \
          0, \
          "File with the S3 access key" }, \
        { "secret-key-file", \
          CONF_SECRET_FILE, \
          offsetof(type, member.secret_key_file), \
          "", \
          0, \
          0, \
          0, \
          "File with the S3 secret key" }, \
    { \
        "ca-file", CONF_PATH, offsetof(type, member.ca_file), "", 0, 0, 0, \
            "Certificates that the store's TLS is checked against (default: the system's)" \
    }
#define STORE_CONF_COUNT 5

enum store_result {
    STORE_OK = 0,
    STORE_EXISTS,  /* another object of that name is there: nothing was written */
    STORE_MISSING, /* no such object */
    STORE_REFUSED, /* the store says no, and will say no again (rights, lock, checksum) */
    STORE_AWAY,    /* time-out, unreachable, full, error 5xx: try again; a PUT may have landed */
};

#define STORE_VERSION_SIZE 160
#define STORE_ETAG_SIZE 80
struct store_meta {
    uint64_t size;
    char version[STORE_VERSION_SIZE]; /* VersionId, "": none */
    uint64_t retain_until_ms;         /* 0: none, or not allowed to see it */
    char etag[STORE_ETAG_SIZE];       /* of the bytes read; "": not told */
    uint64_t modified_ms, now_ms;     /* by the store's own clock, whole seconds; 0: not told */
};

struct store_target; /* parsed URL, credentials in memory */
struct store_target *store_target_new(const struct store_config *c, struct err *e);
void store_target_free(struct store_target *t);
/* For the sandbox: the folder (NULL for S3) or the port (0 for a folder), and whether its host is a
 * name to be resolved. */
bool store_target_named(const struct store_target *t);
const char *store_target_folder(const struct store_target *t);
uint16_t store_target_port(const struct store_target *t);

struct store;
/* The target must outlive it. */
struct store *store_new(const struct store_target *t, struct err *e);
void store_free(struct store *s);
/* Of each later request; 0: 10 s. What it was before. */
int store_timeout(struct store *s, int ms);

/* One attempt. STORE_OK: it is there for good, under this retention; also when it was there before
 * with the same bytes (an earlier attempt that had timed out). `sha256` of the data. */
enum store_result store_put(struct store *s, const char *key, const void *data, size_t len,
                            const uint8_t sha256[32], uint64_t retain_until_ms,
                            struct store_meta *meta, struct err *e);
/* Appends the whole object (STORE_REFUSED when out->max is too small). version NULL or "": the
 * current one. meta may be NULL. */
enum store_result store_get(struct store *s, const char *key, const char *version, struct buf *out,
                            struct store_meta *meta, struct err *e);
/* Appends at most len bytes from offset; fewer at the object's end. */
enum store_result store_get_range(struct store *s, const char *key, const char *version,
                                  uint64_t offset, size_t len, struct buf *out, struct err *e);
enum store_result store_head(struct store *s, const char *key, const char *version,
                             struct store_meta *meta, struct err *e);

struct store_entry {
    const char *key; /* whole key; of a folder with a slash at its end */
    uint64_t size;   /* of an object */
    bool folder;
};
/* For what moves (plain, unversioned buckets): replaces the object whose etag this is; "": makes it
 * where none is. STORE_EXISTS: somebody else was first (or an earlier attempt that timed out);
 * STORE_MISSING: none is there. *fresh is its new etag. */
enum store_result store_swap(struct store *s, const char *key, const void *data, size_t len,
                             const char *etag, char fresh[STORE_ETAG_SIZE], struct err *e);
/* From such a bucket; gone already is STORE_OK. */
enum store_result store_remove(struct store *s, const char *key, struct err *e);
/* Legal hold on one object (its current version, or `version`), set or cleared. */
enum store_result store_hold(struct store *s, const char *key, const char *version, bool on,
                             struct err *e);
/* What lies directly in `folder` (a key without a slash at its end): objects ascending by bytes,
 * folders too, but their order among each other is the store's. Pages are fetched as they are
 * needed. fn stops it by non-zero, which is no error. A missing folder is empty. "" is the root of
 * a folder store, where the buckets are. */
enum store_result store_list(struct store *s, const char *folder,
                             int (*fn)(void *arg, const struct store_entry *entry), void *arg,
                             struct err *e);

/* The store's clock less ours, in ms (good to about half a second; a folder's is 0). */
enum store_result store_clock(struct store *s, const char *bucket, int64_t *offset_ms,
                              struct err *e);
/* At start, by doing it: writes under `<bucket>/_check/`, and tells the first thing that is wrong:
 * rights, lock, versioning, If-None-Match, checksums; or the folder's. */
enum store_result store_check(struct store *s, const char *bucket, struct err *e);
/* S3, with an administrator's credentials: make the bucket, or make an existing one right; lock at
 * creation, versioning, default retention, Deny s3:DeleteObject*. A folder is only made. Each step
 * is reported to `say`. */
enum store_result store_bucket(struct store *s, const char *bucket, int retention_days,
                               void (*say)(const char *text), struct err *e);

/* The same for a plain bucket, where things move: swapped, removed, never locked or versioned. */
enum store_result store_check_plain(struct store *s, const char *bucket, struct err *e);
enum store_result store_bucket_plain(struct store *s, const char *bucket,
                                     void (*say)(const char *text), struct err *e);

static inline void store_freep(struct store **s) {
    store_free(*s);
}
#define _store_ __attribute__((cleanup(store_freep)))

#endif
