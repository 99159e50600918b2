/* Checkpoints as C2SP signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note):
 *
 *   <origin>\n<size, decimal>\n<base64 of the root>\n[extension lines]\n
 *   \n
 *   — <name> <base64 of 4 bytes key id | signature>\n        one or more; others' (witnesses) stay
 *
 * Ours are Ed25519 (type 0x01) under the gateway's key, the key's name being the origin. */
#ifndef GUAC_RECORDING_NOTE_H
#define GUAC_RECORDING_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/util.h"
#include "recording/merkle.h"
#include "recording/sign.h"

#define NOTE_MAX 16384
#define NOTE_NAME_MAX 128
#define NOTE_SIGNATURES_MAX 16

struct note {
    struct slice text; /* what is signed, with its last newline */
    char origin[NOTE_NAME_MAX + 1];
    uint64_t size;
    uint8_t root[MERKLE_HASH];
    size_t count;
    struct note_signature {
        struct slice name;
        uint8_t id[4];
        size_t len;
        uint8_t sig[256]; /* other kinds are longer than Ed25519's 64 */
    } signatures[NOTE_SIGNATURES_MAX];
};

/* A name: no blank, no plus, printable ASCII. */
int note_name_valid(const char *name);
/* Appends the whole note. */
int note_sign(const char *origin, uint64_t size, const uint8_t root[MERKLE_HASH],
              const struct sign_key *k, struct buf *out, struct err *e);
/* Pure; slices point into `text`. */
int note_parse(const char *text, size_t len, struct note *out, struct err *e);
/* The id that C2SP gives a key of that name. */
void note_key_id(const char *name, const struct sign_key *k, uint8_t out[4]);
/* 0 when it is signed under this very key by the origin's name. */
int note_verify(const struct note *n, const struct sign_key *k, struct err *e);

#endif
