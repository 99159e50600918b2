/* What a target moved inside its screen since the last frame, to be told as `copy` instead of
 * pixels. */
#ifndef GUAC_DISPLAY_COPIES_H
#define GUAC_DISPLAY_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/display/photo.h"

#define COPIES_MAX 64 /* a frame; what goes beyond is sent as pixels */

struct copy {
    int src_x, src_y, width, height, dst_x, dst_y;
};

struct copies {
    struct copy list[COPIES_MAX]; /* in order */
    size_t count;
};

/* The last frame: tiles of `tile` pixels, pixels without gaps between rows. */
struct copies_frame {
    uint32_t *pixels;
    int width, columns, tile;
    uint64_t *versions;
    struct photos *photos;
};

/* Moves pixels; rectangles may overlap and lie inside. */
void copies_move(uint32_t *pixels, int width, const struct copy *c);
void copies_add(struct copies *all, const struct copy *c);
/* Does to the frame, and by `copy` to the canvases that show it, what was done to the screen; the
 * tiles it went to belong to frame n then, and are blurred if their source was. It need not be
 * exact (a source may have been painted over before): whoever compares afterwards mends the rest.
 * true: there were some; none are left. */
bool copies_replay(struct copies *all, const struct copies_frame *f, uint64_t n, uint64_t now_ms,
                   struct buf *out);

#endif
