/* The graphics pipeline (MS-RDPEGFX): the library composes its surfaces and draws what changed into
 * ours; here its codecs are made when a server first uses them. */
#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/log.h"

static uint32_t codec_flag(uint32_t id) {
    switch (id) {
    case RDPGFX_CODECID_CAVIDEO:
        return FREERDP_CODEC_REMOTEFX;
    case RDPGFX_CODECID_CLEARCODEC:
        return FREERDP_CODEC_CLEARCODEC;
    case RDPGFX_CODECID_PLANAR:
        return FREERDP_CODEC_PLANAR;
    case RDPGFX_CODECID_CAPROGRESSIVE:
    case RDPGFX_CODECID_CAPROGRESSIVE_V2:
        return FREERDP_CODEC_PROGRESSIVE;
    default:
        return 0;
    }
}

static UINT on_command(RdpgfxClientContext *gfx, const RDPGFX_SURFACE_COMMAND *command) {
    const rdpGdi *gdi = gfx->custom;
    struct rdp *r = rdp_of(gdi->context);
    if (!rdp_codec_need(gdi->context, gfx->codecs, codec_flag(command->codecId)))
        return ERROR_INTERNAL_ERROR;
    if (command->codecId < 32 && !(r->gfx_codecs & 1u << command->codecId)) {
        r->gfx_codecs |= 1u << command->codecId;
        log_debug("graphics pipeline: codec %u", command->codecId);
    }
    return r->gfx_command(gfx, command);
}

void rdp_gfx_begin(struct rdp *r, RdpgfxClientContext *gfx) {
    if (!gdi_graphics_pipeline_init(r->context->gdi, gfx))
        return;
    rdp_codecs_trim(gfx->codecs, true);
    r->gfx = gfx;
    r->gfx_command = gfx->SurfaceCommand;
    gfx->SurfaceCommand = on_command;
}

void rdp_gfx_end(struct rdp *r, RdpgfxClientContext *gfx) {
    gdi_graphics_pipeline_uninit(r->context->gdi, gfx);
    r->gfx = NULL;
}
