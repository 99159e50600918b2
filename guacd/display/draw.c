#include "guacd/display/draw.h"

#include "guacd/proto/instr.h"

static void ints(struct buf *out, const char *opcode, const int *values, size_t count) {
    instr_begin(out, opcode);
    for (size_t i = 0; i < count; i++)
        instr_int(out, values[i]);
    instr_end(out);
}
#define PUT_INTS(out, opcode, ...) \
    ints(out, opcode, (const int[]){ __VA_ARGS__ }, \
         sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

void draw_size(struct buf *out, int layer, int width, int height) {
    PUT_INTS(out, "size", layer, width, height);
}

void draw_fill(struct buf *out, int layer, int x, int y, int width, int height, uint32_t color) {
    PUT_INTS(out, "rect", layer, x, y, width, height);
    PUT_INTS(out, "cfill", DRAW_OVER, layer, (int)(color >> 16 & 0xFF), (int)(color >> 8 & 0xFF),
             (int)(color & 0xFF), 255);
}

void draw_copy(struct buf *out, int src, int sx, int sy, int width, int height, enum draw_mask mask,
               int dst, int dx, int dy) {
    PUT_INTS(out, "copy", src, sx, sy, width, height, (int)mask, dst, dx, dy);
}

void draw_move(struct buf *out, int layer, int parent, int x, int y, int z) {
    PUT_INTS(out, "move", layer, parent, x, y, z);
}

void draw_dispose(struct buf *out, int layer) {
    PUT_INTS(out, "dispose", layer);
}

void draw_image(struct buf *out, enum draw_mask mask, int layer, const char *mimetype, int x, int y,
                const void *data, size_t len) {
    instr_begin(out, "img");
    instr_int(out, DRAW_STREAM);
    instr_int(out, (int)mask);
    instr_int(out, layer);
    instr_str(out, mimetype);
    instr_int(out, x);
    instr_int(out, y);
    instr_end(out);
    instr_blobs(out, DRAW_STREAM, data, len);
}

void draw_cursor(struct buf *out, int hot_x, int hot_y, int src, int sx, int sy, int width,
                 int height) {
    PUT_INTS(out, "cursor", hot_x, hot_y, src, sx, sy, width, height);
}
