/* Clipboard text both ways (MS-RDPECLIP). A clipboard is offered by its formats and fetched when
 * pasted: what comes from the browser is kept until the server asks, what the server offers is
 * fetched at once. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/clip/clip.h"
#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/buf.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"

#define TEXT_MAX (52428800u) /* of clipboard-buffer-size; the session keeps to the connection's */

/* ---- lines --------------------------------------------------------------------------------------
 */

/* In the browser lines end in LF, on the server in CR LF, unless normalize-clipboard says that both
 * shall be the same. */
static bool crlf(const struct rdp *r, bool at_server) {
    const char *how = args_str(r->args, "normalize-clipboard");
    return strcmp(how, "preserve") == 0 ? at_server : strcmp(how, "windows") == 0;
}

/* ---- to the server ------------------------------------------------------------------------------
 */

static UINT offer(struct rdp *r) {
    CLIPRDR_FORMAT format = { .formatId = CF_UNICODETEXT };
    CLIPRDR_FORMAT_LIST list = { .common = { .msgType = CB_FORMAT_LIST },
                                 .numFormats = r->clip_text ? 1 : 0,
                                 .formats = &format };
    return r->clip->ClientFormatList(r->clip, &list);
}

static void forget(struct rdp *r) {
    if (r->clip_text)
        secret_wipe(r->clip_text, r->clip_len);
    free(r->clip_text);
    r->clip_text = NULL;
    r->clip_len = 0;
}

void rdp_clipboard_put(struct rdp *r, const struct event *ev) {
    if (strncmp(ev->name, "text/plain", 10) != 0 || ev->len > TEXT_MAX)
        return;
    char *copy = malloc(ev->len + 1);
    if (!copy)
        return;
    memcpy(copy, ev->data, ev->len);
    copy[ev->len] = '\0';
    forget(r);
    r->clip_text = copy;
    r->clip_len = ev->len;
    if (r->clip && r->clip_ready)
        offer(r);
}

/* UTF-16, with the NUL that ends it. */
static int encode(const struct rdp *r, struct buf *out) {
    struct buf lines;
    buf_init(&lines, 2 * r->clip_len + 1);
    int e = clip_lines(r->clip_text, r->clip_len, crlf(r, true), &lines);
    if (e == 0)
        e = clip_from_utf8(CLIP_UTF16, lines.data ? lines.data : "", lines.len, out);
    buf_wipe(&lines);
    return e < 0 ? -1 : buf_add(out, "\0", 2);
}

static UINT on_wanted(CliprdrClientContext *clip, const CLIPRDR_FORMAT_DATA_REQUEST *request) {
    struct rdp *r = clip->custom;
    struct buf text;
    buf_init(&text, 4 * r->clip_len + 16);
    bool ok = request->requestedFormatId == CF_UNICODETEXT && r->clip_text && encode(r, &text) == 0;
    CLIPRDR_FORMAT_DATA_RESPONSE answer = {
        .common = { .msgType = CB_FORMAT_DATA_RESPONSE,
                    .msgFlags = ok ? CB_RESPONSE_OK : CB_RESPONSE_FAIL,
                    .dataLen = ok ? (uint32_t)text.len : 0 },
        .requestedFormatData = ok ? (const BYTE *)text.data : NULL,
    };
    UINT e = clip->ClientFormatDataResponse(clip, &answer);
    buf_wipe(&text);
    return e;
}

/* ---- from the server ----------------------------------------------------------------------------
 */

static UINT on_offer(CliprdrClientContext *clip, const CLIPRDR_FORMAT_LIST *list) {
    CLIPRDR_FORMAT_LIST_RESPONSE taken = { .common = { .msgType = CB_FORMAT_LIST_RESPONSE,
                                                       .msgFlags = CB_RESPONSE_OK } };
    UINT e = clip->ClientFormatListResponse(clip, &taken);
    for (uint32_t i = 0; e == CHANNEL_RC_OK && i < list->numFormats; i++)
        if (list->formats[i].formatId == CF_UNICODETEXT) {
            CLIPRDR_FORMAT_DATA_REQUEST request = { .common = { .msgType = CB_FORMAT_DATA_REQUEST },
                                                    .requestedFormatId = CF_UNICODETEXT };
            clip->lastRequestedFormatId = CF_UNICODETEXT;
            return clip->ClientFormatDataRequest(clip, &request);
        }
    return e;
}

static UINT on_text(CliprdrClientContext *clip, const CLIPRDR_FORMAT_DATA_RESPONSE *answer) {
    struct rdp *r = clip->custom;
    size_t len = answer->common.dataLen;
    if (!(answer->common.msgFlags & CB_RESPONSE_OK) || !answer->requestedFormatData)
        return CHANNEL_RC_OK;
    if (len > 2 * (size_t)TEXT_MAX) {
        log_warning("a clipboard of %zu bytes is too long", len);
        return CHANNEL_RC_OK;
    }
    struct buf text, lines;
    buf_init(&text, 2 * len + 16);
    buf_init(&lines, 4 * len + 32);
    /* Two bytes are at most three of UTF-8. */
    if (clip_to_utf8(CLIP_UTF16, answer->requestedFormatData, len, &text) == 0 &&
        clip_lines(text.data ? text.data : "", text.len, crlf(r, false), &lines) == 0)
        session_clipboard(r->session, "text/plain", lines.data ? lines.data : "", lines.len);
    buf_wipe(&text);
    buf_wipe(&lines);
    return CHANNEL_RC_OK;
}

/* ---- the channel --------------------------------------------------------------------------------
 */

static UINT on_ready(CliprdrClientContext *clip, const CLIPRDR_MONITOR_READY *ready) {
    (void)ready;
    struct rdp *r = clip->custom;
    CLIPRDR_GENERAL_CAPABILITY_SET general = { .capabilitySetType = CB_CAPSTYPE_GENERAL,
                                               .capabilitySetLength = CB_CAPSTYPE_GENERAL_LEN,
                                               .version = CB_CAPS_VERSION_2,
                                               .generalFlags = CB_USE_LONG_FORMAT_NAMES };
    CLIPRDR_CAPABILITIES caps = { .cCapabilitiesSets = 1,
                                  .capabilitySets = (CLIPRDR_CAPABILITY_SET *)&general };
    UINT e = clip->ClientCapabilities(clip, &caps);
    r->clip_ready = true;
    return e == CHANNEL_RC_OK ? offer(r) : e;
}

static UINT on_capabilities(CliprdrClientContext *clip, const CLIPRDR_CAPABILITIES *caps) {
    (void)clip, (void)caps;
    return CHANNEL_RC_OK;
}

static UINT on_taken(CliprdrClientContext *clip, const CLIPRDR_FORMAT_LIST_RESPONSE *answer) {
    (void)clip, (void)answer;
    return CHANNEL_RC_OK;
}

void rdp_clipboard_begin(struct rdp *r, CliprdrClientContext *clip) {
    r->clip = clip;
    r->clip_ready = false;
    if (!clip)
        return;
    clip->custom = r;
    clip->MonitorReady = on_ready;
    clip->ServerCapabilities = on_capabilities;
    clip->ServerFormatList = on_offer;
    clip->ServerFormatListResponse = on_taken;
    clip->ServerFormatDataRequest = on_wanted;
    clip->ServerFormatDataResponse = on_text;
}

void rdp_clipboard_fini(struct rdp *r) {
    forget(r);
}
