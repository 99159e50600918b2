/* The beginning: a key, the open record in the spool and in the store, then the tap. Whatever may
 * have been stored is sealed in the end, also when authd was told no. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/alive.h"
#include "recording/recorder/session_impl.h"
#include "recording/recorder/watch.h"

#define CLOCK_LIMIT_MS 60000

/* ---- new ------------------------------------------------------------------------------------ */

static int may_begin(const struct recorder *r, const char *id, struct err *e) {
    if (r->store_away)
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "recordings cannot be stored now: %s",
                       r->store_why);
    if (logger_trouble(r->logger))
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "the log cannot be written now: %s",
                       logger_trouble(r->logger));
    if (r->clock_offset_ms > CLOCK_LIMIT_MS || r->clock_offset_ms < -CLOCK_LIMIT_MS)
        return err_set(e, STATUS_SERVER_ERROR,
                       "this machine's clock and the store's differ by %lld ms",
                       (long long)r->clock_offset_ms);
    if (r->stopping)
        return err_set(e, STATUS_SERVER_BUSY, "the recorder is being stopped");
    if (r->session_count >= (size_t)r->config->max_sessions)
        return err_set(e, STATUS_SERVER_BUSY, "%zu sessions are being recorded, the most allowed",
                       r->session_count);
    if (session_find(r, id))
        return err_set(e, STATUS_RESOURCE_CONFLICT, "session %s is there already", id);
    return 0;
}

struct session *session_new(struct recorder *r, const json_t *msg, struct err *e) {
    const char *id = json_str(msg, "id", ""), *prefix = json_str(msg, "prefix", ""),
               *keys = json_str(msg, "keys", "");
    int64_t start = json_num(msg, "start", 0), retain = json_num(msg, "retainUntil", 0);
    struct name_prefix p;
    if (!uuid_valid(id, strlen(id)) || !name_prefix_parse(prefix, &p) ||
        strcmp(p.session, id) != 0 || start <= 0 || retain <= start ||
        (strcmp(keys, "full") != 0 && strcmp(keys, "masked") != 0 && strcmp(keys, "off") != 0)) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST,
                "new: id, prefix, start, retainUntil or keys is "
                "missing or malformed");
        return NULL;
    }
    if (may_begin(r, id, e) < 0)
        return NULL;
    struct session *s = session_alloc(r, id);
    if (!s) {
        err_set(e, STATUS_SERVER_BUSY, "no memory for a session");
        return NULL;
    }
    snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
    snprintf(s->keys, sizeof s->keys, "%s", keys);
    s->start = (uint64_t)start;
    s->retain_until = (uint64_t)retain;
    s->key = sign_key_generate(e);
    if (!s->key || session_add_spool(s) < 0) {
        session_gone(s);
        return NULL;
    }
    loop_timer_set(s->retry_timer, (uint64_t)NEW_LIFE_MS * 1000);
    return s;
}

/* ---- open ----------------------------------------------------------------------------------- */

/* The record must be about this very session, and its signature good in itself; whose key it is,
 * readers decide. */
static int check(const struct session *s, const json_t *envelope, struct err *e) {
    struct dsse d = { 0 };
    struct open_record r;
    _json_ json_t *statement = NULL;
    _sign_key_ struct sign_key *signer = NULL;
    int result = dsse_read(envelope, &d, e);
    if (result == 0)
        statement = dsse_statement(&d, e);
    if (result == 0)
        result = statement ? open_read(statement, &r, e) : -1;
    if (result == 0 && (strcmp(r.session, s->id) != 0 || strcmp(r.prefix, s->prefix) != 0 ||
                        (uint64_t)r.start != s->start || strcmp(r.keys, s->keys) != 0 ||
                        (uint64_t)r.retain_until != s->retain_until ||
                        strcmp(r.session_public_key, sign_key_public_base64(s->key)) != 0))
        result = err_set(e, STATUS_CLIENT_BAD_REQUEST, "the open record is of another session");
    if (result == 0) {
        signer = sign_key_from_base64(r.gateway_public_key, e);
        result = signer ? dsse_verify(&d, signer, e) : -1;
        if (result == 0)
            logger_key(s->r->logger, r.gateway_public_key);
    }
    dsse_fini(&d);
    return result < 0 ? err_prefix(e, "open") : 0;
}

int session_open(struct session *s, const json_t *envelope, session_opened *opened, void *arg,
                 struct err *e) {
    if (s->state != S_NEW)
        return err_set(e, STATUS_RESOURCE_CONFLICT, "session %s is open already", s->id);
    if (check(s, envelope, e) < 0)
        return -1;
    s->log_from = logger_size(s->r->logger);
    if (json_write(envelope, &s->envelope) < 0)
        return err_set(e, STATUS_CLIENT_OVERRUN, "open: the envelope is too large");
    s->state = S_OPENING;
    if (session_write_state(s) < 0) {
        session_gone(s);
        return err_set(e, STATUS_SERVER_BUSY, "open: no memory");
    }
    s->opened = opened;
    s->opened_arg = arg;
    alive_due(s->r->alive);
    /* A disk that hangs or is full must not make authd wait for ever. */
    loop_timer_set(s->retry_timer, (uint64_t)s->r->config->put_timeout_ms * 1000);
    return 0;
}

static void answer(struct session *s, int fd, const struct err *e) {
    session_opened *opened = s->opened;
    s->opened = NULL;
    if (opened)
        opened(s->opened_arg, s, fd, e);
    if (fd >= 0)
        close(fd);
}

static void begin(struct session *s) {
    int pair[2];
    struct err e = { 0 };
    bool wanted = s->opened && !s->in_doubt;
    s->state = S_LIVE;
    s->retry_ms = 0;
    loop_timer_stop(s->retry_timer);
    sha256_hex(s->envelope.data, s->envelope.len, s->open_sha256);
    s->open_size = s->envelope.len;
    for (int k = 0; k < CHAIN_KINDS; k++)
        memcpy(s->chains[k].prev, s->open_sha256, HASH_HEX);
    buf_fini(&s->envelope);
    if (s->resumed) { /* authd may have got its answer: whoever has the tap is asked */
        s->reconnect_until_ms = clock_ms() + RECONNECT_MS;
        session_write_state(s);
        session_reconnect(s);
        return;
    }
    if (!wanted) {
        session_finish(s, "refused", STATUS_SERVER_ERROR,
                       s->in_doubt ? "the open record was not stored in time"
                                   : "the gateway was gone before the session began");
        return;
    }
    if (session_write_state(s) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        session_tap_attach(s, pair[0]) < 0) {
        err_errno(&e, STATUS_SERVER_BUSY, "no tap");
        answer(s, -1, &e);
        session_finish(s, "refused", STATUS_SERVER_ERROR, "the recorder had no tap to give");
        return;
    }
    log_info("session %s: recording to %s", s->id, s->prefix);
    answer(s, pair[1], NULL);
}

static void stored(struct job *j) {
    struct errand *t = (struct errand *)j;
    struct session *s = t->s;
    t->running = false;
    watch_result(s->r, t->result, t->err.text);
    if (!session_release(s))
        return;
    if (t->result == STORE_OK) {
        metric_observe(&s->r->metrics.put_seconds, (double)(clock_us() - t->put_us) / 1e6);
        memcpy(s->open_version, t->meta.version, sizeof s->open_version);
        if (s->opened) /* no place in the log in time is no session */
            loop_timer_set(s->retry_timer, (uint64_t)s->r->config->put_timeout_ms * 1000);
        session_log_open(s);
        return;
    }
    metric_add(&s->r->metrics.put_failures, 1);
    if (s->opened)
        metric_add(&s->r->metrics.opens_failed, 1);
    err_prefix(&t->err, "the open record could not be stored");
    if (!s->in_doubt)
        log_error("session %s: %s", s->id, t->err.text);
    answer(s, -1, &t->err);
    /* What was refused, or lost its name to another one, is not there. A time-out may be. */
    if (t->result == STORE_EXISTS || (t->result != STORE_AWAY && !s->in_doubt)) {
        spool_remove(s->spool);
        session_gone(s);
        return;
    }
    s->in_doubt = true;
    session_retry(s);
}

static void put(struct job *j, struct worker *w) {
    struct errand *t = (struct errand *)j;
    struct session *s = t->s;
    char key[NAME_KEY_SIZE];
    uint8_t sum[32];
    session_key_of(s, NAME_OPEN_OBJECT, key);
    sha256(s->envelope.data, s->envelope.len, sum);
    t->result = alive_late(s->r, &t->err);
    if (t->result != STORE_OK)
        return;
    t->result = store_put(w->store, key, s->envelope.data, s->envelope.len, sum, s->retain_until,
                          &t->meta, &t->err);
}

void session_opened_in_log(struct session *s) {
    begin(s);
}

void session_open_put(struct session *s) {
    struct err e = { 0 };
    if (s->logging && s->opened && !s->errand.running) {
        const char *why = logger_trouble(s->r->logger);
        s->in_doubt = true;
        metric_add(&s->r->metrics.opens_failed, 1);
        err_set(&e, STATUS_UPSTREAM_UNAVAILABLE,
                "the open record could not be written to the log%s%s", why ? ": " : " in time",
                why ? why : "");
        answer(s, -1, &e);
    }
    if (s->errand.running || s->logging)
        return;
    if (s->state_file) {
        /* Not even in the spool: nothing was sent to the store, and nothing will be. */
        err_set(&e, STATUS_SERVER_ERROR, "the open record could not be written to the spool");
        answer(s, -1, &e);
        spool_remove(s->spool);
        session_gone(s);
        return;
    }
    if (!s->mine && s->resumed) {
        session_retry(s);
        return;
    }
    if (!s->mine) { /* nothing was stored of it either */
        err_set(&e, STATUS_UPSTREAM_UNAVAILABLE,
                "the store could not be told in time that a session begins");
        metric_add(&s->r->metrics.opens_failed, 1);
        answer(s, -1, &e);
        spool_remove(s->spool);
        session_gone(s);
        return;
    }
    session_submit(s, put, stored);
}

void session_drop(struct session *s) {
    if (s->state == S_NEW)
        session_gone(s);
    else if (s->state == S_OPENING)
        s->opened = NULL; /* sealed as refused as soon as it is stored */
    else if (s->state == S_LIVE)
        session_finish(s, "refused", STATUS_UPSTREAM_ERROR, "the session never began");
}
