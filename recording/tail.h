/* The moving end of the log as one object, `log/head` in the head bucket: everything that full
 * tiles do not hold yet. Whoever swaps it has committed (one conditional PUT), and whoever reads it
 * can go on, or write the full tiles that the last one could not.
 *
 *   "guac-log-head-1\n"   u64 size   u64 base   32 bytes root
 *   u8 levels             for each tlog-tiles level 1, 2 …: u16 count < 256, count hashes of 32
 *   u16 entries           for each leaf from base on: u16 length, bytes
 * All big-endian. base is a multiple of 256: leaves before it lie in full tiles under lock. */
#ifndef GUAC_RECORDING_TAIL_H
#define GUAC_RECORDING_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/util.h"
#include "recording/leaf.h"
#include "recording/proof.h"

#define TAIL_LEVELS 6u        /* 256^7 leaves */
#define TAIL_ENTRIES_MAX 511u /* a full tile not yet written, and the beginning of the next */
#define TAIL_BATCH 256u       /* leaves that are committed at once */
#define TAIL_MAX ((size_t)5 << 20)
#define TAIL_PATH 96 /* room for a tile's path */

struct tail {
    uint64_t size, base;
    uint8_t root[MERKLE_HASH];
    unsigned counts[TAIL_LEVELS + 1]; /* [0] unused */
    uint8_t levels[TAIL_LEVELS + 1][PROOF_TILE][MERKLE_HASH];
    size_t entries;
    struct tail_entry {
        size_t at, len; /* in text */
        uint8_t hash[MERKLE_HASH];
    } entry[TAIL_ENTRIES_MAX];
    struct buf text;
};

void tail_init(struct tail *t); /* of an empty log */
void tail_fini(struct tail *t);
int tail_copy(const struct tail *from, struct tail *to, struct err *e); /* `to` was initialised */
/* Pure but for memory: the root must be that of what it holds. */
int tail_parse(const void *data, size_t len, struct tail *out, struct err *e);
int tail_write(const struct tail *t, struct buf *out);
/* A leaf joins; the root is made by tail_seal(). -1: TAIL_ENTRIES_MAX is reached, or no memory. */
int tail_add(struct tail *t, const void *leaf, size_t len, struct err *e);
void tail_seal(struct tail *t);
/* The text of leaf `index`, base <= index < size. */
struct slice tail_leaf(const struct tail *t, uint64_t index);

/* A full tile to be written: its path below `log/` ("tile/0/x001/234") and bytes. */
struct tail_tile {
    char path[TAIL_PATH];
    struct buf data;
};
/* With 256 entries or more: the tiles that those complete (entries, level 0, and what follows), at
 * most `max`; then tail_advance() leaves them out. */
size_t tail_tiles(const struct tail *t, struct tail_tile *out, size_t max);
void tail_advance(struct tail *t);

/* "tile/<L>/<N>" as C2SP spells it; level -1: entries; width 256: full, else ".p/<width>". */
void tail_path(int level, uint64_t n, unsigned width, char out[TAIL_PATH]);
/* Entry bundles: u16 length and bytes each. Pure; fn gets each, non-zero stops and is returned. */
int tail_bundle_each(const void *data, size_t len,
                     int (*fn)(void *arg, size_t i, struct slice leaf), void *arg, struct err *e);

#endif
