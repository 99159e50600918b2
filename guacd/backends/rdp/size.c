/* The desktop follows the browser's window: by DisplayControl (MS-RDPEDISP) where the server has
 * it, or by connecting anew. */
#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define SIDE_MIN 200 /* MS-RDPEDISP 2.2.2.2.1: 200 to 8192, the width even */
#define SIDE_MAX 8192

static bool is_so(const struct rdp *r) {
    const rdpSettings *s = r->context->settings;
    return freerdp_settings_get_uint32(s, FreeRDP_DesktopWidth) == (uint32_t)r->want_width &&
           freerdp_settings_get_uint32(s, FreeRDP_DesktopHeight) == (uint32_t)r->want_height;
}

void rdp_size_want(struct rdp *r, int width, int height) {
    r->want_width = MAX_OF(SIDE_MIN, MIN_OF(SIDE_MAX, width)) & ~1;
    r->want_height = MAX_OF(SIDE_MIN, MIN_OF(SIDE_MAX, height));
    r->resize_ms = clock_ms() + RDP_RESIZE_MS;
}

static void by_channel(struct rdp *r) {
    DISPLAY_CONTROL_MONITOR_LAYOUT monitor = {
        .Flags = DISPLAY_CONTROL_MONITOR_PRIMARY,
        .Width = (uint32_t)r->want_width,
        .Height = (uint32_t)r->want_height,
        .Orientation = ORIENTATION_LANDSCAPE,
        .DesktopScaleFactor =
            freerdp_settings_get_uint32(r->context->settings, FreeRDP_DesktopScaleFactor),
        .DeviceScaleFactor = 100,
    };
    UINT e = r->disp->SendMonitorLayout(r->disp, 1, &monitor);
    if (e != CHANNEL_RC_OK)
        log_warning("asking for a desktop of %d by %d failed: %u", r->want_width, r->want_height,
                    e);
}

/* The same connection anew, in another size. What fails here ends the session: run() sees it. */
static void by_reconnect(struct rdp *r) {
    rdpSettings *s = r->context->settings;
    freerdp_settings_set_uint32(s, FreeRDP_DesktopWidth, (uint32_t)r->want_width);
    freerdp_settings_set_uint32(s, FreeRDP_DesktopHeight, (uint32_t)r->want_height);
    r->reconnect = true;
}

void rdp_size_ask(struct rdp *r, uint64_t now) {
    if (!r->resize_ms || now < r->resize_ms || (!r->by_reconnect && !r->disp_ready))
        return;
    r->resize_ms = 0;
    if (is_so(r))
        return;
    if (r->by_reconnect)
        by_reconnect(r);
    else
        by_channel(r);
}

static UINT on_capabilities(DispClientContext *disp, UINT32 monitors, UINT32 a, UINT32 b) {
    (void)monitors, (void)a, (void)b;
    struct rdp *r = disp->custom;
    r->disp_ready = true;
    return CHANNEL_RC_OK;
}

void rdp_size_begin(struct rdp *r, DispClientContext *disp) {
    r->disp = disp;
    r->disp_ready = false;
    if (disp) {
        disp->custom = r;
        disp->DisplayControlCaps = on_capabilities;
    }
}
