/* Findings, and whether chunks follow each other: numbers, hashes, offsets, frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "recording/evidence/verify_impl.h"

/* ---- findings ------------------------------------------------------------------------------- */

/* Names come from listings and may hold anything. */
static void clean(const char *text, char *out, size_t size) {
    size_t n = 0;
    for (; *text && n + 5 < size; text++) {
        if (*text > ' ' && *text <= '~' && *text != '\\')
            out[n++] = *text;
        else
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", (unsigned char)*text);
    }
    out[n] = '\0';
}

static void add(json_t *list, const char *object, const char *key, const char *text) {
    char name[600];
    clean(object, name, sizeof name);
    if (json_array_size(list) < VERIFY_PROBLEMS_MAX)
        json_array_append_new(list, json_pack("{s:s, s:s}", "object", name, key, text));
}

void verify_problem(struct verify_check *c, const char *object, const char *text) {
    c->out->problem_count++;
    add(c->out->problems, object, "problem", text);
}

void verify_note(struct verify_check *c, const char *object, const char *text) {
    add(c->out->notes, object, "note", text);
}

/* ---- chunks --------------------------------------------------------------------------------- */

static void follow(struct verify_check *c, const struct verify_place *p) {
    const struct chunk_header *h = &p->h;
    struct verify_link *l = &c->chains[h->kind];
    if (h->i != l->count)
        verify_problem(c, p->name, "not the next one of its chain: one is missing, or came twice");
    else if (strcmp(h->prev, l->prev) != 0)
        verify_problem(c, p->name, "does not follow the one before: one of the two was replaced");
    if (h->seq0 <= l->last_seq || h->frames == 0 || h->frames > h->seq1 - h->seq0 + 1)
        verify_problem(c, p->name, "its frames are not the next ones");
    l->last_seq = h->seq1;
    l->count = (uint64_t)h->i + 1;
    l->raw += h->raw;
    l->stored += p->len;
    memcpy(l->prev, p->head, HASH_HEX);
    c->frames += h->frames;
    c->sequence = MAX_OF(c->sequence, h->seq1);
}

static void follow_stream(struct verify_check *c, const struct verify_place *p) {
    struct verify_link *l = &c->chains[p->h.kind];
    if (p->h.n != p->h.i)
        verify_problem(c, p->name, "its number is not its place in the chain");
    if (p->h.offset != l->offset)
        verify_problem(c, p->name, "does not begin where the one before ends");
    l->last_offset = p->h.offset;
    l->offset = p->h.offset + p->h.raw;
    follow(c, p);
}

static int by_place(const void *a, const void *b) {
    uint32_t x = ((const struct verify_place *)a)->h.i, y = ((const struct verify_place *)b)->h.i;
    return x < y ? -1 : x > y;
}

/* All that is called `n` was met by now, the data chunk to feed next too, if it ever came. */
void verify_keyframes(struct verify_check *c) {
    const struct verify_link *data = &c->chains[CHAIN_DATA];
    if (c->keyframe_count)
        qsort(c->keyframes, c->keyframe_count, sizeof *c->keyframes, by_place);
    for (size_t i = 0; i < c->keyframe_count; i++) {
        const struct verify_place *p = &c->keyframes[i];
        uint64_t n = p->h.n;
        if (data->count != n && data->count != n + 1)
            verify_problem(c, p->name, "stands before a data chunk that is not there");
        else if (p->h.offset != (data->count == n ? data->offset : data->last_offset))
            verify_problem(c, p->name, "stands elsewhere than the data chunk behind it");
        follow(c, p);
    }
    c->keyframe_count = 0;
}

void verify_place(struct verify_check *c, const struct verify_place *p) {
    if (c->keyframe_count &&
        (p->h.n != c->keyframes[0].h.n || c->keyframe_count == VERIFY_KEYFRAMES_MAX))
        verify_keyframes(c);
    if (p->h.kind != CHAIN_KEYFRAME)
        follow_stream(c, p);
    else if (c->keyframes)
        c->keyframes[c->keyframe_count++] = *p;
}

/* One that cannot be read itself, as the sealed list describes it: so the next ones are measured.
 */
void verify_place_listed(struct verify_check *c, const struct list_entry *l) {
    const struct verify_link *link = &c->chains[l->kind];
    struct verify_place p = { .h = { .kind = l->kind,
                                     .n = l->n,
                                     .i = l->i,
                                     .offset = l->offset,
                                     .raw = l->raw,
                                     .seq0 = l->seq0,
                                     .seq1 = l->seq1,
                                     .frames = l->frames },
                              .len = l->size };
    memcpy(p.name, l->name, sizeof p.name);
    memcpy(p.head, l->head, sizeof p.head);
    memcpy(p.h.prev, link->prev, HASH_HEX);
    verify_place(c, &p);
}
