#include "guacd/display/webp.h"

#include <webp/encode.h>

static int on_bytes(const uint8_t *data, size_t len, const WebPPicture *picture) {
    return buf_add(picture->custom_ptr, data, len) == 0;
}

static int encode(const WebPConfig *config, const uint32_t *pixels, size_t stride, int width,
                  int height, struct buf *out) {
    WebPPicture picture;
    if (width < 1 || height < 1 || width > WEBP_SIDE_MAX || height > WEBP_SIDE_MAX ||
        !WebPPictureInit(&picture))
        return -1;
    size_t before = out->len;
    bool failed = out->failed;
    picture.use_argb = config->lossless;
    picture.width = width;
    picture.height = height;
    picture.writer = on_bytes;
    picture.custom_ptr = out;
    bool ok = WebPPictureImportBGRX(&picture, (const uint8_t *)pixels, (int)(stride * 4)) &&
              WebPEncode(config, &picture);
    WebPPictureFree(&picture);
    if (ok)
        return 0;
    out->len = before;
    out->failed = failed;
    return -1;
}

int webp_encode(const uint32_t *pixels, size_t stride, int width, int height, int quality,
                struct buf *out) {
    WebPConfig config;
    if (!WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, (float)quality))
        return -1;
    config.method = 0; /* a picture of a film, for an instant */
    return encode(&config, pixels, stride, width, height, out);
}

int webp_encode_exact(const uint32_t *pixels, size_t stride, int width, int height, int level,
                      struct buf *out) {
    WebPConfig config;
    if (!WebPConfigInit(&config) || !WebPConfigLosslessPreset(&config, level))
        return -1;
    return encode(&config, pixels, stride, width, height, out);
}
