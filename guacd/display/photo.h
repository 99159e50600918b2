/* Photographs and films in a picture of tiles: sent as JPEG while they change, once more exactly
 * when they rest. A tile is blurred from the frame that sent it as JPEG until the one that sends it
 * as PNG; both raise its version, so whoever shows a frame between the two gets the exact one, too.
 */
#ifndef GUAC_DISPLAY_PHOTO_H
#define GUAC_DISPLAY_PHOTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/display/jpeg.h"
#include "guacd/display/tiles.h"

#define PHOTO_REST_MS 900    /* unchanged for so long, a tile is sent exactly */
#define PHOTO_SHARPEN_MAX 64 /* tiles a frame: a megabyte at most, and 10 ms; less with thrift */
#define PHOTO_SHARPEN_MIN 4  /* of them, whatever the thrift */
#define PHOTO_AREA_MIN 1024  /* pixels; less is not worth a JPEG's tables */

struct photos {
    struct jpeg_encoder *jpeg; /* made when first needed */
    bool *blurred, *chosen;    /* a tile each */
    uint64_t *changed_ms;
    size_t count; /* of tiles */
    size_t blurred_count;
};

void photos_fini(struct photos *p); /* zeroed is fine */
/* All tiles anew, none blurred. -1 without memory: as before. */
int photos_resize(struct photos *p, size_t tiles);
/* Tile `dst` now shows what was copied from somewhere blurred. */
void photos_blur(struct photos *p, size_t dst, uint64_t now_ms);
/* Puts whole tiles that rest into boxes (of t) that are empty. true: there were some. */
bool photos_sharpen(struct photos *p, const struct tiles *t, struct tile_box *boxes,
                    unsigned thrift, uint64_t now_ms);
/* Decides for each box whether it goes out as JPEG (never, unless allowed). A blurred tile that
 * does not is sent whole, and is exact then. */
void photos_choose(struct photos *p, const struct tiles *t, struct tile_box *boxes, bool allowed,
                   uint64_t now_ms);
/* For a canvas that catches up: blurred tiles as JPEG, where allowed. */
void photos_repeat(struct photos *p, const struct tiles *t, bool allowed);
/* Sends the chosen boxes and empties them; what cannot be sent is left for PNG. The more thrift,
 * the coarser; with the most as WebP where caps have it, a third smaller. */
void photos_put(struct photos *p, const struct tiles *t, struct tile_box *boxes, int layer,
                const struct picture_caps *caps, struct buf *out);

#endif
