/* Two jobs, one at a time: prove (root and consistency proof), and publish (note, partial tiles;
 * from time to time under lock, with its stamp, and keys). */
#include "recording/recorder/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "recording/log.h"
#include "recording/recorder/control.h"
#include "recording/recorder/logger.h"
#include "recording/recorder/stamp.h"

#define PAUSE_US 1000000u
#define FRESH_MS 2000u    /* another gateway's, younger than that, is followed later */
#define SIGN_US 10000000u /* authd is asked again */
#define KEYS_MAX 16

enum step { IDLE, PROVING, SIGNING, PUBLISHING };

struct checkpoint {
    struct job job;
    struct recorder *r;
    struct loop_timer *timer;
    enum step step;
    bool due;
    uint64_t signed_size; /* the last that this authd signed; 0: not known to have */
    uint64_t published, kept_size, kept_ms;
    uint64_t wanted; /* leaves of ours end there */
    char keys[KEYS_MAX][BASE64_LEN(SIGN_KEY_LEN) + 1];
    bool key_kept[KEYS_MAX];
    /* the worker's */
    struct log log;
    uint64_t size;
    uint8_t root[MERKLE_HASH];
    struct proof proof;
    struct buf note, stored; /* the newest in the store, for an authd that has just begun */
    bool keep, kept;
    bool needed; /* whatever others do: one is to be kept */
    enum others { NONE, FRESH, ENOUGH } others;
    struct stamper *stamper;
    enum store_result result;
    struct err err;
};

static void next(struct checkpoint *c);

static void submit(struct checkpoint *c, enum step step, void (*run)(struct job *, struct worker *),
                   void (*done)(struct job *)) {
    c->step = step;
    c->err = (struct err){ 0 };
    c->job = (struct job){ .run = run, .done = done };
    work_submit(c->r->work, &c->job);
}

static void rest(struct checkpoint *c) {
    uint16_t chance;
    random_bytes(&chance, sizeof chance);
    c->step = IDLE;
    loop_timer_set(c->timer, PAUSE_US + chance); /* out of step with other gateways */
}

/* A new one that is worth keeping, or the first one. */
static bool keep_due(const struct checkpoint *c, uint64_t size) {
    uint64_t interval = (uint64_t)c->r->config->checkpoint_interval * 1000;
    return size != c->kept_size && (!c->kept_ms || clock_ms() - c->kept_ms >= interval);
}

/* ---- prove ---------------------------------------------------------------------------------- */

/* One a second is enough for all gateways together: who finds another's looks again later, unless
 * that one has all of its own leaves. */
static enum others look_at_others(struct checkpoint *c) {
    struct store_meta meta = { 0 };
    struct note n;
    buf_clear(&c->stored);
    if (c->needed || !c->signed_size ||
        log_checkpoint_get(&c->log, &c->stored, &meta, NULL) != STORE_OK ||
        note_parse(c->stored.data, c->stored.len, &n, NULL) < 0 || n.size <= c->published)
        return NONE;
    if (n.size >= c->wanted)
        return ENOUGH;
    return meta.now_ms && meta.now_ms < meta.modified_ms + FRESH_MS ? FRESH : NONE;
}

static void prove(struct job *j, struct worker *w) {
    struct checkpoint *c = (struct checkpoint *)j;
    c->log.store = w->store;
    c->result = STORE_OK;
    if ((c->others = look_at_others(c)) != NONE)
        return;
    c->log.known = false;
    c->result = log_refresh(&c->log, &c->err);
    c->proof.count = 0;
    buf_clear(&c->stored);
    if (c->result == STORE_OK && !c->signed_size) {
        c->result = log_checkpoint_get(&c->log, &c->stored, NULL, &c->err);
        c->result = c->result == STORE_MISSING ? STORE_OK : c->result;
    }
    if (c->result != STORE_OK)
        return;
    struct proof_source s = log_source(&c->log);
    c->size = c->log.tail.size;
    memcpy(c->root, c->log.tail.root, MERKLE_HASH);
    if (c->signed_size && c->signed_size <= c->size &&
        proof_consistency(&s, c->signed_size, c->size, &c->proof, &c->err) < 0)
        c->result = STORE_AWAY;
}

static json_t *question(const struct checkpoint *c) {
    char hex[65];
    json_t *proof = json_array();
    for (size_t i = 0; i < c->proof.count; i++) {
        hex_encode(c->proof.hashes[i], MERKLE_HASH, hex);
        json_array_append_new(proof, json_string(hex));
    }
    hex_encode(c->root, MERKLE_HASH, hex);
    json_t *o =
        json_pack("{s:s, s:I, s:s, s:I, s:o}", "op", "checkpoint", "size", (json_int_t)c->size,
                  "root", hex, "from", (json_int_t)c->signed_size, "proof", proof);
    json_t *stored = o && c->stored.len ? json_stringn(c->stored.data, c->stored.len) : NULL;
    if (stored)
        json_object_set_new(o, "stored", stored);
    return o;
}

static void proved(struct job *j) {
    struct checkpoint *c = (struct checkpoint *)j;
    if (c->result != STORE_OK) {
        log_warning("checkpoint: %s", c->err.text);
        c->due = true;
        rest(c);
        return;
    }
    if (c->others != NONE) {
        c->due |= c->others == FRESH;
        rest(c);
        return;
    }
    if (c->size == 0 || (c->size == c->published && c->size == c->signed_size)) {
        c->step = IDLE;
        return;
    }
    c->step = SIGNING;
    loop_timer_set(c->timer, SIGN_US);
    control_post(c->r, question(c));
}

/* ---- publish -------------------------------------------------------------------------------- */

/* For readers that know tlog-tiles and nothing of ours. Not needed by anybody of us. */
static void partial_tiles(struct checkpoint *c, uint64_t size, bool remove) {
    for (int level = -1; level <= (int)TAIL_LEVELS; level++) {
        unsigned shift = level > 0 ? 8 * (unsigned)level : 0;
        uint64_t width = (size >> shift) % PROOF_TILE, n = (size >> shift) / PROOF_TILE;
        char path[TAIL_PATH], name[TAIL_PATH + 16], key[256], etag[STORE_ETAG_SIZE];
        struct buf b __attribute__((cleanup(buf_fini)));
        uint8_t hashes[PROOF_TILE][MERKLE_HASH];
        struct err e = { 0 };
        buf_init(&b, TAIL_MAX);
        if (width == 0)
            continue;
        tail_path(level, n, (unsigned)width, path);
        snprintf(name, sizeof name, "log/%s", path);
        log_head_key(&c->log, name, key);
        if (remove) {
            store_remove(c->log.store, key, &e);
            continue;
        }
        if (level >= 0) {
            struct proof_source s = log_source(&c->log);
            if (s.tile(s.arg, (unsigned)level, n, (unsigned)width, hashes, &e) < 0)
                continue;
            buf_add(&b, hashes, (size_t)width * MERKLE_HASH);
        } else {
            for (uint64_t i = size - width; i >= c->log.tail.base && i < size; i++) {
                struct slice leaf = tail_leaf(&c->log.tail, i);
                uint8_t len[2] = { (uint8_t)(leaf.len >> 8), (uint8_t)leaf.len };
                buf_add(&b, len, 2);
                buf_add(&b, leaf.data, leaf.len);
            }
        }
        store_swap(c->log.store, key, b.data, b.len, "", etag, &e);
    }
}

static enum store_result keep_object(struct checkpoint *c, const char *key, const void *data,
                                     size_t len) {
    uint8_t sum[32];
    sha256(data, len, sum);
    return store_put(c->log.store, key, data, len, sum,
                     clock_wall_ms() + (uint64_t)c->r->config->log_retention_days * 86400000u, NULL,
                     &c->err);
}

static void keep_keys(struct checkpoint *c) {
    for (size_t i = 0; i < KEYS_MAX; i++) {
        char key[160];
        struct buf pem __attribute__((cleanup(buf_fini)));
        buf_init(&pem, 1024);
        if (!*c->keys[i] || c->key_kept[i])
            continue;
        _sign_key_ struct sign_key *k = sign_key_from_base64(c->keys[i], &c->err);
        if (!k || sign_key_public_pem(k, &pem) < 0)
            continue;
        snprintf(key, sizeof key, "%s/keys/%s.pem", c->log.bucket, sign_key_id(k));
        c->key_kept[i] = keep_object(c, key, pem.data, pem.len) == STORE_OK;
    }
}

static void keep_stamp(struct checkpoint *c) {
    char name[TAIL_PATH], key[128];
    struct buf tsr __attribute__((cleanup(buf_fini)));
    buf_init(&tsr, STAMP_MAX);
    snprintf(name, sizeof name, "tsa/%llu.tsr", (unsigned long long)c->size);
    log_key(&c->log, name, key);
    if (stamp_get(c->stamper, c->note.data, c->note.len, &tsr, &c->err) < 0) {
        log_warning("checkpoint %llu is not stamped: %s", (unsigned long long)c->size, c->err.text);
        metric_add(&c->r->metrics.log_stamp_failures, 1);
        return;
    }
    keep_object(c, key, tsr.data, tsr.len);
}

static void publish(struct job *j, struct worker *w) {
    struct checkpoint *c = (struct checkpoint *)j;
    char name[TAIL_PATH], key[128];
    c->log.store = w->store;
    partial_tiles(c, c->size, false);
    c->result = log_checkpoint_put(&c->log, &c->note, c->size, &c->err);
    if (c->result == STORE_OK && c->published && c->published != c->size)
        partial_tiles(c, c->published, true);
    keep_keys(c);
    c->kept = false;
    if (c->result != STORE_OK || !c->keep)
        return;
    snprintf(name, sizeof name, "checkpoint/%llu", (unsigned long long)c->size);
    log_key(&c->log, name, key);
    enum store_result r = keep_object(c, key, c->note.data, c->note.len);
    c->kept =
        r == STORE_OK || r == STORE_EXISTS; /* another gateway's of the same size is as good */
    if (r == STORE_OK && c->stamper)
        keep_stamp(c);
}

static void published(struct job *j) {
    struct checkpoint *c = (struct checkpoint *)j;
    if (c->result == STORE_OK) {
        c->published = c->size;
    } else {
        log_warning("checkpoint: %s", c->err.text);
        c->due = true;
    }
    if (c->kept) {
        c->kept_size = c->size;
        c->kept_ms = clock_ms();
    }
    rest(c);
}

void checkpoint_signed(struct checkpoint *c, const json_t *msg) {
    const char *text = json_str(msg, "note", NULL);
    struct note n;
    struct err e = { 0 };
    if (c->step != SIGNING)
        return;
    if (!text) { /* it signed another one before: the proof starts there */
        uint64_t have = (uint64_t)json_num(msg, "have", 0);
        bool again = have && have != c->signed_size;
        if (!again)
            log_error("checkpoint: authd signs none: %s", json_str(msg, "error", "no reason"));
        c->signed_size = again ? have : c->signed_size;
        c->due = c->due || again;
        rest(c);
        return;
    }
    if (note_parse(text, strlen(text), &n, &e) < 0 || n.size != c->size ||
        memcmp(n.root, c->root, MERKLE_HASH) != 0) {
        log_error("checkpoint: authd signed something else%s%s", *e.text ? ": " : "", e.text);
        rest(c);
        return;
    }
    c->signed_size = c->size;
    buf_clear(&c->note);
    buf_puts(&c->note, text);
    c->keep = keep_due(c, c->size);
    loop_timer_stop(c->timer);
    submit(c, PUBLISHING, publish, published);
}

/* ---- events --------------------------------------------------------------------------------- */

static void next(struct checkpoint *c) {
    if (c->step != IDLE || !c->due || loop_timer_active(c->timer) || !control_listened(c->r))
        return;
    c->due = false;
    c->wanted = logger_size(c->r->logger);
    c->needed = keep_due(c, c->wanted);
    submit(c, PROVING, prove, proved);
}

static void on_timer(void *arg) {
    struct checkpoint *c = arg;
    if (c->step == SIGNING) { /* no answer */
        c->step = IDLE;
        c->due = true;
    }
    next(c);
}

void checkpoint_due(struct checkpoint *c) {
    c->due = true;
    next(c);
}

void checkpoint_connected(struct checkpoint *c) {
    c->signed_size = 0;
    checkpoint_due(c);
}

void checkpoint_key(struct checkpoint *c, const char *public_key_base64) {
    for (size_t i = 0; i < KEYS_MAX; i++) {
        if (strcmp(c->keys[i], public_key_base64) == 0)
            return;
        if (!*c->keys[i]) {
            snprintf(c->keys[i], sizeof c->keys[i], "%s", public_key_base64);
            return;
        }
    }
}

struct checkpoint *checkpoint_new(struct recorder *r, struct err *e) {
    struct checkpoint *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(e, 0, "no memory for checkpoints");
        return NULL;
    }
    c->r = r;
    log_init_reader(&c->log, NULL, r->config->log_bucket);
    buf_init(&c->note, NOTE_MAX);
    buf_init(&c->stored, NOTE_MAX);
    c->timer = loop_timer_new(r->loop, on_timer, c);
    bool stamps = r->config->tsa_url != NULL;
    c->stamper = stamps ? stamper_new(r->config->tsa_url, r->config->tsa_ca_file, e) : NULL;
    if (c->timer && (!stamps || c->stamper))
        return c;
    checkpoint_free(c);
    return NULL;
}

void checkpoint_free(struct checkpoint *c) {
    if (!c)
        return;
    loop_timer_free(c->timer);
    stamper_free(c->stamper);
    log_fini(&c->log);
    buf_fini(&c->note);
    buf_fini(&c->stored);
    free(c);
}
