/* What was signed last is remembered for this process's life. After a restart the first checkpoint
 * is taken as it comes; auditors' anchors reach further back. */
#include "proxy/authd/evidence_log.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "proxy/authd/stats.h"
#include "recording/dsse.h"
#include "recording/list.h"
#include "recording/note.h"
#include "recording/proof.h"

#define LEAF_MS 10000

struct evidence_log {
    pthread_mutex_t lock;
    uint64_t size; /* of the last checkpoint signed; 0: none yet */
    uint8_t root[MERKLE_HASH];
};

struct evidence_log *evidence_log_new(void) {
    struct evidence_log *l = calloc(1, sizeof *l);
    if (l)
        pthread_mutex_init(&l->lock, NULL);
    return l;
}

void evidence_log_free(struct evidence_log *l) {
    if (!l)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int evidence_log_leaf(struct authd *a, enum leaf_kind kind, const char *session,
                      const struct identity *who, json_t *detail, struct err *e) {
    struct leaf_claim claim = { .kind = kind,
                                .at = (int64_t)clock_wall_ms(),
                                .session = session,
                                .sub = who ? who->sub : NULL,
                                .name = who ? who->name : NULL,
                                .gateway = a->conf.gateway_name,
                                .gateway_version = guac_version,
                                .detail = detail };
    _json_ json_t *statement = leaf_statement(&claim, a->key, e);
    json_t *envelope = statement ? dsse_sign(statement, a->key, e) : NULL;
    if (!envelope)
        return -1;
    _json_ json_t *answer =
        recorder_call(a->recorder,
                      json_pack("{s:s, s:s, s:s*, s:o}", "op", "leaf", "kind", leaf_kind_name(kind),
                                "session", session, "envelope", envelope),
                      LEAF_MS, NULL, e);
    if (!answer)
        return err_prefix(e, "the log does not take it");
    evidence_log_tell(a, session, leaf_kind_name(kind), answer);
    return 0;
}

/* ---- checkpoints ------------------------------------------------------------------------------
 */

static int read_proof(const json_t *list, struct proof *p, struct err *e) {
    p->count = json_array_size(list);
    if (p->count > PROOF_MAX)
        return err_set(e, 0, "a proof of too many hashes");
    for (size_t i = 0; i < p->count; i++) {
        const char *hex = json_string_value(json_array_get(list, i));
        if (!hex || strlen(hex) != 64 || !list_hash_bytes(hex, p->hashes[i]))
            return err_set(e, 0, "a proof's hash is malformed");
    }
    return 0;
}

/* With the lock held. 1: the proof has to start elsewhere. */
static int may_sign(const struct evidence_log *l, const json_t *msg, uint64_t size,
                    const uint8_t root[MERKLE_HASH], struct err *e) {
    struct proof p;
    if (l->size == 0)
        return 0;
    if (size < l->size)
        return err_set(e, 0, "the log was rolled back: %llu leaves, and %llu were signed",
                       (unsigned long long)size, (unsigned long long)l->size);
    if ((uint64_t)json_num(msg, "from", 0) != l->size)
        return 1;
    if (read_proof(json_object_get(msg, "proof"), &p, e))
        return -1;
    return proof_check_consistency(&p, l->size, l->root, size, root, e)
               ? err_prefix(e, "the log was forked")
               : 0;
}

static json_t *sign(struct authd *a, const json_t *msg, struct err *e) {
    struct evidence_log *l = a->evidence_log;
    const char *hex = json_str(msg, "root", "");
    int64_t size = json_num(msg, "size", 0);
    uint8_t root[MERKLE_HASH];
    if (size <= 0 || strlen(hex) != 64 || !list_hash_bytes(hex, root)) {
        err_set(e, 0, "size or root is malformed");
        return NULL;
    }
    struct buf note __attribute__((cleanup(buf_fini)));
    buf_init(&note, NOTE_MAX);
    pthread_mutex_lock(&l->lock);
    uint64_t have = l->size;
    int r = may_sign(l, msg, (uint64_t)size, root, e);
    if (r == 0)
        r = note_sign(a->conf.log_origin, (uint64_t)size, root, a->key, &note, e);
    if (r == 0) {
        l->size = (uint64_t)size;
        memcpy(l->root, root, sizeof root);
    }
    pthread_mutex_unlock(&l->lock);
    if (r > 0)
        return json_pack("{s:s, s:I}", "op", "checkpoint", "have", (json_int_t)have);
    return r < 0 ? NULL
                 : json_pack("{s:s, s:I, s:s, s:s%}", "op", "checkpoint", "size", (json_int_t)size,
                             "root", hex, "note", note.data, note.len);
}

json_t *evidence_log_sign(struct authd *a, const json_t *msg) {
    struct err e = { 0 };
    json_t *answer = sign(a, msg, &e);
    if (answer)
        return answer;
    log_error("a checkpoint is not signed: %s", e.text);
    metric_add(&stats_checkpoints_refused, 1);
    struct audit_event ev = { .kind = AUDIT_LOG_WRONG,
                              .success = false,
                              .message = e.text,
                              .detail = json_pack("{s:I, s:s}", "size",
                                                  (json_int_t)json_num(msg, "size", 0), "root",
                                                  json_str(msg, "root", "")) };
    audit_write(a->audit, &ev);
    return json_pack("{s:s, s:s}", "op", "checkpoint", "error", e.text);
}

void evidence_log_tell(struct authd *a, const char *session, const char *kind,
                       const json_t *place) {
    struct evidence_log *l = a->evidence_log;
    char root[65];
    pthread_mutex_lock(&l->lock);
    uint64_t size = l->size;
    hex_encode(l->root, sizeof l->root, root);
    pthread_mutex_unlock(&l->lock);
    const bool open = strcmp(kind, "open") == 0, seal = strcmp(kind, "seal") == 0;
    json_t *detail =
        json_pack("{s:s, s:I, s:s}", "kind", kind, "index",
                  (json_int_t)json_num(place, "index", -1), "leaf", json_str(place, "leaf", ""));
    if (size)
        json_object_set_new(detail, "checkpoint",
                            json_pack("{s:s, s:I, s:s}", "origin", a->conf.log_origin, "size",
                                      (json_int_t)size, "root", root));
    struct audit_event ev = { .kind = open   ? AUDIT_LOG_OPEN
                                      : seal ? AUDIT_LOG_SEAL
                                             : AUDIT_LOG_LEAF,
                              .success = true,
                              .session = session,
                              .message = "a leaf is in the log",
                              .detail = detail };
    audit_write(a->audit, &ev);
}
