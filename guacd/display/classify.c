#include "guacd/display/classify.h"

#define EVERY 4
#define SMALL_MAX 12
#define PERCENT 15

static unsigned small_steps(const uint32_t *row, int width) {
    unsigned count = 0;
    for (int x = 1; x < width; x++) {
        int step = (int)(row[x] >> 8 & 0xFF) - (int)(row[x - 1] >> 8 & 0xFF);
        /* 1 to 12 either way, as one comparison, so that the loop becomes SIMD. */
        unsigned size = (unsigned)(step < 0 ? -step : step);
        count += size - 1u < SMALL_MAX;
    }
    return count;
}

bool classify_photo(const uint32_t *pixels, size_t stride, int width, int height) {
    if (width < 2 || height < 1)
        return false;
    unsigned small = 0, all = 0;
    for (int y = 0; y < height; y += EVERY) {
        small += small_steps(pixels + (size_t)y * stride, width);
        all += (unsigned)width - 1;
    }
    return small * 100 >= all * PERCENT;
}
