#include "guacd/term/font_scale.h"

#include <math.h>

#include "guacd/base/util.h"

/* Mean over [x0,x1) * [y0,y1) with the borders' pixels counted by their share. */
static uint32_t mean(const unsigned char *src, int pitch, int w, int h, double x0, double y0,
                     double x1, double y1) {
    double sum[4] = { 0 }, area = 0;
    for (int y = MAX_OF((int)y0, 0); y < MIN_OF((int)ceil(y1), h); y++) {
        double fy = fmin(y + 1, y1) - fmax(y, y0);
        for (int x = MAX_OF((int)x0, 0); x < MIN_OF((int)ceil(x1), w); x++) {
            double f = fy * (fmin(x + 1, x1) - fmax(x, x0));
            const unsigned char *p = src + (long)y * pitch + x * 4;
            for (int k = 0; k < 4; k++)
                sum[k] += f * p[k];
            area += f;
        }
    }
    if (area <= 0)
        return 0;
    uint32_t v[4];
    for (int k = 0; k < 4; k++)
        v[k] = (uint32_t)lrint(sum[k] / area);
    return v[3] << 24 | v[2] << 16 | v[1] << 8 | v[0];
}

void font_scale_bgra(const unsigned char *src, int pitch, int w, int h, uint32_t *out, int out_w,
                     int out_h) {
    if (w <= 0 || h <= 0)
        return;
    double s = fmax((double)w / out_w, (double)h / out_h);
    double ox = (out_w - w / s) / 2, oy = (out_h - h / s) / 2;
    for (int y = 0; y < out_h; y++)
        for (int x = 0; x < out_w; x++) {
            double x0 = (x - ox) * s, y0 = (y - oy) * s;
            uint32_t px = x0 + s <= 0 || y0 + s <= 0 || x0 >= w || y0 >= h
                              ? 0
                              : mean(src, pitch, w, h, fmax(x0, 0), fmax(y0, 0), fmin(x0 + s, w),
                                     fmin(y0 + s, h));
            if (px >> 24)
                out[y * out_w + x] = px;
        }
}
