/* One leaf after the other: pairs of open and seal, statements of the rest, and the anchors at the
 * sizes they are about. */
#include "recording/evidence/complete_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/dsse.h"

/* Sessions mostly come and go near each other: looked for from the end. */
static struct complete_one *find_one(struct complete_pass *p, const char *id) {
    for (size_t i = p->count; i-- > 0;)
        if (strcmp(p->list[i].id, id) == 0)
            return &p->list[i];
    return NULL;
}

static struct complete_one *new_one(struct complete_pass *p, const char *id) {
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 256;
        struct complete_one *more = realloc(p->list, cap * sizeof *more);
        if (!more)
            return NULL;
        p->list = more;
        p->cap = cap;
    }
    struct complete_one *o = &p->list[p->count++];
    *o = (struct complete_one){ 0 };
    snprintf(o->id, sizeof o->id, "%s", id);
    return o;
}

static bool later(const struct complete_pass *p, const char *id) {
    return p->count == 0 || strcmp(id, p->list[p->count - 1].id) > 0;
}

/* open and seal; -1: no memory. */
static int pair(struct complete_pass *p, uint64_t index, const struct leaf *l, const char *name) {
    struct complete_one *o =
        l->kind == LEAF_OPEN && later(p, l->session) ? NULL : find_one(p, l->session);
    if (!o && l->kind == LEAF_SEAL)
        complete_problem(p, name, "a seal without an open record in the log", NULL);
    if (!o && !(o = new_one(p, l->session)))
        return err_set(p->e, 0, "no memory");
    if (l->kind == LEAF_OPEN) {
        if (o->opens++)
            complete_problem(p, name, "a second open record of a session", NULL);
        o->open_index = index;
        memcpy(o->open_sha256, l->sha256, sizeof o->open_sha256);
    } else {
        if (o->seals++)
            complete_problem(p, name, "a second seal of a session", NULL);
        o->seal_index = index;
        memcpy(o->seal_sha256, l->sha256, sizeof o->seal_sha256);
    }
    if (!o->prefix)
        o->prefix = strdup(l->prefix);
    else if (strcmp(o->prefix, l->prefix) != 0)
        complete_problem(p, name, "its session lies elsewhere by another leaf", NULL);
    return o->prefix ? 0 : err_set(p->e, 0, "no memory");
}

/* A believed key hands over to another, and that one says so, too: from here on it is believed. */
static void follow(struct complete_pass *p, const struct dsse *d, const struct leaf_said *said,
                   const char *name) {
    const char *fresh = json_str(json_object_get(said->detail, "new"), "publicKey", "");
    struct err e = { 0 };
    struct sign_key *k = sign_key_from_base64(fresh, &e);
    if (!k || dsse_verify(d, k, &e) < 0) {
        complete_problem(p, name, "a key that did not sign its own coming", "key");
        sign_key_free(k);
    } else if (p->keys.count == 0 || p->keys.count == VERIFY_KEYS_MAX) {
        sign_key_free(k);
    } else {
        memcpy(p->keys.ids[p->keys.count++], sign_key_id(k), SIGN_KEYID_LEN + 1);
        p->followed[p->followed_count++] = k;
    }
}

const struct complete_fallen *complete_fallen(const struct complete_pass *p, const char *id) {
    for (size_t i = 0; i < p->fallen_count; i++)
        if (strcmp(p->fallen[i].id, id) == 0)
            return &p->fallen[i];
    return NULL;
}

static void fall(struct complete_pass *p, uint64_t index, const struct leaf_said *said,
                 const char *name) {
    const char *id = json_str(said->detail, "keyid", "");
    if (strlen(id) != SIGN_KEYID_LEN || p->fallen_count == VERIFY_KEYS_MAX) {
        complete_problem(p, name, "it names no key, or there are too many", NULL);
        return;
    }
    struct complete_fallen *f = &p->fallen[p->fallen_count++];
    *f = (struct complete_fallen){ .since = json_num(said->detail, "since", said->at),
                                   .index = index };
    memcpy(f->id, id, sizeof f->id);
}

/* A bag is measured by what it has to prove; who watched what beside it is told. */
static void odd(struct complete_pass *p, const struct leaf *l, const char *name, const char *text,
                const char *anchor) {
    if (p->w->bag && l->kind != LEAF_KEY && l->kind != LEAF_COMPROMISE)
        complete_note(p, name, text);
    else
        complete_problem(p, name, text, anchor);
}

/* The others carry their statement: who says it must be believed, and say what it is logged as. */
static void carried(struct complete_pass *p, uint64_t index, const struct leaf *l,
                    const char *name) {
    const struct verify_anchor *keys = &p->keys;
    struct dsse d = { 0 };
    struct leaf_said said;
    struct err e = { 0 };
    _json_ json_t *statement = dsse_read(l->envelope, &d, &e) == 0 ? dsse_statement(&d, &e) : NULL;
    _sign_key_ struct sign_key *k = statement && leaf_said(statement, &said, &e) == 0
                                        ? sign_key_from_base64(said.public_key, &e)
                                        : NULL;
    bool believed = false;
    if (!k || dsse_verify(&d, k, &e) < 0) {
        odd(p, l, name, e.text, NULL);
    } else if (said.kind != l->kind ||
               strcmp(said.session ? said.session : "", l->session ? l->session : "") != 0) {
        odd(p, l, name, "its statement is about something else", NULL);
    } else {
        believed = keys->count == 0;
        for (size_t i = 0; i < keys->count; i++)
            believed = believed || strcmp(keys->ids[i], sign_key_id(k)) == 0;
        if (!believed)
            odd(p, l, name, "signed by none of the keys given", "key");
        if (believed && complete_fallen(p, sign_key_id(k))) {
            odd(p, l, name, "signed by a key that had been declared compromised", "log");
            believed = false;
        }
    }
    if (believed && l->kind == LEAF_KEY)
        follow(p, &d, &said, name);
    else if (believed && l->kind == LEAF_COMPROMISE)
        fall(p, index, &said, name);
    struct complete_one *o = l->kind == LEAF_EXPIRY && l->session ? find_one(p, l->session) : NULL;
    if (o)
        o->expired = true;
    dsse_fini(&d);
}

static void measure_tree(struct complete_pass *p, uint64_t size) {
    uint8_t root[MERKLE_HASH];
    bool made = false;
    for (size_t i = 0; i < p->w->anchor->tree_count; i++) {
        struct anchor_tree *t = &p->w->anchor->trees[i];
        if (t->size != size)
            continue;
        if (!made)
            merkle_root(&p->tree, root);
        made = t->met = true;
        if (memcmp(root, t->root, MERKLE_HASH) != 0)
            complete_problem(p, "log",
                             "another log than the one of the anchor: forked, or written anew",
                             t->name);
    }
    for (; p->stamped_next < p->stamped_count && p->stamped[p->stamped_next].size <= size;
         p->stamped_next++) {
        struct complete_stamped *t = &p->stamped[p->stamped_next];
        if (t->size != size)
            continue;
        merkle_root(&p->tree, root);
        t->fits = memcmp(root, t->root, MERKLE_HASH) == 0;
    }
    if (p->note_bytes.len && p->note.size == size) {
        merkle_root(&p->tree, root);
        if (memcmp(root, p->note.root, MERKLE_HASH) != 0)
            complete_problem(p, "log/checkpoint", "its root is not that of the leaves in the store",
                             "key");
    }
}

static void measure_leaf(struct complete_pass *p, uint64_t index, struct slice text) {
    const struct anchor *a = p->w->anchor;
    uint8_t hash[MERKLE_HASH];
    char name[64];
    if (p->event >= a->leaf_count || a->leaves[p->event].index > index)
        return;
    merkle_leaf(text.data, text.len, hash);
    snprintf(name, sizeof name, "log leaf %llu", (unsigned long long)index);
    for (; p->event < a->leaf_count && a->leaves[p->event].index == index; p->event++)
        if (memcmp(hash, a->leaves[p->event].hash, MERKLE_HASH) != 0)
            complete_problem(p, name, "another leaf than the audit event tells", a->leaf_name);
}

int complete_leaf(void *arg, uint64_t index, struct slice text) {
    struct complete_pass *p = arg;
    struct leaf l = { 0 };
    struct err e = { 0 };
    char name[64];
    int r = 0;
    snprintf(name, sizeof name, "log leaf %llu", (unsigned long long)index);
    merkle_add(&p->tree, text.data, text.len);
    measure_leaf(p, index, text);
    if (leaf_parse(text.data, text.len, &l, &e) < 0)
        complete_problem(p, name, e.text, NULL);
    else if (l.kind == LEAF_OPEN || l.kind == LEAF_SEAL)
        r = pair(p, index, &l, name);
    else
        carried(p, index, &l, name);
    if (index < p->log.tail.size)
        p->at[index] = l.at;
    leaf_fini(&l);
    measure_tree(p, index + 1);
    if (p->w->progress && index % 1024 == 0)
        p->w->progress(p->w->arg, index, p->log.tail.size);
    return r < 0 ? 2 : 0;
}
