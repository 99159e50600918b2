/* Inside of a surface: what surface.c (the backend's thread) and surface_seal.c (the wire thread)
 * say to each other. */
#ifndef GUAC_DISPLAY_SURFACE_IMPL_H
#define GUAC_DISPLAY_SURFACE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "guacd/display/copies.h"
#include "guacd/display/moves.h"
#include "guacd/display/photo.h"
#include "guacd/display/png.h"
#include "guacd/display/surface.h"
#include "guacd/display/tiles.h"

struct cursor {
    int width, height, hot_x, hot_y;
    uint32_t *pixels;
};

struct surface {
    struct picture picture;
    pthread_mutex_t lock; /* guards what the backend writes, down to held */
    uint32_t *pixels;
    int width, height;
    bool *touched; /* tiles that may differ from what was sealed */
    struct cursor cursor;
    bool resized, cursor_changed;
    struct copies copies;
    bool held, lossless;
    atomic_bool blurred; /* as of the last sealed frame */

    /* As of the last sealed frame; the wire thread's alone. */
    uint32_t *sealed;
    int sealed_width, sealed_height;
    uint64_t *versions; /* a tile's last frame */
    struct tile_box *boxes;
    uint64_t frame, size_frame, cursor_frame;
    struct cursor sealed_cursor;
    struct png_encoder *png;
    struct photos photos;
    struct moves moves;
};

static inline int surface_columns(int width) {
    return (width + SURFACE_TILE - 1) / SURFACE_TILE;
}

static inline size_t surface_tiles(int width, int height) {
    return (size_t)surface_columns(width) * (size_t)surface_columns(height);
}

extern const struct picture_impl surface_seal_impl;
void surface_seal_fini(struct surface *s);
/* The tiles of a rectangle that lies inside may differ. With the lock. */
void surface_touch(struct surface *s, int x, int y, int width, int height);

#endif
