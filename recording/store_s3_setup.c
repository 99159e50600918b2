/* Whether a bucket keeps what evidence needs, found out by doing it; and making it so. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/name.h"
#include "recording/store_impl.h"

#define CHECK_RETENTION_MS 60000 /* of the object a check leaves behind */
#define SID "GuacamoleNobodyDeletes"

static enum store_result wrong(struct err *e, const char *bucket, const char *what) {
    char said[ERR_TEXT_MAX];
    snprintf(said, sizeof said, "%s", e->text);
    err_set(e, 0, "store: bucket %s %s%s%s%s", bucket, what, *said ? " (" : "", said,
            *said ? ")" : "");
    return STORE_REFUSED;
}

static enum store_result get_config(struct store *s, const char *bucket, const char *what,
                                    struct buf *out, struct err *e) {
    const struct s3_param query[] = { { what, "" }, { NULL, NULL } };
    const struct s3_call call = {
        .method = "GET", .key = bucket, .query = query, .into = out, .max_body = out->max
    };
    return s3_ask(s, &call, e);
}

static enum store_result put_config(struct store *s, const char *bucket, const char *what,
                                    const char *text, struct err *e) {
    const struct s3_param query[] = { { what, "" }, { NULL, NULL } };
    const struct s3_call call = {
        .method = "PUT", .key = bucket, .query = query, .body = text, .body_len = strlen(text)
    };
    return s3_ask(s, &call, e);
}

/* ---- check ---------------------------------------------------------------------------------- */

static enum store_result explain_put(struct store *s, const char *bucket, enum store_result r,
                                     struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 65536);
    if (r == STORE_MISSING)
        return wrong(e, bucket, "does not exist: make it with `guac-recorder bucket`");
    if (r == STORE_AWAY)
        return err_prefix(e, "store: bucket %s cannot be written to", bucket), r;
    if (get_config(s, bucket, "object-lock", &b, NULL) == STORE_MISSING)
        return wrong(e, bucket,
                     "has no object lock, which can be had only when a bucket is made: "
                     "use a new one and `guac-recorder bucket`");
    return wrong(e, bucket,
                 "refuses to store an object under COMPLIANCE retention: the recorder's "
                 "identity needs Write and PutObjectRetention there");
}

/* A PUT whose checksum is wrong must not be taken. */
static enum store_result check_sum(struct store *s, const char *bucket, const char *key,
                                   uint64_t until, struct err *e) {
    char name[NAME_KEY_SIZE];
    uint8_t zero[32] = { 0 };
    snprintf(name, sizeof name, "%s-sum", key);
    enum store_result r = store_put(s, name, "x", 1, zero, until, NULL, e);
    if (r == STORE_OK)
        return wrong(e, bucket, "takes objects whose checksum is wrong");
    return r == STORE_AWAY ? r : STORE_OK;
}

static enum store_result check_delete(struct store *s, const char *bucket, const char *key,
                                      struct err *e) {
    const struct s3_call call = { .method = "DELETE", .key = key };
    enum store_result r = s3_ask(s, &call, e);
    if (r == STORE_OK)
        return wrong(e, bucket,
                     "lets the recorder delete: `guac-recorder bucket` sets the policy "
                     "that denies s3:DeleteObject*");
    return r == STORE_AWAY ? r : STORE_OK;
}

enum store_result store_s3_check(struct store *s, const char *bucket, struct err *e) {
    char id[UUID_LEN + 1], key[NAME_KEY_SIZE - 8];
    uint8_t sum[32];
    struct store_meta meta, seen;
    uint64_t until = clock_wall_ms() + CHECK_RETENTION_MS;
    uuid_v7(id, clock_wall_ms());
    snprintf(key, sizeof key, "%s/_check/%s", bucket, id);
    sha256(id, UUID_LEN, sum);
    enum store_result r = store_put(s, key, id, UUID_LEN, sum, until, &meta, e);
    if (r != STORE_OK)
        return explain_put(s, bucket, r, e);
    if (!*meta.version)
        return wrong(e, bucket, "is not versioned");
    sha256("other", 5, sum);
    r = store_put(s, key, "other", 5, sum, until, NULL, e);
    e->text[0] = '\0';
    if (r == STORE_OK)
        return wrong(e, bucket, "does not respect If-None-Match");
    if (r == STORE_EXISTS)
        r = store_head(s, key, meta.version, &seen, e);
    if (r != STORE_OK)
        return r == STORE_AWAY ? r
                               : wrong(e, bucket,
                                       "does not let the recorder read what it wrote: "
                                       "its identity needs Read there");
    if (seen.retain_until_ms && seen.retain_until_ms < until / 1000 * 1000)
        return wrong(e, bucket, "did not keep the retention it was told");
    r = check_sum(s, bucket, key, until, e);
    if (r == STORE_OK)
        r = check_delete(s, bucket, key, e);
    if (r == STORE_OK)
        *e = (struct err){ 0 };
    return r;
}

/* ---- bucket --------------------------------------------------------------------------------- */

static enum store_result make(struct store *s, const char *bucket, void (*say)(const char *text),
                              struct err *e) {
    const struct s3_param headers[] = { { "x-amz-bucket-object-lock-enabled", "true" },
                                        { NULL, NULL } };
    const struct s3_call call = { .method = "PUT", .key = bucket, .headers = headers };
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 65536);
    enum store_result r = s3_ask(s, &call, e);
    if (r == STORE_OK)
        say("made, with object lock");
    if (r != STORE_EXISTS)
        return r;
    r = get_config(s, bucket, "object-lock", &b, e);
    e->text[0] = '\0';
    if (r == STORE_MISSING)
        return wrong(e, bucket,
                     "exists without object lock, which can be had only when a bucket "
                     "is made: choose another name");
    if (r == STORE_OK)
        say("exists, with object lock");
    return r;
}

/* Our statement is added to a policy that is there; what others wrote stays. */
static enum store_result deny_delete(struct store *s, const char *bucket,
                                     void (*say)(const char *text), struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 65536);
    enum store_result r = get_config(s, bucket, "policy", &b, e);
    if (r != STORE_OK && r != STORE_MISSING)
        return r;
    _json_ json_t *policy = r == STORE_OK
                                ? json_parse(buf_str(&b), b.len, b.max, e)
                                : json_pack("{s:s, s:[]}", "Version", "2012-10-17", "Statement");
    json_t *statements = json_object_get(policy, "Statement"), *one;
    size_t i;
    if (!json_is_array(statements))
        return wrong(e, bucket, "has a policy that cannot be read");
    json_array_foreach(statements, i, one) if (strcmp(json_str(one, "Sid", ""), SID) == 0) {
        say("deletion is denied to everybody already");
        return STORE_OK;
    }
    char resource[160];
    snprintf(resource, sizeof resource, "arn:aws:s3:::%s/*", bucket);
    json_array_append_new(statements,
                          json_pack("{s:s, s:s, s:s, s:[s, s], s:s}", "Sid", SID, "Effect", "Deny",
                                    "Principal", "*", "Action", "s3:DeleteObject",
                                    "s3:DeleteObjectVersion", "Resource", resource));
    buf_clear(&b);
    if (json_write(policy, &b) < 0)
        return wrong(e, bucket, "has a policy that is too large");
    r = put_config(s, bucket, "policy", buf_str(&b), e);
    if (r == STORE_OK)
        say("deletion is denied to everybody now");
    return r;
}

enum store_result store_s3_bucket(struct store *s, const char *bucket, int retention_days,
                                  void (*say)(const char *text), struct err *e) {
    enum store_result r = make(s, bucket, say, e);
    if (r == STORE_OK)
        r = put_config(s, bucket, "versioning",
                       "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                       "<Status>Enabled</Status></VersioningConfiguration>",
                       e);
    if (r != STORE_OK)
        return r;
    say("versioned");
    char text[512];
    snprintf(text, sizeof text,
             "<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
             "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
             "<Mode>COMPLIANCE</Mode><Days>%d</Days></DefaultRetention></Rule>"
             "</ObjectLockConfiguration>",
             retention_days);
    r = put_config(s, bucket, "object-lock", text, e);
    if (r != STORE_OK)
        return r;
    snprintf(text, sizeof text, "what comes without a retention of its own is kept %d day%s",
             retention_days, retention_days == 1 ? "" : "s");
    say(text);
    return deny_delete(s, bucket, say, e);
}

enum store_result store_s3_plain(struct store *s, const char *bucket, void (*say)(const char *text),
                                 struct err *e) {
    const struct s3_call call = { .method = "PUT", .key = bucket };
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 65536);
    enum store_result r = s3_ask(s, &call, e);
    if (r == STORE_OK)
        say("made, plain");
    if (r != STORE_EXISTS)
        return r;
    if (get_config(s, bucket, "object-lock", &b, NULL) == STORE_OK)
        return wrong(e, bucket, "has object lock, but what moves cannot lie under lock");
    *e = (struct err){ 0 };
    say("exists, plain");
    return STORE_OK;
}
