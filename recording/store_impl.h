/* Between store.c and the two kinds of store. */
#ifndef GUAC_RECORDING_STORE_IMPL_H
#define GUAC_RECORDING_STORE_IMPL_H

#include "guacd/base/http.h"
#include "guacd/base/secret.h"
#include "recording/store.h"

struct store_ops {
    enum store_result (*put)(struct store *s, const char *key, const void *data, size_t len,
                             const uint8_t sha256[32], uint64_t retain_until_ms,
                             struct store_meta *meta, struct err *e);
    /* offset and len 0: the whole */
    enum store_result (*get)(struct store *s, const char *key, const char *version, uint64_t offset,
                             size_t len, struct buf *out, struct store_meta *meta, struct err *e);
    enum store_result (*head)(struct store *s, const char *key, const char *version,
                              struct store_meta *meta, struct err *e);
    enum store_result (*list)(struct store *s, const char *folder,
                              int (*fn)(void *arg, const struct store_entry *entry), void *arg,
                              struct err *e);
    enum store_result (*swap)(struct store *s, const char *key, const void *data, size_t len,
                              const char *etag, char fresh[STORE_ETAG_SIZE], struct err *e);
    enum store_result (*remove)(struct store *s, const char *key, struct err *e);
    enum store_result (*hold)(struct store *s, const char *key, const char *version, bool on,
                              struct err *e);
    enum store_result (*clock)(struct store *s, const char *bucket, int64_t *offset_ms,
                               struct err *e);
    enum store_result (*check)(struct store *s, const char *bucket, struct err *e);
    enum store_result (*bucket)(struct store *s, const char *bucket, int retention_days,
                                void (*say)(const char *text), struct err *e);
    enum store_result (*plain)(struct store *s, const char *bucket, void (*say)(const char *text),
                               struct err *e); /* make it */
};
extern const struct store_ops store_folder_ops, store_s3_ops;

struct store_target {
    const struct store_ops *ops;
    char *folder;      /* folder: */
    char *base, *host; /* s3: "https://host:port", "host:port" as it is signed */
    uint16_t port;
    bool named; /* the host is no address */
    char *region, *ca_file;
    struct secret access_key, secret_key;
};

struct store {
    const struct store_target *target;
    int timeout_ms;
    int root;          /* folder: its descriptor */
    struct http *http; /* s3 */
};

/* store_s3.c's request, for store_bucket.c too. */
struct s3_call {
    const char *method, *key; /* "bucket" or "bucket/path" */
    const struct s3_param {
        const char *name, *value;
    } * query, *headers; /* headers in lower case; each NULL or ended by {NULL} */
    const void *body;
    size_t body_len;
    const uint8_t *sha256; /* of the body; NULL: computed */
    size_t max_body;       /* of the answer */
    struct buf *into;      /* where the body of a good answer goes, instead of rs */
};
/* STORE_OK when an answer came; its status is judged by the caller. `into` is unchanged else. */
enum store_result s3_do(struct store *s, const struct s3_call *call, struct http_response *rs,
                        struct err *e);
/* 2xx: OK; 404 MISSING; 412 and 409 EXISTS; 5xx, 408 and 429 AWAY; else REFUSED; with the answer's
 * own words in e. */
enum store_result s3_judge(const char *what, const char *key, struct http_response *rs,
                           struct err *e);
/* A request whose answer matters only by its result. */
enum store_result s3_ask(struct store *s, const struct s3_call *call, struct err *e);
enum store_result store_s3_check(struct store *s, const char *bucket, struct err *e);
enum store_result store_s3_bucket(struct store *s, const char *bucket, int retention_days,
                                  void (*say)(const char *text), struct err *e);

enum store_result store_s3_plain(struct store *s, const char *bucket, void (*say)(const char *text),
                                 struct err *e);

#endif
