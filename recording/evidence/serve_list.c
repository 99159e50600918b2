/* The list of recordings, newest first: from the tree, and each one's own summary, which is kept
 * once it is final. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/evidence/serve_impl.h"
#include "recording/evidence/summary.h"

#define LIST_LIMIT 500
#define LIST_DEFAULT 100
#define LIST_COLD 2000 /* recordings read for one list; it goes on by its cursor */
#define BATCH 64

struct page {
    json_t *list;
    size_t limit, cold;
    char next[UUID_LEN + 1];
    bool more;
};

/* One candidate: 1 when the page is full behind it. */
static int consider(struct serve *s, struct store *store, struct page *p,
                    const struct summary_filter *f, const struct tree_entry *x, struct err *e) {
    bool final = x->final;
    _json_ json_t *o = x->final ? json_parse(x->summary, strlen(x->summary), 65536, NULL) : NULL;
    if (!o) {
        struct buf b __attribute__((cleanup(buf_fini)));
        buf_init(&b, 65536);
        o = summary_make(store, x->prefix, clock_wall_ms(), &final, e);
        if (!o)
            return -1;
        p->cold++;
        if (json_write(o, &b) == 0)
            tree_keep(s->v->tree, x->id, buf_str(&b), final);
    }
    memcpy(p->next, x->id, sizeof p->next);
    if (summary_matches(o, f))
        json_array_append(p->list, o);
    p->more = json_array_size(p->list) >= p->limit || p->cold >= LIST_COLD;
    return p->more;
}

static int fill(struct serve *s, struct store *store, struct page *p, const struct tree_filter *t,
                const struct summary_filter *f, struct err *e) {
    struct tree_entry *batch = calloc(BATCH, sizeof *batch);
    int r = batch ? 0 : err_set(e, 0, "no memory");
    for (size_t n = BATCH; r == 0 && n == BATCH;) {
        n = tree_page(s->v->tree, p->next, t, batch, BATCH);
        for (size_t i = 0; i < n; i++) {
            if (r == 0)
                r = consider(s, store, p, f, &batch[i], e);
            free(batch[i].summary);
        }
    }
    free(batch);
    return r < 0 ? -1 : 0;
}

static uint64_t time_member(const json_t *o, const char *key) {
    int64_t v = json_num(o, key, 0);
    return v > 0 ? (uint64_t)v : 0;
}

void serve_list(struct request *q, struct worker *w) {
    const json_t *filter = json_object_get(q->msg, "filter");
    const char *after = json_str(q->msg, "after", "");
    int64_t limit = json_num(q->msg, "limit", LIST_DEFAULT);
    const char *connection = json_str(filter, "connection", "");
    struct tree_filter t = { .from_ms = time_member(filter, "from"),
                             .to_ms = time_member(filter, "to"),
                             .connection = *connection ? connection : NULL };
    struct summary_filter f = { .person = json_str(filter, "person", NULL),
                                .protocol = json_str(filter, "protocol", NULL),
                                .state = json_str(filter, "state", NULL) };
    if (limit < 1 || limit > LIST_LIMIT || (*after && !uuid_valid(after, strlen(after)))) {
        err_set(&q->err, STATUS_CLIENT_BAD_REQUEST, "list: limit is 1 to %d, after an id",
                LIST_LIMIT);
        return;
    }
    struct page p = { .list = json_array(), .limit = (size_t)limit };
    memcpy(p.next, after, strlen(after) + 1);
    _json_ json_t *body = NULL;
    if (tree_refresh(q->s->v->tree, w->store, false, &q->err) == 0 &&
        fill(q->s, w->store, &p, &t, &f, &q->err) == 0)
        body = json_pack("{s:O, s:s*}", "recordings", p.list, "next", p.more ? p.next : NULL);
    json_decref(p.list);
    serve_answer(q, steal_ptr(body));
}
