/* The end: all that came is stored, the list of it is stored, authd signs, the seal is stored, the
 * spool forgets. Each step is found again after a restart and done once more with the same result.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "guacd/proto/status.h"
#include "recording/file.h"
#include "recording/recorder/alive.h"
#include "recording/recorder/control.h"
#include "recording/recorder/session_impl.h"
#include "recording/recorder/watch.h"

void session_finish(struct session *s, const char *state, int status, const char *reason) {
    if (s->state != S_LIVE)
        return;
    s->state = S_FLUSHING;
    s->end_state = state;
    s->end.status = status;
    if (reason != s->end.reason)
        snprintf(s->end.reason, sizeof s->end.reason, "%s", reason);
    /* By the session's own clock if it said so; else when we noticed. */
    s->end_ms = s->ended ? s->start + s->last_ms : MAX_OF(clock_wall_ms(), s->start + s->last_ms);
    log_info("session %s: %s (%s)", s->id, state, s->end.reason);
    if (!s->ended)
        session_tap_close(s);
    s->retry_ms = 0;
    session_write_state(s);
    session_cut(s);
    session_check_end(s);
}

void session_spoil(struct session *s, const char *why) {
    log_error("session %s: %s", s->id, why);
    if (s->state == S_LIVE) {
        session_finish(s, "interrupted", STATUS_RESOURCE_CONFLICT, why);
    } else if (s->state == S_FLUSHING) {
        s->end_state = "interrupted";
        s->end.status = STATUS_RESOURCE_CONFLICT;
        snprintf(s->end.reason, sizeof s->end.reason, "%s", why);
        session_write_state(s);
    }
}

/* ---- the list ------------------------------------------------------------------------------- */

static int count_line(struct errand *t, const char *line, size_t len, struct err *e) {
    struct list_entry entry;
    if (list_entry_parse(line, len, &entry, e) < 0)
        return -1;
    struct seal_chain *c = &t->chains[entry.kind];
    c->count++;
    c->raw += (int64_t)entry.raw;
    c->stored += (int64_t)entry.size;
    if (entry.i >= t->last_i[entry.kind]) {
        t->last_i[entry.kind] = entry.i;
        memcpy(t->heads[entry.kind], entry.head, HASH_HEX);
    }
    t->frames += entry.frames;
    t->last_seq = MAX_OF(t->last_seq, entry.seq1);
    t->last_ms = MAX_OF(t->last_ms, entry.t1);
    return 0;
}

int session_count_lines(struct errand *t, const struct buf *lines, struct err *e) {
    t->frames = t->last_seq = t->last_ms = 0;
    for (int k = 0; k < CHAIN_KINDS; k++) {
        t->chains[k] = (struct seal_chain){ 0 };
        t->last_i[k] = 0;
        memcpy(t->heads[k], t->s->open_sha256, HASH_HEX);
    }
    for (const char *p = lines->data, *end = p + lines->len; p && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline || count_line(t, p, (size_t)(newline - p), e) < 0)
            return err_set(e, 0, "the spool's list is damaged");
        p = newline + 1;
    }
    return 0;
}

/* Another version of zstd may have compressed the same lines differently before a restart. */
static enum store_result adopt(struct errand *t, struct store *store, const char *key) {
    struct buf there __attribute__((cleanup(buf_fini)));
    struct buf text __attribute__((cleanup(buf_fini)));
    struct buf mine __attribute__((cleanup(buf_fini)));
    buf_init(&there, LIST_MAX);
    buf_init(&text, LIST_MAX);
    buf_init(&mine, LIST_MAX);
    enum store_result r = store_get(store, key, NULL, &there, &t->meta, &t->err);
    if (r != STORE_OK)
        return r;
    if (list_unpack(there.data, there.len, &text, &t->err) < 0 ||
        list_unpack(t->data.data, t->data.len, &mine, &t->err) < 0 || text.len != mine.len ||
        (text.len && memcmp(text.data, mine.data, text.len) != 0))
        return STORE_EXISTS;
    buf_clear(&t->data);
    return buf_add(&t->data, there.data, there.len) < 0 ? STORE_AWAY : STORE_OK;
}

static void make_list(struct job *j, struct worker *w) {
    struct errand *t = (struct errand *)j;
    struct session *s = t->s;
    struct buf lines __attribute__((cleanup(buf_fini)));
    char name[UUID_LEN + 8], key[NAME_KEY_SIZE];
    uint8_t sum[32];
    buf_init(&lines, LIST_MAX);
    buf_clear(&t->data);
    snprintf(name, sizeof name, "%s.list", s->id);
    t->result = STORE_AWAY;
    if ((file_read_at(spooler_folder(s->r->spooler), name, &lines, &t->err) < 0 &&
         errno != ENOENT) ||
        session_count_lines(t, &lines, &t->err) < 0 ||
        list_pack(lines.data, lines.len, &t->data, t->root, &t->count, &t->err) < 0)
        return;
    sha256(t->data.data, t->data.len, sum);
    session_key_of(s, NAME_LIST_OBJECT, key);
    t->result = alive_late(s->r, &t->err);
    if (t->result != STORE_OK)
        return;
    t->result = store_put(w->store, key, t->data.data, t->data.len, sum, s->retain_until, &t->meta,
                          &t->err);
    if (t->result == STORE_EXISTS)
        t->result = adopt(t, w->store, key);
    if (t->result == STORE_OK)
        sha256_hex(t->data.data, t->data.len, t->sha256);
}

json_t *session_make_predicate(struct session *s, struct err *e) {
    struct errand *t = &s->errand;
    char root[HASH_HEX];
    hex_encode(t->root, sizeof t->root, root);
    struct seal_record r = {
        .session = s->id,
        .prefix = s->prefix,
        .state = s->end_state,
        .reason = s->end.reason,
        .status = s->end.status,
        .start = (int64_t)s->start,
        .end = (int64_t)s->end_ms,
        .clock_offset_ms = s->r->clock_offset_ms,
        .open = { s->open_sha256, s->open_version, (int64_t)s->open_size },
        .list = { t->sha256, t->meta.version, (int64_t)t->data.len },
        .count = (int64_t)t->count,
        .root = root,
        .frames = (int64_t)t->frames,
        .sequence = (int64_t)s->seq,
        .recorder = guac_version,
        .silent_gateway = s->foreign ? s->gateway : NULL,
        .silent_since = (int64_t)s->silent_since,
    };
    for (int k = 0; k < CHAIN_KINDS; k++) {
        r.chains[k] = t->chains[k];
        r.chains[k].head = t->heads[k];
    }
    return seal_predicate(&r, e);
}

static void listed(struct job *j) {
    struct errand *t = (struct errand *)j;
    struct session *s = t->s;
    t->running = false;
    watch_result(s->r, t->result, t->err.text);
    if (!session_release(s))
        return;
    if (t->result == STORE_OK) {
        s->predicate = session_make_predicate(s, &t->err);
        buf_fini(&t->data);
    }
    if (!s->predicate) {
        log_error("session %s: its list is not stored: %s", s->id, t->err.text);
        if (t->result == STORE_EXISTS) { /* another sealer's? */
            s->resumed = true;
            s->mine = false;
        }
        session_retry(s);
        return;
    }
    /* Nothing is left to sign with it. */
    sign_key_free(s->key);
    s->key = NULL;
    s->retry_ms = 0;
    s->state = S_SEALING;
    if (session_write_state(s) < 0)
        session_retry(s);
}

void session_check_end(struct session *s) {
    if (!s->mine || s->state != S_FLUSHING || s->objects || s->list_durable < s->list_lines)
        return;
    for (int k = 0; k < CHAIN_KINDS; k++)
        if (s->chains[k].frames)
            return;
    session_tap_close(s);
    loop_timer_stop(s->timer);
    s->state = S_LISTING;
    session_submit(s, make_list, listed);
}

/* ---- the seal ------------------------------------------------------------------------------- */

static void count_sealed(struct session *s) {
    static const char *const states[] = { "closed", "interrupted", "refused" };
    const char *state = json_str(s->predicate, "state", "");
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strcmp(state, states[i]) == 0)
            metric_add(&s->r->metrics.sealed[i], 1);
}

static void seal_stored(struct job *j) {
    struct errand *t = (struct errand *)j;
    struct session *s = t->s;
    t->running = false;
    watch_result(s->r, t->result, t->err.text);
    if (!session_release(s))
        return;
    if (t->result != STORE_OK && t->result != STORE_EXISTS) {
        metric_add(&s->r->metrics.put_failures, 1);
        session_retry(s);
        return;
    }
    if (t->result == STORE_OK)
        log_info("session %s: sealed", s->id);
    else /* the fence: whoever comes second stops */
        log_warning("session %s: sealed by somebody else before", s->id);
    s->seal_stored = true;
    session_log_seal(s);
}

void session_sealed_in_log(struct session *s) {
    count_sealed(s);
    s->adopted_ok = true;
    if (s->spool)
        spool_remove(s->spool);
    session_gone(s);
}

/* What is stored, whoever's it is: its leaf is made of that. */
static void note_seal(struct errand *t, const struct buf *bytes) {
    struct dsse d = { 0 };
    struct seal_record r = { .end = json_num(t->s->predicate, "end", (int64_t)t->s->end_ms) };
    _json_ json_t *statement = NULL;
    if (dsse_parse(bytes->data, bytes->len, &d, NULL) == 0)
        statement = dsse_statement(&d, NULL);
    dsse_fini(&d);
    if (statement)
        seal_read(statement, &r, NULL);
    t->s->seal_at = r.end;
    sha256_hex(bytes->data, bytes->len, t->s->seal_sha256);
}

static void put_seal(struct job *j, struct worker *w) {
    struct errand *t = (struct errand *)j;
    char key[NAME_KEY_SIZE];
    uint8_t sum[32];
    session_key_of(t->s, NAME_SEAL_OBJECT, key);
    sha256(t->data.data, t->data.len, sum);
    t->result = store_put(w->store, key, t->data.data, t->data.len, sum, t->s->retain_until,
                          &t->meta, &t->err);
    if (t->result == STORE_OK)
        note_seal(t, &t->data);
    if (t->result != STORE_EXISTS)
        return;
    struct buf theirs __attribute__((cleanup(buf_fini)));
    buf_init(&theirs, DSSE_MAX);
    enum store_result r = store_get(w->store, key, NULL, &theirs, NULL, &t->err);
    if (r == STORE_OK)
        note_seal(t, &theirs);
    else
        t->result = STORE_AWAY;
}

enum store_result session_find_seal(struct errand *t, struct store *store) {
    struct buf there __attribute__((cleanup(buf_fini)));
    char key[NAME_KEY_SIZE];
    buf_init(&there, DSSE_MAX);
    session_key_of(t->s, NAME_SEAL_OBJECT, key);
    enum store_result r = store_get(store, key, NULL, &there, NULL, &t->err);
    if (r == STORE_OK) {
        note_seal(t, &there);
        t->s->seal_stored = true;
    }
    return r;
}

/* It must say what we said, with authd's key and version beside, and be signed. */
static int check_seal(const struct session *s, const json_t *envelope, struct err *e) {
    struct dsse d = { 0 };
    struct seal_record r;
    _json_ json_t *statement = NULL, *predicate = NULL;
    _sign_key_ struct sign_key *signer = NULL;
    int result = dsse_read(envelope, &d, e);
    if (result == 0)
        statement = dsse_statement(&d, e);
    if (result == 0)
        result = statement ? seal_read(statement, &r, e) : -1;
    if (result == 0) {
        predicate = json_copy(json_object_get(statement, "predicate"));
        json_object_del(predicate, "gateway");
        if (!json_equal(predicate, s->predicate))
            result = err_set(e, STATUS_CLIENT_BAD_REQUEST, "it says something else than `ended`");
    }
    if (result == 0) {
        signer = sign_key_from_base64(r.gateway_public_key, e);
        result = signer ? dsse_verify(&d, signer, e) : -1;
    }
    dsse_fini(&d);
    return result < 0 ? err_prefix(e, "seal") : 0;
}

int session_seal(struct session *s, const json_t *envelope, struct err *e) {
    if (s->state != S_SEALING)
        return err_set(e, STATUS_RESOURCE_CONFLICT, "seal: session %s has not ended", s->id);
    if (s->sealed)
        return 0; /* asked twice, answered twice */
    if (check_seal(s, envelope, e) < 0)
        return -1;
    buf_clear(&s->errand.data);
    if (json_write(envelope, &s->errand.data) < 0)
        return err_set(e, STATUS_SERVER_BUSY, "seal: no memory");
    s->sealed = true;
    s->retry_ms = 0;
    loop_timer_stop(s->retry_timer);
    session_submit(s, put_seal, seal_stored);
    return 0;
}

void session_ask_seal(struct session *s) {
    control_ask_seal(s->r, s);
    loop_timer_set(s->retry_timer, (uint64_t)ENDED_AGAIN_MS * 1000);
}

void session_seal_again(struct session *s) {
    if (s->errand.running)
        return;
    if (s->state == S_LISTING && s->foreign && !s->seal_stored)
        session_gather(s);
    else if (s->state == S_LISTING && !s->foreign && s->mine)
        session_submit(s, make_list, listed);
    else if (s->seal_stored)
        session_log_seal(s);
    else if (s->sealed)
        session_submit(s, put_seal, seal_stored);
    else if (s->state_file == 0)
        session_ask_seal(s);
    else if (session_write_state(s) < 0)
        session_retry(s);
}

void session_state_durable(struct session *s) {
    if (s->state == S_OPENING) {
        if (s->mine)
            session_open_put(s);
    } else if (s->state == S_SEALING)
        session_ask_seal(s);
    else
        session_check_end(s);
}
