/* Pixels: the library draws into the surface itself, and holds it between the beginning and the
 * end of an update. */
#include <malloc.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static BOOL on_begin(rdpContext *context) {
    struct rdp *r = rdp_of(context);
    HGDI_WND w = context->gdi->primary->hdc->hwnd;
    size_t stride;
    w->invalid->null = TRUE;
    w->ninvalid = 0;
    if (!r->held)
        surface_hold(r->surface, &stride);
    r->held = true;
    return TRUE;
}

static BOOL on_end(rdpContext *context) {
    struct rdp *r = rdp_of(context);
    HGDI_WND w = context->gdi->primary->hdc->hwnd;
    if (!r->held)
        return TRUE;
    bool changed = !w->invalid->null && w->ninvalid > 0;
    size_t stride;
    for (INT32 i = 0; changed && i < w->ninvalid; i++) {
        const GDI_RGN *c = &w->cinvalid[i];
        surface_begin(r->surface, &stride);
        surface_end(r->surface, c->x, c->y, c->w, c->h);
    }
    w->invalid->null = TRUE;
    w->ninvalid = 0;
    r->held = false;
    surface_release(r->surface, 0, 0, 0, 0);
    if (changed) {
        r->sharpen_ms = clock_ms() + RDP_SHARPEN_MS;
        session_damage(r->session);
    }
    return TRUE;
}

/* ---- codecs: each takes megabytes, and a server uses one or two of them
 * --------------------------
 */

static bool codec_ready(const rdpCodecs *c, uint32_t flag) {
    switch (flag) {
    case FREERDP_CODEC_REMOTEFX:
        return c->rfx != NULL;
    case FREERDP_CODEC_NSCODEC:
        return c->nsc != NULL;
    case FREERDP_CODEC_CLEARCODEC:
        return c->clear != NULL;
    case FREERDP_CODEC_PROGRESSIVE:
        return c->progressive != NULL;
    case FREERDP_CODEC_PLANAR:
        return c->planar != NULL;
    default:
        return true;
    }
}

bool rdp_codec_need(rdpContext *context, rdpCodecs *c, uint32_t flag) {
    const rdpGdi *gdi = context->gdi;
    return codec_ready(c, flag) ||
           freerdp_client_codecs_prepare(c, flag, (uint32_t)gdi->width, (uint32_t)gdi->height);
}

void rdp_codecs_trim(rdpCodecs *c, bool all) {
    progressive_context_free(c->progressive);
    clear_context_free(c->clear);
    h264_context_free(c->h264);
    rfx_context_free(c->rfx);
    nsc_context_free(c->nsc);
    c->progressive = NULL;
    c->clear = NULL;
    c->h264 = NULL;
    c->rfx = NULL;
    c->nsc = NULL;
    if (all) {
        freerdp_bitmap_planar_context_free(c->planar);
        bitmap_interleaved_context_free(c->interleaved);
        c->planar = NULL;
        c->interleaved = NULL;
    }
    malloc_trim(0);
}

static uint32_t codec_flag(uint32_t id) {
    return id == RDP_CODEC_ID_REMOTEFX || id == RDP_CODEC_ID_IMAGE_REMOTEFX ? FREERDP_CODEC_REMOTEFX
           : id == RDP_CODEC_ID_NSCODEC                                     ? FREERDP_CODEC_NSCODEC
                                                                            : 0;
}

static BOOL on_surface_bits(rdpContext *context, const SURFACE_BITS_COMMAND *command) {
    struct rdp *r = rdp_of(context);
    return rdp_codec_need(context, context->codecs, codec_flag(command->bmp.codecID)) &&
           r->surface_bits(context, command);
}

static BOOL on_decompress(rdpContext *context, rdpBitmap *bitmap, const BYTE *data, UINT32 width,
                          UINT32 height, UINT32 bpp, UINT32 length, BOOL compressed, UINT32 codec) {
    struct rdp *r = rdp_of(context);
    return rdp_codec_need(context, context->codecs, codec_flag(codec)) &&
           r->decompress(context, bitmap, data, width, height, bpp, length, compressed, codec);
}

/* ---- size ---------------------------------------------------------------------------------------
 */

/* The surface in the size of the desktop; its pixels, NULL with r->fail. */
static BYTE *fit(struct rdp *r, uint32_t *stride) {
    rdpSettings *s = r->context->settings;
    uint32_t w = freerdp_settings_get_uint32(s, FreeRDP_DesktopWidth);
    uint32_t h = freerdp_settings_get_uint32(s, FreeRDP_DesktopHeight);
    if (w < 1 || h < 1 || w > SURFACE_SIDE_MAX || h > SURFACE_SIDE_MAX ||
        (size_t)w * h > SURFACE_AREA_MAX) {
        err_set(&r->fail, STATUS_UPSTREAM_ERROR, "the RDP server wants a screen of %u by %u", w, h);
        return NULL;
    }
    size_t in_pixels;
    if (surface_resize(r->surface, (int)w, (int)h) < 0) {
        err_set(&r->fail, STATUS_SERVER_BUSY, "no memory for a screen of %u by %u", w, h);
        return NULL;
    }
    uint32_t *pixels = surface_begin(r->surface, &in_pixels);
    surface_end(r->surface, 0, 0, 0, 0);
    *stride = (uint32_t)(in_pixels * sizeof(*pixels));
    return (BYTE *)pixels;
}

static BOOL on_resize(rdpContext *context) {
    struct rdp *r = rdp_of(context);
    uint32_t stride;
    if (r->held)
        on_end(context);
    BYTE *pixels = fit(r, &stride);
    if (!pixels) {
        freerdp_abort_connect_context(context);
        return FALSE;
    }
    log_debug("desktop of %u by %u",
              freerdp_settings_get_uint32(context->settings, FreeRDP_DesktopWidth),
              freerdp_settings_get_uint32(context->settings, FreeRDP_DesktopHeight));
    BOOL ok = gdi_resize_ex(context->gdi,
                            freerdp_settings_get_uint32(context->settings, FreeRDP_DesktopWidth),
                            freerdp_settings_get_uint32(context->settings, FreeRDP_DesktopHeight),
                            stride, PIXEL_FORMAT_BGRX32, pixels, NULL);
    session_damage(r->session);
    return ok;
}

/* ---- what else updates say ----------------------------------------------------------------------
 */

static BOOL on_indicators(rdpContext *context, UINT16 flags) {
    if ((flags & (KBD_SYNC_NUM_LOCK | KBD_SYNC_CAPS_LOCK)) != KBD_SYNC_NUM_LOCK)
        rdp_locks(rdp_of(context));
    return TRUE;
}

static BOOL on_beep(rdpContext *context, const PLAY_SOUND_UPDATE *sound) {
    (void)sound;
    struct rdp *r = rdp_of(context);
    char count[16];
    snprintf(count, sizeof(count), "%u", ++r->bells);
    session_state(r->session, "bell", count);
    return TRUE;
}

BOOL rdp_screen_begin(freerdp *instance) {
    rdpContext *c = instance->context;
    struct rdp *r = rdp_of(c);
    uint32_t stride;
    BYTE *pixels = fit(r, &stride);
    if (!pixels || !gdi_init_ex(instance, PIXEL_FORMAT_BGRX32, stride, pixels, NULL))
        return FALSE;
    rdp_codecs_trim(c->codecs, false);
    rdpUpdate *u = c->update;
    u->BeginPaint = on_begin;
    u->EndPaint = on_end;
    u->DesktopResize = on_resize;
    u->SetKeyboardIndicators = on_indicators;
    u->PlaySound = on_beep;
    r->surface_bits = u->SurfaceBits;
    u->SurfaceBits = on_surface_bits;
    r->decompress = c->graphics->Bitmap_Prototype->Decompress;
    c->graphics->Bitmap_Prototype->Decompress = on_decompress;
    rdp_pointer_init(c);
    return TRUE;
}

bool rdp_screen_again(struct rdp *r) {
    rdp_codecs_trim(r->context->codecs, false);
    return on_resize(r->context);
}

void rdp_screen_end(freerdp *instance) {
    struct rdp *r = rdp_of(instance->context);
    if (r->held)
        surface_release(r->surface, 0, 0, 0, 0);
    r->held = false;
    gdi_free(instance);
}

bool rdp_screen_init(struct rdp *r) {
    r->surface = surface_new(MAX_OF(r->want_width, 1), MAX_OF(r->want_height, 1));
    if (!r->surface)
        return false;
    surface_lossless(r->surface, args_bool(r->args, "force-lossless"));
    return true;
}

/* What was sent as JPEG is sent exactly once it rests: nothing else asks while nothing changes. */
void rdp_screen_sharpen(struct rdp *r, uint64_t now) {
    if (!r->sharpen_ms || now < r->sharpen_ms)
        return;
    r->sharpen_ms = surface_blurred(r->surface) ? now + RDP_SHARPEN_AGAIN_MS : 0;
    if (r->sharpen_ms)
        session_damage(r->session);
}
