/* The pointer's shape: drawn by the browser, since the server sends shapes and not pixels. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/util.h"

struct pointer {
    rdpPointer base;
    uint32_t *pixels; /* 0xAARRGGBB */
};

static BOOL on_new(rdpContext *context, rdpPointer *base) {
    struct pointer *p = (struct pointer *)base;
    if (base->width < 1 || base->height < 1 || base->width > SURFACE_CURSOR_MAX ||
        base->height > SURFACE_CURSOR_MAX)
        return TRUE; /* shown as the one before */
    p->pixels = calloc((size_t)base->width * base->height, sizeof(*p->pixels));
    return p->pixels && freerdp_image_copy_from_pointer_data(
                            (BYTE *)p->pixels, PIXEL_FORMAT_BGRA32, 0, 0, 0, base->width,
                            base->height, base->xorMaskData, base->lengthXorMask, base->andMaskData,
                            base->lengthAndMask, base->xorBpp, &context->gdi->palette);
}

static void on_free(rdpContext *context, rdpPointer *base) {
    (void)context;
    struct pointer *p = (struct pointer *)base;
    free(p->pixels);
    p->pixels = NULL;
}

static BOOL on_set(rdpContext *context, rdpPointer *base) {
    const struct pointer *p = (const struct pointer *)base;
    struct rdp *r = rdp_of(context);
    if (!p->pixels)
        return TRUE;
    surface_cursor(r->surface, (int)base->width, (int)base->height,
                   (int)MIN_OF(base->xPos, base->width - 1),
                   (int)MIN_OF(base->yPos, base->height - 1), p->pixels);
    session_damage(r->session);
    return TRUE;
}

static BOOL on_null(rdpContext *context) {
    static const uint32_t nothing[1];
    struct rdp *r = rdp_of(context);
    surface_cursor(r->surface, 1, 1, 0, 0, nothing);
    session_damage(r->session);
    return TRUE;
}

/* The arrow that "default" means: o its edge, # inside. */
static const char *const arrow[] = {
    "o           ", "oo          ", "o#o         ", "o##o        ", "o###o       ",
    "o####o      ", "o#####o     ", "o######o    ", "o#######o   ", "o########o  ",
    "o#########o ", "o##########o", "o######ooooo", "o###o##o    ", "o##oo##o    ",
    "o#o  o##o   ", "oo   o##o   ", "o     o##o  ", "      o##o  ", "       oo   ",
};

static BOOL on_default(rdpContext *context) {
    enum { W = 12, H = ARRAY_LEN(arrow) };
    uint32_t pixels[W * H];
    for (size_t i = 0; i < W * H; i++) {
        char c = arrow[i / W][i % W];
        pixels[i] = c == 'o' ? 0xFF000000 : c == '#' ? 0xFFFFFFFF : 0;
    }
    struct rdp *r = rdp_of(context);
    surface_cursor(r->surface, W, H, 0, 0, pixels);
    session_damage(r->session);
    return TRUE;
}

void rdp_pointer_init(rdpContext *context) {
    const rdpPointer prototype = {
        .size = sizeof(struct pointer),
        .New = on_new,
        .Free = on_free,
        .Set = on_set,
        .SetNull = on_null,
        .SetDefault = on_default,
    };
    graphics_register_pointer(context->graphics, &prototype);
    on_default(context);
}
