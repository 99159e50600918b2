/* A session that another recorder left behind: what of it is in the store and verifies, as far as
 * its chains go without a gap, becomes its list; then it is sealed as our own are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/recorder/control.h"
#include "recording/recorder/session_impl.h"
#include "recording/recorder/watch.h"

#define NAMES_MAX ((size_t)1 << 20) /* weeks of work */

/* A chunk that verifies by itself. */
struct found {
    struct list_entry entry;
    char prev[HASH_HEX];
};

struct gather {
    struct errand *t;
    struct store *store;
    struct sign_key *key;
    char (*names)[NAME_SIZE];
    size_t name_count, name_cap;
    struct found *found;
    size_t count;
    struct err *e;
};

static void gather_fini(struct gather *g) {
    sign_key_free(g->key);
    free(g->names);
    free(g->found);
}

/* ---- the open record ------------------------------------------------------------------------ */

static enum store_result wrong(struct gather *g, const char *what) {
    struct err why = *g->e;
    err_set(g->e, STATUS_RESOURCE_CONFLICT, "%s%s%s", what, *why.text ? ": " : "", why.text);
    return STORE_REFUSED;
}

static enum store_result take_open(struct gather *g, const struct dsse *d,
                                   const json_t *statement) {
    struct session *s = g->t->s;
    struct open_record r;
    if (!statement || open_read(statement, &r, g->e) < 0)
        return wrong(g, "its open record cannot be read");
    _sign_key_ struct sign_key *signer = sign_key_from_base64(r.gateway_public_key, g->e);
    if (!signer || dsse_verify(d, signer, g->e) < 0)
        return wrong(g, "its open record is not signed");
    if (strcmp(r.session, s->id) != 0 || strcmp(r.prefix, s->prefix) != 0)
        return wrong(g, "its open record is another session's");
    g->key = sign_key_from_base64(r.session_public_key, g->e);
    s->start = (uint64_t)r.start;
    s->retain_until = (uint64_t)r.retain_until;
    return g->key ? STORE_OK : wrong(g, "its key cannot be read");
}

static enum store_result read_open(struct gather *g) {
    struct session *s = g->t->s;
    struct buf b __attribute__((cleanup(buf_fini)));
    struct store_meta meta = { 0 };
    struct dsse d = { 0 };
    _json_ json_t *statement = NULL;
    char key[NAME_KEY_SIZE];
    buf_init(&b, DSSE_MAX);
    session_key_of(s, NAME_OPEN_OBJECT, key);
    enum store_result r = store_get(g->store, key, NULL, &b, &meta, g->e);
    if (r != STORE_OK)
        return r;
    sha256_hex(b.data, b.len, s->open_sha256);
    memcpy(s->open_version, meta.version, sizeof s->open_version);
    s->open_size = b.len;
    if (dsse_parse(b.data, b.len, &d, g->e) == 0)
        statement = dsse_statement(&d, g->e);
    r = take_open(g, &d, statement);
    dsse_fini(&d);
    return r;
}

/* ---- chunks --------------------------------------------------------------------------------- */

static int on_name(void *arg, const struct store_entry *entry) {
    struct gather *g = arg;
    struct name n;
    const char *name = strrchr(entry->key, '/');
    if (entry->folder || !name || !name_parse(name + 1, strlen(name + 1), &n) ||
        n.kind != NAME_CHUNK)
        return 0;
    if (g->name_count == g->name_cap) {
        size_t cap = g->name_cap ? g->name_cap * 2 : 256;
        void *more = cap <= NAMES_MAX ? realloc(g->names, cap * NAME_SIZE) : NULL;
        if (!more)
            return 1;
        g->names = more;
        g->name_cap = cap;
    }
    snprintf(g->names[g->name_count++], NAME_SIZE, "%s", name + 1);
    return 0;
}

static void forged(struct gather *g, const char *name, const char *why) {
    struct session *s = g->t->s;
    log_error("session %s: %s is none of its chunks: %s", s->id, name, why);
    metric_add(&s->r->metrics.forged, 1);
}

static enum store_result read_chunk(struct gather *g, const char *name, struct buf *b) {
    struct session *s = g->t->s;
    struct store_meta meta = { 0 };
    struct found *f = &g->found[g->count];
    struct chunk c;
    struct err e = { 0 };
    char key[NAME_KEY_SIZE], own[NAME_SIZE], head[HASH_HEX];
    buf_clear(b);
    session_key_of(s, name, key);
    enum store_result r = store_get(g->store, key, NULL, b, &meta, g->e);
    if (r == STORE_MISSING)
        return STORE_OK;
    if (r != STORE_OK && g->e->status != STATUS_CLIENT_OVERRUN)
        return r;
    if (r != STORE_OK) {
        forged(g, name, g->e->text);
        return STORE_OK;
    }
    if (chunk_parse(b->data, b->len, &c, &e) < 0 || chunk_check(&c, g->key, &e) < 0) {
        forged(g, name, e.text);
        return STORE_OK;
    }
    chunk_name(&c.h, own);
    if (strcmp(own, name) != 0 || strcmp(c.h.session, s->id) != 0) {
        forged(g, name, "it is another chunk");
        return STORE_OK;
    }
    chunk_head(&c, head);
    list_entry_of(&c.h, b->data, b->len, head, &f->entry);
    memcpy(f->entry.version, meta.version, sizeof f->entry.version);
    memcpy(f->prev, c.h.prev, HASH_HEX);
    g->count++;
    return STORE_OK;
}

static enum store_result read_chunks(struct gather *g) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, CHUNK_MAX + CHUNK_HEADER_MAX);
    enum store_result r = store_list(g->store, g->t->s->prefix, on_name, g, g->e);
    g->found = r == STORE_OK ? calloc(g->name_count + 1, sizeof *g->found) : NULL;
    if (r == STORE_OK && !g->found)
        return err_set(g->e, 0, "no memory"), STORE_AWAY;
    for (size_t i = 0; r == STORE_OK && i < g->name_count; i++)
        r = read_chunk(g, g->names[i], &b);
    return r;
}

/* ---- chains --------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
    const struct list_entry *x = &((const struct found *)a)->entry,
                            *y = &((const struct found *)b)->entry;
    return x->kind != y->kind ? (int)x->kind - (int)y->kind : (x->i > y->i) - (x->i < y->i);
}

struct link {
    const struct found *first; /* of its kind */
    size_t count;
    uint64_t offset, seq;
    const char *prev;
};

static bool stands(const struct link *l, const struct link *data, const struct list_entry *x) {
    if (x->kind != CHAIN_KEYFRAME)
        return x->n == x->i && x->offset == l->offset;
    return x->n <= data->count &&
           x->offset == (x->n == data->count ? data->offset : data->first[x->n].entry.offset);
}

static bool follows(const struct link *l, const struct link *data, const struct found *f) {
    const struct list_entry *x = &f->entry;
    return x->i == l->count && strcmp(f->prev, l->prev) == 0 && x->seq0 > l->seq && x->frames > 0 &&
           x->frames <= x->seq1 - x->seq0 + 1 && stands(l, data, x);
}

/* As far as each chain goes; data comes first, since keyframes are measured by it. */
static int write_lines(struct gather *g, struct buf *lines) {
    struct link links[CHAIN_KINDS] = { 0 };
    size_t out = 0;
    if (g->count)
        qsort(g->found, g->count, sizeof *g->found, by_place);
    for (size_t i = 0; i < g->count; i++) {
        const struct found *f = &g->found[i];
        struct link *l = &links[f->entry.kind];
        if (!l->first) {
            l->first = f;
            l->prev = g->t->s->open_sha256;
        }
        if (!follows(l, &links[CHAIN_DATA], f)) {
            out++;
            continue;
        }
        l->count++;
        l->seq = f->entry.seq1;
        l->offset = f->entry.offset + f->entry.raw;
        l->prev = f->entry.head;
        if (list_entry_write(&f->entry, lines) < 0)
            return err_set(g->e, 0, "no memory for a list");
    }
    if (out)
        log_warning("session %s: %zu chunks behind a gap are left out of its seal", g->t->s->id,
                    out);
    return 0;
}

/* ---- the list ------------------------------------------------------------------------------- */

/* The one that is stored rules, whoever made it. */
static enum store_result take_list(struct gather *g) {
    struct errand *t = g->t;
    struct buf lines __attribute__((cleanup(buf_fini)));
    struct buf again __attribute__((cleanup(buf_fini)));
    char key[NAME_KEY_SIZE];
    buf_init(&lines, LIST_MAX);
    buf_init(&again, LIST_MAX);
    buf_clear(&t->data);
    session_key_of(t->s, NAME_LIST_OBJECT, key);
    enum store_result r = store_get(g->store, key, NULL, &t->data, &t->meta, g->e);
    if (r != STORE_OK)
        return r;
    if (list_unpack(t->data.data, t->data.len, &lines, g->e) < 0 ||
        session_count_lines(t, &lines, g->e) < 0 ||
        list_pack(lines.data ? lines.data : "", lines.len, &again, t->root, &t->count, g->e) < 0)
        return wrong(g, "its list cannot be read");
    sha256_hex(t->data.data, t->data.len, t->sha256);
    return STORE_OK;
}

static enum store_result make_list(struct gather *g) {
    struct errand *t = g->t;
    struct buf lines __attribute__((cleanup(buf_fini)));
    char key[NAME_KEY_SIZE];
    uint8_t sum[32];
    buf_init(&lines, LIST_MAX);
    buf_clear(&t->data);
    enum store_result r = read_chunks(g);
    if (r != STORE_OK)
        return r;
    if (write_lines(g, &lines) < 0 ||
        list_pack(lines.data ? lines.data : "", lines.len, &t->data, t->root, &t->count, g->e) < 0)
        return STORE_AWAY;
    sha256(t->data.data, t->data.len, sum);
    session_key_of(t->s, NAME_LIST_OBJECT, key);
    r = store_put(g->store, key, t->data.data, t->data.len, sum, t->s->retain_until, NULL, g->e);
    return r == STORE_EXISTS ? STORE_OK : r;
}

static void gather(struct job *j, struct worker *w) {
    struct errand *t = (struct errand *)j;
    struct gather g = { .t = t, .store = w->store, .e = &t->err };
    t->result = read_open(&g);
    if (t->result == STORE_OK)
        t->result = session_find_seal(t, w->store);
    if (t->result == STORE_MISSING && g.key) { /* not sealed yet */
        t->result = take_list(&g);
        if (t->result == STORE_MISSING && (t->result = make_list(&g)) == STORE_OK)
            t->result = take_list(&g);
        if (t->result == STORE_MISSING)
            t->result = STORE_AWAY;
    }
    gather_fini(&g);
}

/* ---- on the loop ---------------------------------------------------------------------------- */

static void gathered(struct job *j) {
    struct errand *t = (struct errand *)j;
    struct session *s = t->s;
    t->running = false;
    watch_result(s->r, t->result == STORE_AWAY ? STORE_AWAY : STORE_OK, t->err.text);
    if (!session_release(s))
        return;
    if (t->result == STORE_AWAY) {
        log_warning("session %s: cannot be sealed yet: %s", s->id, t->err.text);
        session_retry(s);
    } else if (t->result == STORE_MISSING || t->result == STORE_REFUSED) {
        s->adopted_ok = t->result == STORE_MISSING; /* it never began */
        if (!s->adopted_ok)
            log_error("session %s: cannot be sealed: %s", s->id, t->err.text);
        session_gone(s);
    } else if (s->seal_stored) {
        session_log_seal(s);
    } else {
        s->end_ms = s->start + t->last_ms;
        s->seq = t->last_seq;
        s->predicate = session_make_predicate(s, &t->err);
        s->retry_ms = 0;
        s->state = s->predicate ? S_SEALING : S_LISTING;
        if (s->predicate)
            session_ask_seal(s);
        else
            session_retry(s);
    }
}

void session_gather(struct session *s) {
    session_submit(s, gather, gathered);
}

int session_adopt(struct recorder *r, const struct session_orphan *o) {
    const char *id = strrchr(o->prefix, '/') + 1;
    struct session *s = session_find(r, id) ? NULL : session_alloc(r, id);
    if (!s)
        return -1;
    snprintf(s->prefix, sizeof s->prefix, "%s", o->prefix);
    snprintf(s->gateway, sizeof s->gateway, "%s", o->gateway);
    snprintf(s->end.reason, sizeof s->end.reason,
             "its recorder fell silent; sealed by another one");
    s->end.status = STATUS_SERVER_ERROR;
    s->end_state = "interrupted";
    s->silent_since = o->silent_since;
    s->log_from = o->from;
    s->foreign = s->mine = true;
    s->adopted = o->done;
    s->adopted_arg = o->arg;
    s->state = S_LISTING;
    session_gather(s);
    return 0;
}
