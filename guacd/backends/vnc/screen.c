/* Pixels. The library decodes straight into the surface where the wire has 32 bits a pixel, a
 * rectangle at a time, and holds the surface for as long as that takes; with 8 and 16 bits it
 * decodes into a shadow, and finished rectangles are converted. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/vnc/vnc.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define DOT 5 /* the pointer where the server draws its own, or has not told its shape yet */

/* ---- pixel formats ------------------------------------------------------------------------------
 */

static void set_format(rfbClient *client, int bits, bool swap) {
    rfbPixelFormat *f = &client->format;
    bool wide = bits != 8 && bits != 16;
    f->bitsPerPixel = (uint8_t)(wide ? 32 : bits);
    f->depth = (uint8_t)(wide ? 24 : bits);
    f->redMax = wide ? 255 : bits == 16 ? 31 : 7;
    f->greenMax = wide ? 255 : bits == 16 ? 63 : 7;
    f->blueMax = wide ? 255 : bits == 16 ? 31 : 3;
    f->redShift = wide ? 16 : bits == 16 ? 11 : 0;
    f->greenShift = wide ? 8 : bits == 16 ? 5 : 3;
    f->blueShift = wide || bits == 16 ? 0 : 6;
    if (swap) { /* 5:6:5 and 8:8:8 are symmetric; 3:3:2 is not, and is left alone */
        uint8_t red = f->redShift;
        f->redShift = bits == 8 ? red : f->blueShift;
        f->blueShift = bits == 8 ? f->blueShift : red;
    }
}

static uint32_t channel(uint32_t pixel, unsigned shift, uint32_t max) {
    return ((pixel >> shift) & max) * 255 / max;
}

/* 0xRRGGBB of a pixel on the wire. */
static uint32_t widen(const rfbPixelFormat *f, uint32_t pixel) {
    return channel(pixel, f->redShift, f->redMax) << 16 |
           channel(pixel, f->greenShift, f->greenMax) << 8 |
           channel(pixel, f->blueShift, f->blueMax);
}

static uint32_t wire_pixel(const uint8_t *from, int bytes, size_t i) {
    if (bytes == 1)
        return from[i];
    uint16_t half;
    if (bytes == 2) {
        memcpy(&half, from + 2 * i, sizeof(half));
        return half;
    }
    uint32_t whole;
    memcpy(&whole, from + 4 * i, sizeof(whole));
    return whole;
}

/* ---- size ---------------------------------------------------------------------------------------
 */

static rfbBool on_size(rfbClient *client) {
    struct vnc *v = vnc_of(client);
    int w = client->width, h = client->height;
    if (w < 1 || h < 1 || w > SURFACE_SIDE_MAX || h > SURFACE_SIDE_MAX ||
        (size_t)w * (size_t)h > SURFACE_AREA_MAX) {
        err_set(&v->fail, STATUS_UPSTREAM_ERROR, "the VNC server wants a screen of %d by %d", w, h);
        return FALSE;
    }
    if (!v->surface)
        v->surface = surface_new(w, h);
    if (!v->surface || surface_resize(v->surface, w, h) < 0) {
        err_set(&v->fail, STATUS_SERVER_BUSY, "no memory for a screen of %d by %d", w, h);
        return FALSE;
    }
    size_t stride;
    uint32_t *pixels = surface_begin(v->surface, &stride);
    surface_end(v->surface, 0, 0, 0, 0);
    client->frameBuffer = (uint8_t *)pixels;
    if (client->format.bitsPerPixel != 32) {
        free(v->shadow);
        v->shadow = calloc((size_t)w * (size_t)h, client->format.bitsPerPixel / 8u);
        client->frameBuffer = v->shadow;
    }
    if (!client->frameBuffer || stride != (size_t)w) {
        err_set(&v->fail, STATUS_SERVER_BUSY, "no memory for a screen of %d by %d", w, h);
        return FALSE;
    }
    v->refresh = v->updates > 0;
    return TRUE;
}

/* The 24 bytes of SetDesktopSize. The library's own call leaves TigerVNC with a screen of no id,
 * and ignores what comes then. */
static bool send_size(rfbClient *client, int w, int h) {
    uint8_t m[24] = { 251, 0, (uint8_t)(w >> 8), (uint8_t)w, (uint8_t)(h >> 8), (uint8_t)h, 1 };
    memcpy(m + 8, &client->screen.id, 4); /* kept in network byte order */
    memcpy(m + 16, m + 2, 4);
    memcpy(m + 20, &client->screen.flags, 4);
    return WriteToRFBServer(client, (char *)m, sizeof(m));
}

void vnc_screen_want(struct vnc *v, int width, int height) {
    v->want_width = MIN_OF(width, SURFACE_SIDE_MAX);
    v->want_height = MIN_OF(height, SURFACE_SIDE_MAX);
    rfbClient *c = v->client;
    if (!v->resize || !c->screen.id || v->want_width < 1 || v->want_height < 1 ||
        (c->width == v->want_width && c->height == v->want_height))
        return;
    send_size(c, v->want_width, v->want_height);
}

/* ---- rectangles ---------------------------------------------------------------------------------
 */

static void on_lock(rfbClient *client, int x, int y, int w, int h) {
    (void)x, (void)y, (void)w, (void)h;
    struct vnc *v = vnc_of(client);
    size_t stride;
    if (!v->held)
        surface_hold(v->surface, &stride);
    v->held = true;
}

static bool inside(const rfbClient *c, int x, int y, int w, int h) {
    return x >= 0 && y >= 0 && w > 0 && h > 0 && x <= c->width - w && y <= c->height - h;
}

/* UltraZip draws without a rectangle around it: those pieces are told one by one. */
static void drawn_alone(struct vnc *v, int x, int y, int w, int h) {
    if (!v->held) {
        size_t stride;
        surface_hold(v->surface, &stride);
        surface_release(v->surface, x, y, w, h);
    }
}

static void on_bitmap(rfbClient *client, const uint8_t *from, int x, int y, int w, int h) {
    if (!inside(client, x, y, w, h))
        return;
    size_t bytes = client->format.bitsPerPixel / 8u, line = (size_t)w * bytes;
    uint8_t *to = client->frameBuffer + ((size_t)y * (size_t)client->width + (size_t)x) * bytes;
    for (int i = 0; i < h; i++, from += line, to += (size_t)client->width * bytes)
        memcpy(to, from, line);
    drawn_alone(vnc_of(client), x, y, w, h);
}

static void on_fill(rfbClient *client, int x, int y, int w, int h, uint32_t color) {
    if (!inside(client, x, y, w, h))
        return;
    size_t at = (size_t)y * (size_t)client->width + (size_t)x;
    for (int i = 0; i < h; i++, at += (size_t)client->width) {
        if (client->format.bitsPerPixel == 32) {
            uint32_t *to = (uint32_t *)(void *)client->frameBuffer + at;
            for (int k = 0; k < w; k++)
                to[k] = color;
        } else if (client->format.bitsPerPixel == 16) {
            uint16_t *to = (uint16_t *)(void *)client->frameBuffer + at;
            for (int k = 0; k < w; k++)
                to[k] = (uint16_t)color;
        } else {
            memset(client->frameBuffer + at, (int)color, (size_t)w);
        }
    }
    drawn_alone(vnc_of(client), x, y, w, h);
}

static void move_shadow(rfbClient *client, int sx, int sy, int w, int h, int dx, int dy) {
    size_t bytes = client->format.bitsPerPixel / 8u, line = (size_t)client->width * bytes;
    for (int i = 0; i < h; i++) {
        int row = dy > sy ? h - 1 - i : i;
        memmove(client->frameBuffer + (size_t)(dy + row) * line + (size_t)dx * bytes,
                client->frameBuffer + (size_t)(sy + row) * line + (size_t)sx * bytes,
                (size_t)w * bytes);
    }
}

static void on_copy(rfbClient *client, int sx, int sy, int w, int h, int dx, int dy) {
    struct vnc *v = vnc_of(client);
    if (!inside(client, sx, sy, w, h) || !inside(client, dx, dy, w, h))
        return;
    if (v->shadow)
        move_shadow(client, sx, sy, w, h, dx, dy);
    surface_copy(v->surface, sx, sy, w, h, dx, dy);
}

static void convert(struct vnc *v, int x, int y, int w, int h) {
    rfbClient *c = v->client;
    if (!inside(c, x, y, w, h))
        return;
    int bytes = c->format.bitsPerPixel / 8;
    size_t stride;
    uint32_t *to = surface_begin(v->surface, &stride);
    for (int row = y; row < y + h; row++)
        for (int col = x; col < x + w; col++) {
            size_t i = (size_t)row * stride + (size_t)col;
            to[i] = widen(&c->format, wire_pixel(v->shadow, bytes, i));
        }
    surface_end(v->surface, x, y, w, h);
}

/* After every rectangle: what people typed meanwhile goes out between two of them. */
static void on_rect(rfbClient *client, int x, int y, int w, int h) {
    struct vnc *v = vnc_of(client);
    /* The library asks for the next update behind this one. Asked for here already, the server
     * makes it while this one is decoded. */
    if (!v->asked_early && v->updates > 0)
        SendIncrementalFramebufferUpdateRequest(client);
    v->asked_early = true;
    if (v->held) {
        if (v->shadow)
            convert(v, x, y, w, h);
        v->held = false;
        surface_release(v->surface, x, y, w, h);
    } else if (v->shadow) {
        convert(v, 0, 0, client->width, client->height);
    }
    uint64_t now = clock_ms();
    if (now - v->shown_ms >= VNC_PARTIAL_MS) {
        v->shown_ms = now;
        session_damage(v->session);
    }
    vnc_events(v);
}

static void on_update(rfbClient *client) {
    struct vnc *v = vnc_of(client);
    v->updates++;
    v->asked_early = false;
    /* Only now is it known whether the server has that message. 1: its own hands are off. */
    if (v->updates == 1 && args_bool(v->args, "disable-server-input"))
        PermitServerInput(client, 1);
    v->shown_ms = clock_ms();
    v->sharpen_ms = v->shown_ms + VNC_SHARPEN_MS;
    session_damage(v->session);
    if (v->refresh)
        SendFramebufferUpdateRequest(client, 0, 0, client->width, client->height, FALSE);
    v->refresh = false;
    if (!v->asked_size && client->screen.id) { /* the server has told that it can */
        v->asked_size = true;
        vnc_screen_want(v, v->want_width, v->want_height);
    }
}

void vnc_screen_abandon(struct vnc *v) {
    if (v->held)
        surface_release(v->surface, 0, 0, v->client->width, v->client->height);
    v->held = false;
}

/* ---- pointer ------------------------------------------------------------------------------------
 */

static void on_cursor(rfbClient *client, int hot_x, int hot_y, int w, int h, int bytes) {
    struct vnc *v = vnc_of(client);
    if (w < 1 || h < 1 || w > SURFACE_CURSOR_MAX || h > SURFACE_CURSOR_MAX || !client->rcSource ||
        !client->rcMask)
        return;
    size_t count = (size_t)w * (size_t)h;
    uint32_t *pixels = malloc(count * sizeof(*pixels));
    if (!pixels)
        return;
    for (size_t i = 0; i < count; i++)
        pixels[i] =
            !client->rcMask[i]
                ? 0
                : 0xFF000000u | widen(&client->format, wire_pixel(client->rcSource, bytes, i));
    surface_cursor(v->surface, w, h, MIN_OF(hot_x, w - 1), MIN_OF(hot_y, h - 1), pixels);
    free(pixels);
}

static void put_dot(struct vnc *v) {
    uint32_t dot[DOT * DOT];
    for (int i = 0; i < DOT * DOT; i++) {
        int x = i % DOT, y = i / DOT;
        bool edge = x == 0 || y == 0 || x == DOT - 1 || y == DOT - 1;
        dot[i] = edge ? 0xFFFFFFFF : 0xFF000000;
    }
    surface_cursor(v->surface, DOT, DOT, DOT / 2, DOT / 2, dot);
}

/* ---- */

int vnc_screen_init(struct vnc *v) {
    rfbClient *c = v->client;
    const char *depth = args_str(v->args, "color-depth");
    set_format(c, atoi(depth), args_bool(v->args, "swap-red-blue"));
    c->appData.requestedDepth = c->format.depth;
    c->appData.useRemoteCursor = strcmp(args_str(v->args, "cursor"), "remote") != 0;
    c->canHandleNewFBSize = TRUE;
    c->MallocFrameBuffer = on_size;
    c->SoftCursorLockArea = on_lock;
    c->GotBitmap = on_bitmap;
    c->GotFillRect = on_fill;
    c->GotCopyRect = on_copy;
    c->GotFrameBufferUpdate = on_rect;
    c->FinishedFrameBufferUpdate = on_update;
    c->GotCursorShape = on_cursor;
    v->resize = !args_bool(v->args, "disable-display-resize");
    int w, h, dpi;
    session_size(v->session, &w, &h, &dpi);
    v->want_width = w;
    v->want_height = h;
    v->surface = surface_new(w, h); /* so that callbacks always have one */
    if (!v->surface)
        return -1;
    surface_lossless(v->surface, args_bool(v->args, "force-lossless"));
    put_dot(v);
    return 0;
}

void vnc_screen_fini(struct vnc *v) {
    surface_free(v->surface);
    free(v->shadow);
    v->surface = NULL;
    v->shadow = NULL;
}
