/* A recording as a reader sees it: what is listed under its prefix, its open record, its seal if
 * there is one. Nothing is believed here but names; verify.h checks the rest. */
#ifndef GUAC_EVIDENCE_READING_H
#define GUAC_EVIDENCE_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recording/chunk.h"
#include "recording/dsse.h"
#include "recording/statement.h"
#include "recording/store.h"

#define READING_OBJECTS_MAX 2000000u

struct reading_object {
    char *name; /* as listed: may be anything */
    bool known; /* it is one of ours, and this is what it says: */
    struct name as;
    uint64_t size;
};

/* An envelope as stored. */
struct reading_envelope {
    bool there;
    struct buf bytes;
    struct dsse dsse;
    json_t *statement; /* NULL: cannot be read, `why` tells */
    struct err why;
    char sha256[HASH_HEX];
    struct store_meta meta;
};

struct reading {
    struct store *store; /* the caller's */
    char prefix[NAME_PREFIX_SIZE];
    struct reading_object *objects; /* by name */
    size_t count;
    struct reading_envelope open_envelope, seal_envelope;
    struct open_record open; /* when open_envelope.statement */
    struct seal_record seal; /* when seal_envelope.statement */
};

/* Zeroed is valid to finish. -1: the store cannot be read, or nothing is there. */
int reading_init(struct reading *r, struct store *s, const char *prefix, struct err *e);
/* Without the two envelopes. */
int reading_list(struct reading *r, struct store *s, const char *prefix, struct err *e);
int reading_envelopes(struct reading *r, struct err *e);
void reading_fini(struct reading *r);
const struct reading_object *reading_find(const struct reading *r, const char *name);
/* A whole object; version NULL: the current one. out is cleared first. */
enum store_result reading_get(struct reading *r, const char *name, const char *version,
                              struct buf *out, struct err *e);

/* Sets r->open or r->seal from an envelope read elsewhere; e as in statement.h. */
int reading_parse_open(struct reading_envelope *v, struct open_record *out);
int reading_parse_seal(struct reading_envelope *v, struct seal_record *out);
void reading_envelope_fini(struct reading_envelope *v);
/* One envelope; `there` false when there is none. */
int reading_envelope_get(struct store *s, const char *prefix, const char *name,
                         struct reading_envelope *v, struct err *e);

#endif
