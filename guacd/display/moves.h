/* Finds what moved between two frames, for targets that do not say it: text that scrolls, windows
 * that slide. Lines of a strip one tile wide that occur once in the old frame vote for how far they
 * moved; neighbouring strips that moved alike make one copy. Rows first, and where none moved,
 * columns. A frame of which nothing moved makes the next ones be left out, up to MOVES_SKIP_MAX, so
 * that films do not pay for it. */
#ifndef GUAC_DISPLAY_MOVES_H
#define GUAC_DISPLAY_MOVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/display/copies.h"

#define MOVES_TILES_MIN 12 /* that differ: less is not worth the search */
#define MOVES_LINES_MIN 16 /* of a move */
#define MOVES_SKIP_MAX 8   /* frames after one without moves */

struct moves {
    uint32_t *now, *old; /* hashes of lines */
    struct moves_slot *slots;
    uint16_t *votes;
    int cap; /* lines */
    unsigned misses, skip;
};

/* Two frames of the same size, rows without gaps. */
struct moves_frames {
    const uint32_t *now, *old;
    int width, height;
    const bool *differs; /* tiles of `tile` pixels, in rows of `columns` */
    int columns, rows, tile;
};

void moves_fini(struct moves *m); /* zeroed is fine */
/* Adds copies that bring `old` nearer to `now`; they need not be exact at their edges. How many.
 * 0 without memory, too. */
size_t moves_find(struct moves *m, const struct moves_frames *f, struct copies *out);

#endif
