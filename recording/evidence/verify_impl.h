/* Between the verifier (verify.c), its eye for order (verify_chain.c) and for signatures
 * (verify_envelope.c). */
#ifndef GUAC_EVIDENCE_VERIFY_IMPL_H
#define GUAC_EVIDENCE_VERIFY_IMPL_H

#include "recording/evidence/verify.h"
#include "recording/list.h"

/* A chain as far as it was followed. */
struct verify_link {
    uint64_t count, raw, stored;
    uint64_t offset, last_offset; /* behind the last chunk, and where that one began */
    uint64_t last_seq;
    bool gap;
    char prev[HASH_HEX];
};

/* A chunk's place in its chain. Names sort keyframes with one number by the text of their time, so
 * those are put in order first. */
struct verify_place {
    char name[NAME_SIZE], head[HASH_HEX];
    struct chunk_header h;
    uint64_t len;
};
#define VERIFY_KEYFRAMES_MAX 1024 /* before one data chunk */

struct verify_check {
    struct reading *r;
    const struct verify_anchor *anchor;
    struct verify_report *out;
    struct sign_key *session; /* NULL: unknown, then signatures cannot be checked */
    struct verify_link chains[CHAIN_KINDS];
    uint64_t frames, sequence;
    struct verify_place *keyframes;
    size_t keyframe_count;
    struct buf object;
    struct err *e;
};

void verify_problem(struct verify_check *c, const char *object, const char *text);
void verify_note(struct verify_check *c, const char *object, const char *text);
/* The open record, which tells the session's key; and the seal, when there is one. */
void verify_open(struct verify_check *c);
void verify_seal(struct verify_check *c);
/* The next chunk by name: does it follow? */
void verify_place(struct verify_check *c, const struct verify_place *p);
/* One that cannot be read itself, as the sealed list describes it: so the next ones are measured.
 */
void verify_place_listed(struct verify_check *c, const struct list_entry *l);
/* Keyframes that wait for their place; at the end, too. */
void verify_keyframes(struct verify_check *c);

#endif
