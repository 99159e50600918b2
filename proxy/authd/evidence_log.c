/* What was signed last is remembered, also over a restart: in RUN/authd/checkpoint, and by the note
 * under our own key that the recorder finds in the store, whichever is there. Who can roll back
 * both, and the log, is found by auditors' anchors alone. */
#include "proxy/authd/evidence_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- remembering ---------------------------------------------------------------------------- */

/* A checkpoint of ours from before; any other is none. With the lock held, or before any thread. */
static void take_note(struct authd *a, const char *text, size_t len, const char *where) {
    struct evidence_log *l = a->evidence_log;
    struct note n;
    struct err e = { 0 };
    if (note_parse(text, len, &n, &e) || strcmp(n.origin, a->conf.log_origin) != 0 ||
        note_verify(&n, a->key, &e)) {
        log_warning("the last checkpoint in %s is none of ours%s%s", where, *e.text ? ": " : "",
                    e.text);
        return;
    }
    if (n.size <= l->size)
        return;
    l->size = n.size;
    memcpy(l->root, n.root, sizeof l->root);
    log_info("the last checkpoint signed, by %s: %llu leaves", where, (unsigned long long)n.size);
}

static void path_of(const struct authd *a, const char *suffix, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/authd/checkpoint%s", a->conf.run, suffix);
}

void evidence_log_load(struct authd *a) {
    char path[PATH_MAX], text[NOTE_MAX];
    path_of(a, "", path);
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : 0;
    if (n > 0)
        take_note(a, text, (size_t)n, path);
}

/* Before it is sent: what cannot be remembered is signed all the same, and told. */
static void keep_note(const struct authd *a, const struct buf *note) {
    char path[PATH_MAX], fresh[PATH_MAX];
    path_of(a, "", path);
    path_of(a, ".new", fresh);
    _close_ int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, note->data, note->len) != (ssize_t)note->len || fsync(fd) < 0 ||
        rename(fresh, path) < 0)
        log_warning("%s cannot be written: %s", path, strerror(errno));
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
    const char *stored = json_str(msg, "stored", NULL);
    pthread_mutex_lock(&l->lock);
    if (l->size == 0 && stored)
        take_note(a, stored, strlen(stored), "the store");
    uint64_t have = l->size;
    int r = may_sign(l, msg, (uint64_t)size, root, e);
    if (r == 0)
        r = note_sign(a->conf.log_origin, (uint64_t)size, root, a->key, &note, e);
    if (r == 0) {
        l->size = (uint64_t)size;
        memcpy(l->root, root, sizeof root);
        keep_note(a, &note);
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
