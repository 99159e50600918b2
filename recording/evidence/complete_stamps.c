/* What was stamped must be in the log, and nothing in it from later. */
#include "recording/evidence/complete_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "recording/evidence/stamps.h"

#define SKEW_MS 120000 /* a gateway's clock against an authority's */

struct stamps {
    struct complete_pass *p;
    uint64_t sizes[4096];
    size_t count;
};

static int on_stamp(void *arg, const struct store_entry *entry) {
    struct stamps *s = arg;
    const char *name = strrchr(entry->key, '/');
    char *end;
    unsigned long long size = name ? strtoull(name + 1, &end, 10) : 0;
    if (size && strcmp(end, ".tsr") == 0 && s->count < ARRAY_LEN(s->sizes))
        s->sizes[s->count++] = size;
    return 0;
}

static int by_size(const void *a, const void *b) {
    const struct complete_stamped *x = a, *y = b;
    return (x->size > y->size) - (x->size < y->size);
}

static enum store_result read_note(struct complete_pass *p, uint64_t size, struct buf *text,
                                   struct err *e) {
    char path[64], key[128];
    snprintf(path, sizeof path, "checkpoint/%llu", (unsigned long long)size);
    log_key(&p->log, path, key);
    return store_get(p->w->store, key, NULL, text, NULL, e);
}

int complete_stamps_load(struct complete_pass *p) {
    _free_ struct stamps *s = calloc(1, sizeof *s);
    struct buf text __attribute__((cleanup(buf_fini)));
    char key[128];
    buf_init(&text, NOTE_MAX);
    if (!s || !(p->stamped = calloc(ARRAY_LEN(s->sizes), sizeof *p->stamped)))
        return err_set(p->e, 0, "no memory");
    log_key(&p->log, "tsa", key);
    store_list(p->w->store, key, on_stamp, s, NULL);
    for (size_t i = 0; i < s->count; i++) {
        struct note n;
        buf_clear(&text);
        if (read_note(p, s->sizes[i], &text, NULL) != STORE_OK ||
            note_parse(text.data, text.len, &n, NULL) < 0)
            continue; /* told when the stamps are asked for */
        struct complete_stamped *t = &p->stamped[p->stamped_count++];
        t->size = n.size;
        memcpy(t->root, n.root, sizeof t->root);
    }
    qsort(p->stamped, p->stamped_count, sizeof *p->stamped, by_size);
    return 0;
}

/* Does the log contain this tree? */
static bool contains(struct complete_pass *p, const struct note *n) {
    struct proof_source s = log_source(&p->log);
    uint8_t root[MERKLE_HASH];
    if (n->size > p->log.tail.size)
        return false;
    if (!p->w->bag)
        return proof_root(&s, n->size, root, NULL) == 0 && memcmp(root, n->root, MERKLE_HASH) == 0;
    for (size_t i = 0; i < p->stamped_count; i++)
        if (p->stamped[i].size == n->size && memcmp(p->stamped[i].root, n->root, MERKLE_HASH) == 0)
            return p->stamped[i].fits;
    return false;
}

static void check_stamp(struct complete_pass *p, uint64_t size) {
    struct buf tsr __attribute__((cleanup(buf_fini)));
    struct buf text __attribute__((cleanup(buf_fini)));
    char path[64], key[128], what[160];
    struct err e = { 0 };
    struct note n;
    uint64_t ms = 0;
    buf_init(&tsr, 1 << 20);
    buf_init(&text, NOTE_MAX);
    snprintf(path, sizeof path, "tsa/%llu.tsr", (unsigned long long)size);
    log_key(&p->log, path, key);
    bool read = store_get(p->w->store, key, NULL, &tsr, NULL, &e) == STORE_OK;
    snprintf(path, sizeof path, "checkpoint/%llu", (unsigned long long)size);
    log_key(&p->log, path, key);
    read = read && store_get(p->w->store, key, NULL, &text, NULL, &e) == STORE_OK;
    snprintf(what, sizeof what, "log/%s", path);
    if (!read || note_parse(text.data, text.len, &n, &e) < 0 ||
        stamps_check(tsr.data, tsr.len, text.data, text.len, p->w->anchor->tsa_ca, &ms, &e) < 0) {
        complete_problem(p, what, e.text, p->w->anchor->tsa_ca);
        return;
    }
    /* Stamped, so it was: the log must contain it, and nothing in it may be from later. */
    if (!contains(p, &n)) {
        complete_problem(
            p, what,
            "the log does not contain what was stamped: rolled back, forked or written anew",
            p->w->anchor->tsa_ca);
        return;
    }
    p->out->stamps++;
    for (uint64_t i = 0; i < n.size; i++)
        if (p->at[i] > (int64_t)ms + SKEW_MS) {
            snprintf(what, sizeof what, "log leaf %llu", (unsigned long long)i);
            complete_problem(p, what, "says a time later than the stamp on it",
                             p->w->anchor->tsa_ca);
        }
}

void complete_stamps(struct complete_pass *p) {
    _free_ struct stamps *s = calloc(1, sizeof *s);
    char key[128];
    struct err e = { 0 };
    if (!s || !p->w->anchor->tsa_ca)
        return;
    log_key(&p->log, "tsa", key);
    if (store_list(p->w->store, key, on_stamp, s, &e) != STORE_OK)
        complete_problem(p, "log/tsa", e.text, NULL);
    for (size_t i = 0; i < s->count; i++)
        check_stamp(p, s->sizes[i]);
    if (s->count == 0)
        complete_problem(p, "log/tsa", "there are no time stamps", p->w->anchor->tsa_ca);
}
