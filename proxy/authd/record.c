/* Statements are recording/statement.h's; here is what this gateway puts into them. */
#include "proxy/authd/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/proto/status.h"
#include "proxy/authd/evidence_log.h"
#include "proxy/authd/share.h"
#include "proxy/authd/stats.h"
#include "proxy/authd/text.h"
#include "recording/dsse.h"
#include "recording/name.h"
#include "recording/statement.h"

#define NEW_MS 10000
#define OPEN_MS 20000
#define DAY_MS 86400000LL
#define OPENED_MAX 20000
#define SEALED_MAX 4096 /* remembered, since the recorder asks again until it has its seal */

/* What this process opened and has not sealed; and what it sealed last. */
struct opened {
    pthread_mutex_t lock;
    json_t *records; /* id -> {prefix, sub, name, connection, protocol} */
    char sealed[SEALED_MAX][UUID_LEN + 1];
    size_t next;
};

struct opened *opened_new(void) {
    struct opened *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    pthread_mutex_init(&o->lock, NULL);
    o->records = json_object();
    return o;
}

void opened_free(struct opened *o) {
    if (!o)
        return;
    pthread_mutex_destroy(&o->lock);
    json_decref(o->records);
    free(o);
}

static void remember(struct opened *o, const struct record_want *w, const char *prefix) {
    char name[400];
    snprintf(name, sizeof name, "%s/%s", w->connection->namespace, w->connection->name);
    json_t *record =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "prefix", prefix, "sub", w->who->sub, "name",
                  w->who->name, "connection", name, "protocol", w->connection->protocol->name);
    pthread_mutex_lock(&o->lock);
    if (json_object_size(o->records) < OPENED_MAX)
        json_object_set_new(o->records, w->session, record);
    else
        json_decref(record);
    pthread_mutex_unlock(&o->lock);
}

/* A new reference, or NULL: opened by an earlier life of this program, or by another replica. */
static json_t *recall(struct opened *o, const char *id) {
    pthread_mutex_lock(&o->lock);
    json_t *record = json_incref(json_object_get(o->records, id));
    pthread_mutex_unlock(&o->lock);
    return record;
}

/* True the first time. */
static bool note_sealed(struct opened *o, const char *id) {
    bool first = true;
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; first && i < SEALED_MAX; i++)
        first = strcmp(o->sealed[i], id) != 0;
    if (first)
        snprintf(o->sealed[o->next++ % SEALED_MAX], UUID_LEN + 1, "%s", id);
    pthread_mutex_unlock(&o->lock);
    return first;
}

/* ---- open ------------------------------------------------------------------------------------ */

static void prefix_of(const struct record_want *w, char *out, size_t size) {
    time_t s = (time_t)(w->start / 1000);
    struct tm t;
    gmtime_r(&s, &t);
    snprintf(out, size, "%s/%s/%s/%04d/%02d/%02d/%s", w->connection->recording.bucket,
             w->connection->namespace, w->connection->name, t.tm_year + 1900, t.tm_mon + 1,
             t.tm_mday, w->session);
}

/* The longest it may run (a day where nothing says), then as long as the connection keeps it. */
static int64_t retain_until(const struct record_want *w) {
    int64_t longest = w->decision->max_minutes ? w->decision->max_minutes * 60000LL : DAY_MS;
    return w->start + longest + w->connection->recording.retention_days * DAY_MS;
}

static json_t *ask_key(struct authd *a, const struct record_want *w, const char *prefix,
                       struct err *e) {
    json_t *msg =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:b}", "op", "new", "id", w->session, "prefix",
                  prefix, "start", (json_int_t)w->start, "retainUntil", (json_int_t)retain_until(w),
                  "keys", connection_keys_name(w->connection->recording.keys), "events",
                  !w->connection->recording.enabled);
    json_t *answer = recorder_call(a->recorder, msg, NEW_MS, NULL, e);
    if (answer) {
        int64_t offset = json_num(answer, "clockOffsetMs", 0);
        atomic_store(&a->clock_offset_ms, offset);
        atomic_store(&a->clock_offset_at, (int64_t)clock_ms());
        metric_set(&stats_clock_offset_ms, offset);
    }
    return answer;
}

static json_t *envelope_of(struct authd *a, const struct record_want *w, const char *prefix,
                           const json_t *key, struct err *e) {
    const struct connection *c = w->connection;
    struct open_record r = {
        .session = w->session,
        .prefix = prefix,
        .start = w->start,
        .retain_until = retain_until(w),
        .clock_offset_ms = json_num(key, "clockOffsetMs", 0),
        .sub = w->who->sub,
        .person_name = w->who->name,
        .acr = w->who->acr,
        .id_token_sha256 = w->who->id_token_sha256,
        .roles = w->who->roles,
        .namespace = c->namespace,
        .connection = c->name,
        .uid = c->uid,
        .resource_version = c->version,
        .spec_sha256 = c->spec_sha256,
        .protocol = c->protocol->name,
        .target = w->target,
        .recording_enabled = c->recording.enabled,
        .keys = connection_keys_name(c->recording.keys),
        .retention_days = c->recording.retention_days,
        .session_public_key = json_need(key, "publicKey", e),
        .gateway = a->conf.gateway_name,
        .gateway_version = guac_version,
    };
    _json_ json_t *statement = r.session_public_key ? open_statement(&r, a->key, e) : NULL;
    return statement ? dsse_sign(statement, a->key, e) : NULL;
}

int record_open(struct authd *a, const struct record_want *w, int *tap, struct err *e) {
    char prefix[NAME_KEY_SIZE];
    int fd = -1;
    prefix_of(w, prefix, sizeof prefix);
    _json_ json_t *key = ask_key(a, w, prefix, e);
    if (!key)
        return err_prefix(e, "the session cannot be recorded");
    if (llabs(json_num(key, "clockOffsetMs", 0)) > POLICY_CLOCK_MS) {
        record_drop(a, w->session);
        return err_set(e, STATUS_SERVER_ERROR,
                       "the gateway's clock is %lld seconds away from the recording store's",
                       (long long)(json_num(key, "clockOffsetMs", 0) / 1000));
    }
    json_t *envelope = envelope_of(a, w, prefix, key, e);
    if (!envelope) {
        record_drop(a, w->session);
        return err_prefix(e, "the open record cannot be signed");
    }
    remember(a->opened, w, prefix);
    _json_ json_t *answer = recorder_call(
        a->recorder,
        json_pack("{s:s, s:s, s:o}", "op", "open", "id", w->session, "envelope", envelope), OPEN_MS,
        &fd, e);
    if (answer && fd >= 0) {
        evidence_log_tell(a, w->session, "open", answer);
        *tap = fd;
        return 0;
    }
    if (answer)
        err_set(e, STATUS_SERVER_ERROR, "the recorder gave no tap");
    record_drop(a, w->session);
    return err_prefix(e, "the session cannot be recorded");
}

void record_drop(struct authd *a, const char *session) {
    struct err e = { 0 };
    json_t *answer = recorder_call(
        a->recorder, json_pack("{s:s, s:s}", "op", "drop", "id", session), NEW_MS, NULL, &e);
    if (!answer)
        log_info("session %s: the recorder did not drop it: %s", session, e.text);
    json_decref(answer);
}

/* ---- seal ------------------------------------------------------------------------------------ */

/* A session this process did not open: its place must at least be one that it can have had. */
static int plausible(const char *id, const char *prefix, struct err *e) {
    struct name_prefix p;
    if (!name_prefix_parse(prefix, &p) || strcmp(p.session, id) != 0 || uuid_v7_ms(id) == 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "its prefix is not that of session %s", id);
    return 0;
}

static void tell_end(struct authd *a, const char *id, const json_t *record, const json_t *seal) {
    char text[512];
    int64_t start = json_num(seal, "start", 0), end = json_num(seal, "end", start);
    const char *state = json_str(seal, "state", "");
    struct identity *who = NULL;
    _json_ json_t *roles = json_array();
    if (strcmp(state, "refused") != 0)
        metric_observe(&stats_session_duration, (double)MAX_OF(end - start, 0) / 1000);
    if (record)
        who = identity_new(json_str(record, "sub", ""), id, json_str(record, "name", ""), roles);
    snprintf(text, sizeof text, "%s after %lld s: %.300s", state,
             (long long)(MAX_OF(end - start, 0) / 1000), json_str(seal, "reason", ""));
    text_clean(text);
    share_ended(a->share, id, text);
    struct audit_event ev = {
        .kind = AUDIT_SESSION_END,
        .success = strcmp(state, "closed") == 0,
        .session = id,
        .who = who,
        .message = text,
        .detail =
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "prefix", json_str(seal, "prefix", ""),
                      "state", state, "reason", json_str(seal, "reason", ""), "startedMs",
                      (json_int_t)start, "endedMs", (json_int_t)end, "root",
                      json_str(seal, "root", ""), "connection", json_str(record, "connection", "")),
    };
    audit_write(a->audit, &ev);
    identity_free(who);
}

static json_t *seal(struct authd *a, const json_t *msg, struct err *e) {
    const char *id = json_need(msg, "id", e), *prefix = json_need(msg, "prefix", e);
    const json_t *predicate = json_object_get(msg, "predicate");
    if (!id || !prefix || !uuid_valid(id, strlen(id))) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "`ended` without id or prefix");
        return NULL;
    }
    _json_ json_t *record = recall(a->opened, id);
    if (record)
        prefix = json_str(record, "prefix", prefix);
    else if (plausible(id, prefix, e))
        return NULL;
    _json_ json_t *statement = seal_statement(predicate, id, prefix, a->key, e);
    json_t *envelope = statement ? dsse_sign(statement, a->key, e) : NULL;
    if (!envelope)
        return NULL;
    metric_add(&stats_seals_signed, 1);
    if (note_sealed(a->opened, id))
        tell_end(a, id, record, predicate);
    pthread_mutex_lock(&a->opened->lock);
    json_object_del(a->opened->records, id);
    pthread_mutex_unlock(&a->opened->lock);
    return json_pack("{s:s, s:s, s:o}", "op", "seal", "id", id, "envelope", envelope);
}

json_t *record_on_message(void *arg, const json_t *msg) {
    struct authd *a = arg;
    struct err e = { 0 };
    const char *op = json_str(msg, "op", "");
    if (strcmp(op, "checkpoint") == 0)
        return evidence_log_sign(a, msg);
    if (strcmp(op, "logged") == 0) {
        const char *id = json_str(msg, "id", "");
        if (uuid_valid(id, strlen(id)))
            evidence_log_tell(a, id, json_str(msg, "kind", ""), msg);
        return NULL;
    }
    if (strcmp(op, "ended") != 0) {
        log_warning("the recorder says '%.32s', which is not known here", op);
        return NULL;
    }
    json_t *answer = seal(a, msg, &e);
    if (!answer)
        log_error("session %.36s: its seal is not signed: %s", json_str(msg, "id", "?"), e.text);
    return answer;
}
