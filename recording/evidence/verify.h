/* Whether a recording is what its seal says: signatures, hashes, chains, list, root, counters; what
 * is missing, changed, swapped or added is named. */
#ifndef GUAC_EVIDENCE_VERIFY_H
#define GUAC_EVIDENCE_VERIFY_H

#include <jansson.h>
#include <stdbool.h>

#include "recording/evidence/reading.h"

#define VERIFY_KEYS_MAX 16
#define VERIFY_PROBLEMS_MAX 1000

/* What the verifier believes beforehand: fingerprints (key ids) of gateways. */
struct verify_anchor {
    char ids[VERIFY_KEYS_MAX][SIGN_KEYID_LEN + 1];
    size_t count;
};
/* A PEM file with a public key, or a fingerprint of 64 hex digits. */
int verify_anchor_add(struct verify_anchor *a, const char *text, struct err *e);

enum verify_result {
    VERIFY_PROVED = 0,     /* everything fits, signed by an anchored key */
    VERIFY_BROKEN = 1,     /* something does not; problems say what */
    VERIFY_UNANCHORED = 3, /* everything fits in itself: no anchor was given, or not sealed yet */
};

struct verify_report {
    enum verify_result result;
    bool sealed;
    json_t *problems; /* [{"object", "problem"}]; at most VERIFY_PROBLEMS_MAX, then counted only */
    json_t *notes;    /* [{"object", "note"}]: no reason for doubt, but worth knowing */
    size_t problem_count;
    uint64_t objects, bytes; /* read */
    char root[HASH_HEX];
};

/* -1: the store could not be read (e). The report is the caller's to finish in any case. */
int verify_run(struct reading *r, const struct verify_anchor *a, struct verify_report *out,
               struct err *e);
void verify_report_fini(struct verify_report *r);
json_t *verify_report_json(const struct verify_report *v, const struct reading *r);

#endif
