/* Reading anchors. */
#include "recording/evidence/anchor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/file.h"
#include "recording/list.h"

#define EVENTS_MAX ((size_t)1 << 30)
#define EVENT_LINE_MAX 65536

int anchor_key(struct anchor *a, const char *text, struct err *e) {
    size_t at = a->keys.count;
    if (verify_anchor_add(&a->keys, text, e) < 0)
        return -1;
    if (strlen(text) != SIGN_KEYID_LEN || strspn(text, "0123456789abcdef") != SIGN_KEYID_LEN)
        a->public_keys[at] = sign_key_read_public(text, e);
    return 0;
}

static int add_tree(struct anchor *a, const char *name, uint64_t size, const uint8_t root[32],
                    struct err *e) {
    if (a->tree_count == ANCHOR_TREES_MAX)
        return err_set(e, 0, "at most %d anchors", ANCHOR_TREES_MAX);
    struct anchor_tree *t = &a->trees[a->tree_count++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->size = size;
    memcpy(t->root, root, MERKLE_HASH);
    return 0;
}

int anchor_tree(struct anchor *a, const char *text, struct err *e) {
    char *end;
    uint8_t root[MERKLE_HASH];
    unsigned long long size = strtoull(text, &end, 10);
    if (end != text && *end == ':' && strlen(end + 1) == 64 && list_hash_bytes(end + 1, root))
        return add_tree(a, text, size, root, e);
    struct buf b __attribute__((cleanup(buf_fini)));
    struct note n;
    buf_init(&b, NOTE_MAX);
    if (file_read(text, &b, e) < 0 || note_parse(b.data ? b.data : "", b.len, &n, e) < 0)
        return err_prefix(e, "anchor %s", text);
    for (size_t i = 0, whole = 0, good = 0; i <= a->keys.count; i++) {
        if (i == a->keys.count) {
            if (whole && !good)
                return err_set(e, 0, "anchor %s: signed by none of the keys given", text);
        } else if (a->public_keys[i]) {
            whole++;
            good += note_verify(&n, a->public_keys[i], NULL) == 0;
        }
    }
    return add_tree(a, text, n.size, n.root, e);
}

/* ---- events --------------------------------------------------------------------------------- */

static int by_index(const void *x, const void *y) {
    uint64_t a = ((const struct anchor_leaf *)x)->index, b = ((const struct anchor_leaf *)y)->index;
    return a < b ? -1 : a > b;
}

static int add_event(struct anchor *a, const json_t *event, struct err *e) {
    const json_t *u = json_object_get(event, "unmapped");
    const json_t *c = json_object_get(u, "checkpoint");
    const char *hex = json_str(u, "leaf", ""), *root = json_str(c, "root", "");
    int64_t index = json_num(u, "index", -1), size = json_num(c, "size", 0);
    struct anchor_leaf leaf = { .index = (uint64_t)index };
    uint8_t top[MERKLE_HASH];
    if (index < 0 || strlen(hex) != 64 || !list_hash_bytes(hex, leaf.hash))
        return 0;
    if (a->leaf_count % 1024 == 0) {
        void *more = realloc(a->leaves, (a->leaf_count + 1024) * sizeof *a->leaves);
        if (!more)
            return err_set(e, 0, "no memory for anchors");
        a->leaves = more;
    }
    a->leaves[a->leaf_count++] = leaf;
    /* Of the checkpoints the last one says all that the earlier ones do. */
    if (size > 0 && strlen(root) == 64 && list_hash_bytes(root, top)) {
        struct anchor_tree *t = a->tree_count ? &a->trees[a->tree_count - 1] : NULL;
        if (t && strcmp(t->name, a->leaf_name) == 0) {
            if ((uint64_t)size > t->size) {
                t->size = (uint64_t)size;
                memcpy(t->root, top, sizeof top);
            }
            return 0;
        }
        return add_tree(a, a->leaf_name, (uint64_t)size, top, e);
    }
    return 0;
}

int anchor_events(struct anchor *a, const char *path, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, EVENTS_MAX);
    if (file_read(path, &b, e) < 0)
        return err_prefix(e, "events");
    a->leaf_name = path;
    for (const char *p = b.data, *end = p + b.len; p && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = newline ? (size_t)(newline - p) : (size_t)(end - p);
        if (memmem(p, len, "\"leaf\"", 6)) {
            _json_ json_t *o = json_parse(p, len, EVENT_LINE_MAX, NULL);
            if (o && add_event(a, o, e) < 0)
                return -1;
        }
        p += len + 1;
    }
    if (a->leaf_count)
        qsort(a->leaves, a->leaf_count, sizeof *a->leaves, by_index);
    return a->leaf_count ? 0 : err_set(e, 0, "events: %s tells of no leaf", path);
}

void anchor_fini(struct anchor *a) {
    for (size_t i = 0; i < VERIFY_KEYS_MAX; i++)
        sign_key_free(a->public_keys[i]);
    free(a->leaves);
    *a = (struct anchor){ 0 };
}
