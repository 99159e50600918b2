/* Little-endian numbers out of and into messages of fields. */
#ifndef GUAC_RDP_BYTES_H
#define GUAC_RDP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

struct bytes {
    const uint8_t *p;
    size_t left;
    bool bad; /* asked for more than there is: what was read then is 0 */
};

static inline void bytes_skip(struct bytes *in, size_t n) {
    in->bad |= in->left < n;
    n = in->left < n ? in->left : n;
    in->p += n;
    in->left -= n;
}

static inline uint64_t bytes_get(struct bytes *in, unsigned n) {
    uint64_t v = 0;
    const uint8_t *p = in->p;
    bool there = in->left >= n;
    bytes_skip(in, n);
    for (unsigned i = 0; there && i < n; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static inline uint32_t bytes_u32(struct bytes *in) {
    return (uint32_t)bytes_get(in, 4);
}

static inline void bytes_put(struct buf *out, uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; i++, v >>= 8)
        buf_putc(out, (char)(v & 0xFF));
}

#endif
