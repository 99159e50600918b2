/* A recorded stream, hostile or not, on its way to a stock player: the same whatever its pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recording/evidence/idle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const char *data, size_t len, size_t piece, struct buf *out) {
    struct idle i;
    idle_init(&i);
    buf_init(out, 64u << 20);
    for (size_t at = 0; at < len; at += piece)
        if (idle_feed(&i, data + at, len - at < piece ? len - at : piece, out) < 0)
            abort();
    if (idle_end(&i, out) < 0)
        abort();
    idle_fini(&i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf whole, pieces;
    if (size < 1)
        return 0;
    feed((const char *)data + 1, size - 1, size, &whole);
    feed((const char *)data + 1, size - 1, 1 + data[0], &pieces);
    if (whole.len < size - 1 || whole.len != pieces.len ||
        (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
        abort();
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
