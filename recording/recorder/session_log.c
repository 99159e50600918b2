/* A session's two leaves. What they say is made from the stored objects alone, so that whoever
 * writes one again after a crash writes the same bytes, and finds that it is there. */
#include "recording/recorder/session_impl.h"

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "recording/recorder/control.h"

const struct logger_place *session_place(const struct session *s) {
    return &s->place;
}

static void add(struct session *s, const struct leaf *leaf, bool in_doubt, uint64_t from,
                logger_done *done) {
    struct err e = { 0 };
    if (s->logging)
        return;
    s->logging = true;
    if (logger_add(s->r->logger, leaf, in_doubt, from, done, s, &e) == 0)
        return;
    s->logging = false;
    log_error("session %s: %s", s->id, e.text);
    session_retry(s);
}

static void on_open(void *arg, const struct logger_place *place) {
    struct session *s = arg;
    s->logging = false;
    s->place = *place;
    if (s->foreign)
        session_log_seal(s);
    else
        session_opened_in_log(s);
}

void session_log_open(struct session *s) {
    if (s->envelope.len)
        sha256_hex(s->envelope.data, s->envelope.len, s->open_sha256);
    const struct leaf leaf = { .kind = LEAF_OPEN,
                               .at = (int64_t)s->start,
                               .session = s->id,
                               .prefix = s->prefix,
                               .sha256 = s->open_sha256 };
    add(s, &leaf, s->resumed || s->foreign, s->log_from, on_open);
}

static void on_seal(void *arg, const struct logger_place *place) {
    struct session *s = arg;
    s->logging = false;
    control_post(s->r, json_pack("{s:s, s:s, s:s, s:I, s:s}", "op", "logged", "id", s->id, "kind",
                                 "seal", "index", (json_int_t)place->index, "leaf", place->hash));
    session_sealed_in_log(s);
}

/* In doubt whenever we are not the only one who may have written it. */
void session_log_seal(struct session *s) {
    const struct leaf leaf = { .kind = LEAF_SEAL,
                               .at = s->seal_at,
                               .session = s->id,
                               .prefix = s->prefix,
                               .sha256 = s->seal_sha256 };
    bool known = s->place.index != UINT64_MAX;
    if (s->foreign && !known) { /* the one who left it may have died before */
        session_log_open(s);
        return;
    }
    add(s, &leaf, true, known ? s->place.index : s->log_from, on_seal);
}
