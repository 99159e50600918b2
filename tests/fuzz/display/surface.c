/* Drawing by a target that lies about every coordinate: nothing is written outside, and what comes
 * out are whole instructions. */
#include "guacd/display/surface.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/proto/instr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void whole(const struct buf *b) {
    bool bad = false;
    if (b->failed || instr_whole(b->data, b->len, COUNT_CODE_POINTS, &bad) != b->len || bad)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint32_t pixels[512 * 512];
    struct surface *s = surface_new(200, 150);
    struct picture *p = surface_picture(s);
    const struct picture_caps caps = { .jpeg = size & 1,
                                       .webp = size & 2,
                                       .thrift = size >> 2 & 3 };
    uint64_t n = 0;
    struct buf b;
    buf_init(&b, 64u << 20);
    for (; size >= 13; data += 13, size -= 13) {
        int16_t v[6];
        memcpy(v, data + 1, sizeof(v));
        int w = abs(v[2]) % 512, h = abs(v[3]) % 512;
        pixels[(size_t)(v[4] & 0xFFFF)] = (uint32_t)v[5] * 65793u;
        switch (data[0] % 8) {
        case 0:
            surface_fill(s, v[0], v[1], v[2], v[3], (uint32_t)v[4]);
            break;
        case 1:
            surface_put(s, v[0], v[1], w, h, pixels, 512);
            break;
        case 2:
            surface_copy(s, v[0], v[1], v[2], v[3], v[4], v[5]);
            break;
        case 3:
            surface_cursor(s, v[2], w ? h : 1, v[0], v[1], pixels);
            break;
        case 4:
            surface_resize(s, v[0] % 600, v[1] % 600);
            break;
        case 7: { /* a move nobody tells of */
            int all_w, all_h;
            size_t stride;
            surface_get_size(s, &all_w, &all_h);
            uint32_t *px = surface_begin(s, &stride);
            size_t all = (size_t)all_w * (size_t)all_h, by = (size_t)(v[0] & 0x7FFF) % all;
            memmove(px + by, px, (all - by) * sizeof(*px));
            surface_end(s, 0, 0, all_w, all_h);
            break;
        }
        case 5:
            buf_clear(&b);
            p->impl->paint(p, n ? (uint64_t)abs(v[0]) % n : 0, &caps, &b);
            whole(&b);
            break;
        default:
            buf_clear(&b);
            n += p->impl->frame(p, n + 1, &caps, &b);
            whole(&b);
        }
    }
    buf_fini(&b);
    surface_free(s);
    return 0;
}
