#include "guacd/display/copies.h"

#include <string.h>

#include "guacd/display/draw.h"

static uint32_t *at(uint32_t *pixels, int width, int x, int y) {
    return pixels + (size_t)y * (size_t)width + (size_t)x;
}

void copies_move(uint32_t *pixels, int width, const struct copy *c) {
    bool down = c->dst_y > c->src_y;
    for (int i = 0; i < c->height; i++) {
        int row = down ? c->height - 1 - i : i;
        memmove(at(pixels, width, c->dst_x, c->dst_y + row),
                at(pixels, width, c->src_x, c->src_y + row), (size_t)c->width * sizeof(*pixels));
    }
}

void copies_add(struct copies *all, const struct copy *c) {
    if (all->count < COPIES_MAX)
        all->list[all->count++] = *c;
}

static bool any_blurred(const struct copies_frame *f, const struct copy *c) {
    for (int row = c->src_y / f->tile; row <= (c->src_y + c->height - 1) / f->tile; row++)
        for (int col = c->src_x / f->tile; col <= (c->src_x + c->width - 1) / f->tile; col++)
            if (f->photos->blurred[row * f->columns + col])
                return true;
    return false;
}

static void mark(const struct copies_frame *f, const struct copy *c, uint64_t n, uint64_t now_ms) {
    bool blurred = any_blurred(f, c);
    for (int row = c->dst_y / f->tile; row <= (c->dst_y + c->height - 1) / f->tile; row++)
        for (int col = c->dst_x / f->tile; col <= (c->dst_x + c->width - 1) / f->tile; col++) {
            size_t i = (size_t)(row * f->columns + col);
            f->versions[i] = n;
            if (blurred)
                photos_blur(f->photos, i, now_ms);
        }
}

bool copies_replay(struct copies *all, const struct copies_frame *f, uint64_t n, uint64_t now_ms,
                   struct buf *out) {
    for (size_t i = 0; i < all->count; i++) {
        const struct copy *c = &all->list[i];
        copies_move(f->pixels, f->width, c);
        draw_copy(out, 0, c->src_x, c->src_y, c->width, c->height, DRAW_OVER, 0, c->dst_x,
                  c->dst_y);
        mark(f, c, n, now_ms);
    }
    bool any = all->count > 0;
    all->count = 0;
    return any;
}
