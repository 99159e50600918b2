/* Exports over the socket: planned, begun once the log has it, watched, taken, dropped. */
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/proto/status.h"
#include "recording/evidence/exports.h"
#include "recording/evidence/serve_impl.h"

/* NULL: answered. */
static struct exports *ours(struct request *q) {
    if (!q->s->exports)
        err_set(&q->err, STATUS_UNSUPPORTED,
                "No exports are made here (the row exports of evidence.conf).");
    return q->s->exports;
}

static const char *id_of(const struct request *q) {
    return json_str(q->msg, "export", "");
}

static const json_t *by_of(const struct request *q) {
    return json_object_get(q->msg, "by");
}

void serve_export(struct request *q, struct worker *w) {
    if (ours(q))
        serve_answer(q, exports_plan(q->s->exports, w->store, q->msg, &q->err));
}

void serve_begin(struct request *q, struct worker *w) {
    (void)w;
    if (ours(q) && exports_begin(q->s->exports, id_of(q), by_of(q), &q->err) == 0)
        q->answer = json_object();
}

void serve_exports(struct request *q, struct worker *w) {
    (void)w;
    const char *id = json_str(q->msg, "export", NULL);
    json_t *list = ours(q) ? exports_list(q->s->exports, id, by_of(q), &q->err) : NULL;
    if (list)
        serve_answer(q, json_pack("{s:o}", "exports", list));
}

void serve_bag(struct request *q, struct worker *w) {
    uint64_t size = 0;
    int64_t offset = json_num(q->msg, "offset", 0);
    (void)w;
    if (!ours(q))
        return;
    if (offset < 0) {
        err_set(&q->err, STATUS_CLIENT_BAD_REQUEST, "offset: 0 or more");
        return;
    }
    q->fd = exports_bag(q->s->exports, id_of(q), by_of(q), (uint64_t)offset, &size, &q->err);
    q->answer = q->fd >= 0 ? json_pack("{s:I}", "size", (json_int_t)size) : NULL;
}

void serve_drop(struct request *q, struct worker *w) {
    (void)w;
    if (ours(q) && exports_drop(q->s->exports, id_of(q), by_of(q), &q->err) == 0)
        q->answer = json_object();
}
