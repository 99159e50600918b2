/* guac-evidence keys: which gateways' keys the log knows, and what became of each. A statement in
 * the log counts as far as its own signature fits; whether its signer is to be believed is for
 * `verify --key` to say, and for the reader of `by`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/dsse.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/print.h"
#include "recording/evidence/progress.h"
#include "recording/log.h"
#include "recording/name.h"

#define KEYS_MAX 65536u /* what a forged log can make of our memory is 16 MB */

/* What a leaf says of a key; index -1: nothing. */
struct said {
    int64_t index, at;
    char by[SIGN_KEYID_LEN + 1]; /* who says it: of a handing over, the other of the two keys */
};

struct key {
    char id[SIGN_KEYID_LEN + 1];
    int64_t first, last; /* Unix ms of leaves with statements of its own; 0: none */
    struct said came, left, fell;
    int64_t since; /* of the compromise */
    bool signs;    /* the newest checkpoint */
};

struct keys {
    struct key **list, *last; /* the one that was met last: most leaves are in runs of one key */
    size_t count, cap;
    bool full;
    struct log log;
    struct note note;
    struct progress bar;
    struct err *e;
};

static struct key *add_key(struct keys *k, const char *id) {
    if (k->count == k->cap) {
        size_t cap = k->cap ? 2 * k->cap : 64;
        struct key **more = cap <= KEYS_MAX ? realloc(k->list, cap * sizeof(struct key *)) : NULL;
        if (!more)
            return NULL;
        k->list = more;
        k->cap = cap;
    }
    struct key *new = malloc(sizeof *new);
    if (!new)
        return NULL;
    *new = (struct key){ .came.index = -1, .left.index = -1, .fell.index = -1 };
    memcpy(new->id, id, sizeof new->id);
    return k->list[k->count++] = new;
}

static struct key *key_of(struct keys *k, const char *id) {
    if (k->last && strcmp(k->last->id, id) == 0)
        return k->last;
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->list[i]->id, id) == 0)
            return k->last = k->list[i];
    if (strlen(id) != SIGN_KEYID_LEN)
        return NULL;
    struct key *new = add_key(k, id);
    k->full |= !new;
    return new;
}

/* The first leaf that says so counts: a later one cannot take it back. */
static void note_said(struct said *s, uint64_t index, int64_t at, const char *by) {
    if (s->index >= 0)
        return;
    *s = (struct said){ .index = (int64_t)index, .at = at };
    snprintf(s->by, sizeof s->by, "%s", by);
}

/* ---- from the leaves ------------------------------------------------------------------------ */

static void handed_over(struct keys *k, uint64_t index, const struct dsse *d,
                        const struct leaf_said *said, const char *signer) {
    const json_t *new = json_object_get(said->detail, "new");
    _sign_key_ struct sign_key *fresh = sign_key_from_base64(json_str(new, "publicKey", ""), NULL);
    if (!fresh || dsse_verify(d, fresh, NULL) < 0 || strcmp(sign_key_id(fresh), signer) == 0)
        return;
    struct key *to = key_of(k, sign_key_id(fresh)), *from = key_of(k, signer);
    if (to && from) {
        note_said(&to->came, index, said->at, signer);
        note_said(&from->left, index, said->at, to->id);
    }
}

static void fell(struct keys *k, uint64_t index, const struct leaf_said *said, const char *signer) {
    struct key *victim = key_of(k, json_str(said->detail, "keyid", ""));
    if (!victim)
        return;
    if (victim->fell.index < 0)
        victim->since = json_num(said->detail, "since", said->at);
    note_said(&victim->fell, index, said->at, signer);
}

static void statement_of(struct keys *k, uint64_t index, const struct leaf *l) {
    struct dsse d = { 0 };
    struct leaf_said said;
    _json_ json_t *statement =
        dsse_read(l->envelope, &d, NULL) == 0 ? dsse_statement(&d, NULL) : NULL;
    _sign_key_ struct sign_key *signer = statement && leaf_said(statement, &said, NULL) == 0
                                             ? sign_key_from_base64(said.public_key, NULL)
                                             : NULL;
    if (signer && said.kind == l->kind && dsse_verify(&d, signer, NULL) == 0) {
        struct key *own = key_of(k, sign_key_id(signer));
        if (own) {
            own->first = own->first ? MIN_OF(own->first, said.at) : said.at;
            own->last = MAX_OF(own->last, said.at);
        }
        if (l->kind == LEAF_KEY)
            handed_over(k, index, &d, &said, sign_key_id(signer));
        else if (l->kind == LEAF_COMPROMISE)
            fell(k, index, &said, sign_key_id(signer));
    }
    dsse_fini(&d);
}

static int on_leaf(void *arg, uint64_t index, struct slice text) {
    struct keys *k = arg;
    struct leaf l = { 0 };
    progress_tell(&k->bar, index, k->log.tail.size);
    if (!memmem(text.data, text.len, "\"envelope\"", 10))
        return 0; /* open and seal: their statement lies beside the recording */
    if (leaf_parse(text.data, text.len, &l, NULL) == 0 && l.envelope)
        statement_of(k, index, &l);
    leaf_fini(&l);
    return 0;
}

/* ---- from beside the log -------------------------------------------------------------------- */

/* keys/<id>.pem, of each gateway that ever signed a checkpoint. */
static int on_pem(void *arg, const struct store_entry *entry) {
    struct keys *k = arg;
    struct buf pem __attribute__((cleanup(buf_fini)));
    buf_init(&pem, 4096);
    if (entry->folder || store_get(k->log.store, entry->key, NULL, &pem, NULL, NULL) != STORE_OK)
        return 0;
    _sign_key_ struct sign_key *own = sign_key_from_pem(buf_str(&pem), pem.len, NULL);
    struct key *key = own ? key_of(k, sign_key_id(own)) : NULL;
    if (key)
        key->signs = k->note.size && note_verify(&k->note, own, NULL) == 0;
    return 0;
}

static int read_all(struct keys *k, struct buf *note) {
    char folder[128];
    enum store_result r = log_checkpoint_get(&k->log, note, NULL, k->e);
    if (r == STORE_OK && note_parse(note->data, note->len, &k->note, k->e) < 0)
        return -1;
    if ((r != STORE_OK && r != STORE_MISSING) || log_refresh(&k->log, k->e) != STORE_OK ||
        log_each(&k->log, 0, k->log.tail.size, on_leaf, k, k->e) < 0)
        return -1;
    *k->e = (struct err){ 0 };
    snprintf(folder, sizeof folder, "%s/keys", k->log.bucket);
    r = store_list(k->log.store, folder, on_pem, k, k->e);
    if (k->full)
        return err_set(k->e, 0, "the log names more than %u keys, or there is no memory for them",
                       KEYS_MAX);
    return r == STORE_OK || r == STORE_MISSING ? 0 : -1;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static const char *state_of(const struct key *k) {
    return k->fell.index >= 0   ? "compromised"
           : k->left.index >= 0 ? "handed over"
           : k->signs           ? "in use"
                                : "seen";
}

static json_t *said_json(const struct said *s, const char *member) {
    return s->index < 0 ? NULL
                        : json_pack("{s:I, s:I, s:s}", "leaf", (json_int_t)s->index, "at",
                                    (json_int_t)s->at, member, s->by);
}

static json_t *key_json(const struct key *k) {
    json_t *o = json_pack("{s:s, s:s, s:b, s:o*, s:o*, s:o*}", "keyid", k->id, "state", state_of(k),
                          "signsCheckpoint", k->signs, "from", said_json(&k->came, "by"), "until",
                          said_json(&k->left, "to"), "compromised", said_json(&k->fell, "by"));
    if (o && k->first) {
        json_object_set_new(o, "firstAt", json_integer(k->first));
        json_object_set_new(o, "lastAt", json_integer(k->last));
    }
    if (o && k->fell.index >= 0)
        json_object_set_new(json_object_get(o, "compromised"), "since", json_integer(k->since));
    return o;
}

static void print_said(const char *title, const struct said *s, const char *word) {
    char when[32];
    if (s->index < 0)
        return;
    clock_format((uint64_t)s->at, when, sizeof when);
    printf("  %-12s%s  leaf %lld, %s %s\n", title, when, (long long)s->index, word, s->by);
}

static int print_key(const struct key *k, bool json, struct err *e) {
    char when[32];
    if (json) {
        _json_ json_t *o = key_json(k);
        return print_json(o, e);
    }
    printf("%s  %s%s\n", k->id, state_of(k), k->signs ? ", signs the newest checkpoint" : "");
    print_said("from", &k->came, "announced by");
    print_said("until", &k->left, "handed over to");
    print_said("compromised", &k->fell, "said by");
    if (k->fell.index >= 0) {
        clock_format((uint64_t)k->since, when, sizeof when);
        printf("  %-12s%s\n", "since", when);
    }
    return 0;
}

int command_keys(struct evidence *v, char **words, size_t count, struct err *e) {
    _free_ struct keys *k = calloc(1, sizeof *k);
    struct buf note __attribute__((cleanup(buf_fini)));
    buf_init(&note, NOTE_MAX);
    if (count)
        return gateway_keys(v, words, count, e);
    if (!v->store || !k) {
        err_set(e, 0, v->store ? "no memory" : "keys needs a store (--store)");
        return 2;
    }
    k->e = e;
    log_init_reader(&k->log, v->store, evidence_log_bucket(v));
    progress_init(&k->bar, !v->config->json);
    int r = read_all(k, &note);
    progress_done(&k->bar);
    for (size_t i = 0; r == 0 && i < k->count; i++)
        r = print_key(k->list[i], v->config->json, e);
    log_fini(&k->log);
    for (size_t i = 0; i < k->count; i++)
        free(k->list[i]);
    free(k->list);
    return r < 0 ? 2 : 0;
}
