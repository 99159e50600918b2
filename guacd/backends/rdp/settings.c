/* Parameters to the library's settings: tables where a value goes over as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"

#define CONNECTION_LAN 6 /* MS-RDPBCGR 2.2.1.3.2: what the server may spend */
#define BUILD_WINDOWS_10 18363
#define VMCONNECT_PORT 2179

static const struct {
    FreeRDP_Settings_Keys_Bool key;
    BOOL value;
} always[] = {
    /* One thread, ours. */
    { FreeRDP_SynchronousDynamicChannels, TRUE },
    { FreeRDP_SynchronousStaticChannels, TRUE },
    { FreeRDP_AsyncUpdate, FALSE },
    { FreeRDP_AsyncChannels, FALSE },
    /* Certificates are checked here; nothing is looked for in a home. */
    { FreeRDP_ExternalCertificateManagement, TRUE },
    { FreeRDP_AutoReconnectionEnabled, FALSE },
    { FreeRDP_SoftwareGdi, TRUE },
    { FreeRDP_FastPathInput, TRUE },
    { FreeRDP_FastPathOutput, TRUE },
    { FreeRDP_FrameMarkerCommandEnabled, TRUE },
    { FreeRDP_SurfaceFrameMarkerEnabled, TRUE },
    { FreeRDP_UnicodeInput, TRUE },
    { FreeRDP_HasExtendedMouseEvent, TRUE },
    { FreeRDP_HasHorizontalWheel, TRUE },
    { FreeRDP_SupportErrorInfoPdu, TRUE },
    { FreeRDP_LogonErrors, TRUE },
    { FreeRDP_BitmapCacheV3Enabled, FALSE },
    { FreeRDP_BitmapCachePersistEnabled, FALSE },
    { FreeRDP_NSCodec, FALSE },
    { FreeRDP_SupportMultitransport, FALSE },
    { FreeRDP_DeviceRedirection, FALSE },
    { FreeRDP_AudioPlayback, FALSE },
    { FreeRDP_AudioCapture, FALSE },
    { FreeRDP_SupportEchoChannel, FALSE },
    { FreeRDP_SupportGeometryTracking, FALSE },
    { FreeRDP_SupportVideoOptimized, FALSE },
    { FreeRDP_EncomspVirtualChannel, FALSE },
    { FreeRDP_RemdeskVirtualChannel, FALSE },
    { FreeRDP_SmartcardLogon, FALSE },
    { FreeRDP_GfxAVC444, FALSE },
    { FreeRDP_GfxAVC444v2, FALSE },
    { FreeRDP_GfxSendQoeAck, FALSE },
};

/* A parameter that is a setting, or (inverted) its opposite. */
static const struct {
    const char *arg;
    FreeRDP_Settings_Keys_Bool key;
    bool inverted;
} flags[] = {
    { "console", FreeRDP_ConsoleSession, false },
    { "console-audio", FreeRDP_RemoteConsoleAudio, false },
    { "enable-wallpaper", FreeRDP_DisableWallpaper, true },
    { "enable-theming", FreeRDP_DisableThemes, true },
    { "enable-font-smoothing", FreeRDP_AllowFontSmoothing, false },
    { "enable-full-window-drag", FreeRDP_DisableFullWindowDrag, true },
    { "enable-desktop-composition", FreeRDP_AllowDesktopComposition, false },
    { "enable-menu-animations", FreeRDP_DisableMenuAnims, true },
    { "disable-bitmap-caching", FreeRDP_BitmapCacheEnabled, true },
};

static const struct {
    const char *arg;
    FreeRDP_Settings_Keys_String key;
} texts[] = {
    { "hostname", FreeRDP_ServerHostname },
    { "domain", FreeRDP_Domain },
    { "initial-program", FreeRDP_AlternateShell },
    { "preconnection-blob", FreeRDP_PreconnectionBlob },
    { "gateway-hostname", FreeRDP_GatewayHostname },
};

/* What `security` allows. */
static const struct {
    const char *name;
    bool rdp, tls, nla, ext;
} modes[] = {
    { "any", false, true, true, false },      { "rdp", true, false, false, false },
    { "tls", false, true, false, false },     { "nla", false, false, true, false },
    { "nla-ext", false, false, false, true }, { "vmconnect", true, true, true, false },
};

#define BOOL_SET freerdp_settings_set_bool
#define UINT_SET freerdp_settings_set_uint32
#define TEXT_SET freerdp_settings_set_string

static bool put_tables(const struct rdp *r, rdpSettings *s) {
    bool ok = true;
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        ok = ok && BOOL_SET(s, always[i].key, always[i].value);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        ok = ok && BOOL_SET(s, flags[i].key, args_bool(r->args, flags[i].arg) != flags[i].inverted);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (args_is_set(r->args, texts[i].arg))
            ok = ok && TEXT_SET(s, texts[i].key, args_str(r->args, texts[i].arg));
    return ok;
}

/* `user@domain` stays as it is; `domain\user` is taken apart. */
static bool put_user(rdpSettings *s, const char *user) {
    const char *back = strchr(user, '\\');
    if (!back)
        return TEXT_SET(s, FreeRDP_Username, user);
    char *domain = strndup(user, (size_t)(back - user));
    bool ok =
        domain && TEXT_SET(s, FreeRDP_Domain, domain) && TEXT_SET(s, FreeRDP_Username, back + 1);
    free(domain);
    return ok;
}

static bool put_credentials(const struct rdp *r, rdpSettings *s) {
    bool ok = true;
    if (args_is_set(r->args, "username"))
        ok = put_user(s, args_str(r->args, "username"));
    if (args_is_set(r->args, "password"))
        ok = ok && TEXT_SET(s, FreeRDP_Password, args_str(r->args, "password"));
    return ok;
}

/* Without TLS nothing proves who the server is, and anybody between could say that it has none:
 * then it is only for those who do not ask for a proof. */
static bool any_security(const struct args *args) {
    return strcmp(args_str(args, "security"), "any") == 0 && args_bool(args, "ignore-cert");
}

static bool put_security(const struct rdp *r, rdpSettings *s) {
    const char *name = args_str(r->args, "security");
    bool without_user = args_bool(r->args, "disable-auth"), vm = strcmp(name, "vmconnect") == 0;
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(modes) && strcmp(modes[i].name, name) != 0)
        i++;
    return BOOL_SET(s, FreeRDP_RdpSecurity, modes[i].rdp || any_security(r->args)) &&
           BOOL_SET(s, FreeRDP_UseRdpSecurityLayer, strcmp(name, "rdp") == 0) &&
           BOOL_SET(s, FreeRDP_TlsSecurity, modes[i].tls) &&
           BOOL_SET(s, FreeRDP_NlaSecurity, modes[i].nla && !without_user) &&
           BOOL_SET(s, FreeRDP_ExtSecurity, modes[i].ext && !without_user) &&
           BOOL_SET(s, FreeRDP_NegotiateSecurityLayer, !vm) &&
           BOOL_SET(s, FreeRDP_VmConnectMode, vm) &&
           /* Kerberos would ask the resolver for the realms of a stock krb5.conf. */
           TEXT_SET(s, FreeRDP_AuthenticationPackageList, "!kerberos") &&
           UINT_SET(s, FreeRDP_TlsSecLevel, 1);
}

static bool put_target(const struct rdp *r, rdpSettings *s) {
    long port = args_int(r->args, "port");
    if (!args_is_set(r->args, "port") && strcmp(args_str(r->args, "security"), "vmconnect") == 0)
        port = VMCONNECT_PORT;
    bool ok =
        UINT_SET(s, FreeRDP_ServerPort, (uint32_t)port) &&
        UINT_SET(s, FreeRDP_TcpConnectTimeout, (uint32_t)args_int(r->args, "timeout") * 1000) &&
        UINT_SET(s, FreeRDP_TcpAckTimeout, RDP_HANDSHAKE_MS);
    bool pre =
        args_is_set(r->args, "preconnection-id") || args_is_set(r->args, "preconnection-blob");
    ok = ok && BOOL_SET(s, FreeRDP_SendPreconnectionPdu, pre) &&
         UINT_SET(s, FreeRDP_PreconnectionId, (uint32_t)args_int(r->args, "preconnection-id"));
    if (args_is_set(r->args, "load-balance-info")) {
        const char *info = args_str(r->args, "load-balance-info");
        ok = ok && freerdp_settings_set_pointer_len(s, FreeRDP_LoadBalanceInfo, info, strlen(info));
    }
    return ok;
}

/* The gateway's user is the target's, unless told otherwise. */
static bool put_gateway(const struct rdp *r, rdpSettings *s) {
    static const struct {
        const char *arg, *otherwise;
        FreeRDP_Settings_Keys_String key;
    } rows[] = {
        { "gateway-username", "username", FreeRDP_GatewayUsername },
        { "gateway-password", "password", FreeRDP_GatewayPassword },
        { "gateway-domain", "domain", FreeRDP_GatewayDomain },
    };
    if (!args_is_set(r->args, "gateway-hostname"))
        return BOOL_SET(s, FreeRDP_GatewayEnabled, FALSE);
    bool ok = BOOL_SET(s, FreeRDP_GatewayEnabled, TRUE) &&
              freerdp_set_gateway_usage_method(s, TSC_PROXY_MODE_DIRECT) &&
              UINT_SET(s, FreeRDP_GatewayPort, (uint32_t)args_int(r->args, "gateway-port")) &&
              BOOL_SET(s, FreeRDP_GatewayUseSameCredentials, FALSE) &&
              BOOL_SET(s, FreeRDP_GatewayHttpTransport, TRUE) &&
              BOOL_SET(s, FreeRDP_GatewayRpcTransport, FALSE) &&
              BOOL_SET(s, FreeRDP_GatewayUdpTransport, FALSE);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *arg = args_is_set(r->args, rows[i].arg) ? rows[i].arg : rows[i].otherwise;
        if (args_is_set(r->args, arg))
            ok = ok && TEXT_SET(s, rows[i].key, args_str(r->args, arg));
    }
    return ok;
}

static long first_of(const struct rdp *r, const char *arg, int otherwise) {
    return args_is_set(r->args, arg) ? args_int(r->args, arg) : otherwise;
}

/* DisplayControl's scale factors are those that Windows offers. */
static uint32_t scale_of(long dpi) {
    long percent = dpi * 100 / 96;
    return (uint32_t)MIN_OF(500L, MAX_OF(100L, percent));
}

/* The library's default keeps 35 MB of bitmaps; this is 11. */
static bool put_caches(rdpSettings *s) {
    static const uint32_t entries[] = { 600, 600, 512 }; /* of 1, 4 and 16 KB */
    bool ok = UINT_SET(s, FreeRDP_BitmapCacheV2NumCells, ARRAY_LEN(entries));
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        const BITMAP_CACHE_V2_CELL_INFO cell = { .numEntries = entries[i] };
        ok = ok && freerdp_settings_set_pointer_array(s, FreeRDP_BitmapCacheV2CellInfo, i, &cell);
    }
    return ok;
}

static bool put_screen(struct rdp *r, rdpSettings *s) {
    int w, h, dpi;
    session_size(r->session, &w, &h, &dpi);
    r->want_width = (int)first_of(r, "width", w);
    r->want_height = (int)first_of(r, "height", h);
    dpi = (int)first_of(r, "dpi", dpi);
    bool exact = args_bool(r->args, "force-lossless");
    uint32_t depth =
        args_is_set(r->args, "color-depth") ? (uint32_t)atoi(args_str(r->args, "color-depth")) : 32;
    bool gfx = !args_bool(r->args, "disable-gfx") && !exact && depth == 32;
    r->by_reconnect = strcmp(args_str(r->args, "resize-method"), "reconnect") == 0;
    return UINT_SET(s, FreeRDP_DesktopWidth, (uint32_t)r->want_width) &&
           UINT_SET(s, FreeRDP_DesktopHeight, (uint32_t)r->want_height) &&
           UINT_SET(s, FreeRDP_DesktopScaleFactor, scale_of(dpi)) &&
           UINT_SET(s, FreeRDP_DeviceScaleFactor, 100) && UINT_SET(s, FreeRDP_ColorDepth, depth) &&
           BOOL_SET(s, FreeRDP_SupportGraphicsPipeline, gfx) &&
           BOOL_SET(s, FreeRDP_GfxH264, gfx && args_bool(r->args, "enable-h264")) &&
           BOOL_SET(s, FreeRDP_GfxProgressive, gfx) && BOOL_SET(s, FreeRDP_GfxProgressiveV2, gfx) &&
           BOOL_SET(s, FreeRDP_GfxPlanar, gfx) && BOOL_SET(s, FreeRDP_GfxSmallCache, TRUE) &&
           BOOL_SET(s, FreeRDP_RemoteFxCodec, FALSE) &&
           BOOL_SET(s, FreeRDP_SurfaceCommandsEnabled, TRUE) &&
           BOOL_SET(s, FreeRDP_DrawAllowSkipAlpha, TRUE) &&
           BOOL_SET(s, FreeRDP_DrawAllowDynamicColorFidelity, FALSE) &&
           BOOL_SET(s, FreeRDP_DrawAllowColorSubsampling, FALSE) &&
           BOOL_SET(s, FreeRDP_SupportDisplayControl, !r->by_reconnect) &&
           BOOL_SET(s, FreeRDP_DesktopResize, TRUE) &&
           UINT_SET(s, FreeRDP_ConnectionType, CONNECTION_LAN) &&
           UINT_SET(s, FreeRDP_OffscreenSupportLevel,
                    !args_bool(r->args, "disable-offscreen-caching")) &&
           UINT_SET(s, FreeRDP_GlyphSupportLevel,
                    args_bool(r->args, "disable-glyph-caching") ? GLYPH_SUPPORT_NONE
                                                                : GLYPH_SUPPORT_FULL) &&
           UINT_SET(s, FreeRDP_LargePointerFlag, 1) &&
           UINT_SET(s, FreeRDP_MultifragMaxRequestSize, 0);
}

/* Only text is offered; what the session does not allow is not even fetched. */
static bool put_clipboard(const struct rdp *r, rdpSettings *s) {
    bool gateway = args_is_set(r->args, "session");
    bool copy =
        !args_bool(r->args, "disable-copy") && (!gateway || args_bool(r->args, "allow-copy"));
    bool paste =
        !args_bool(r->args, "disable-paste") && (!gateway || args_bool(r->args, "allow-paste"));
    uint32_t mask =
        (paste ? CLIPRDR_FLAG_LOCAL_TO_REMOTE : 0u) | (copy ? CLIPRDR_FLAG_REMOTE_TO_LOCAL : 0u);
    return BOOL_SET(s, FreeRDP_RedirectClipboard, mask != 0) &&
           UINT_SET(s, FreeRDP_ClipboardFeatureMask, mask);
}

static bool put_client(struct rdp *r, rdpSettings *s) {
    char name[16]; /* what the protocol has room for */
    snprintf(name, sizeof(name), "%s", args_str(r->args, "client-name"));
    r->layout = layout_find(args_str(r->args, "server-layout"));
    bool japanese = layout_id(r->layout) == 0x411;
    return TEXT_SET(s, FreeRDP_ClientHostname, name) &&
           UINT_SET(s, FreeRDP_ClientBuild, BUILD_WINDOWS_10) &&
           UINT_SET(s, FreeRDP_KeyboardLayout, layout_id(r->layout)) &&
           UINT_SET(s, FreeRDP_KeyboardType, japanese ? 7 : 4) &&
           UINT_SET(s, FreeRDP_KeyboardSubType, japanese ? 2 : 0) &&
           UINT_SET(s, FreeRDP_KeyboardFunctionKey, 12) &&
           UINT_SET(s, FreeRDP_OsMajorType, OSMAJORTYPE_WINDOWS) &&
           UINT_SET(s, FreeRDP_OsMinorType, OSMINORTYPE_WINDOWS_NT);
}

rdpSettings *rdp_settings_new(struct rdp *r) {
    rdpSettings *s = freerdp_settings_new(0);
    if (!s)
        return NULL;
    bool ok = UINT_SET(s, FreeRDP_ThreadingFlags, THREADING_FLAGS_DISABLE_THREADS) &&
              put_tables(r, s) && put_credentials(r, s) && put_security(r, s) && put_target(r, s) &&
              put_gateway(r, s) && put_screen(r, s) && put_caches(s) && put_clipboard(r, s) &&
              put_client(r, s);
    if (!ok) {
        freerdp_settings_free(s);
        return NULL;
    }
    freerdp_performance_flags_make(s);
    return s;
}

unsigned rdp_settings_needs(const struct args *args) {
    unsigned files = rdp_drive_wanted(args) ? SANDBOX_NEED_FILES : 0;
    if (args_is_set(args, "gateway-hostname") || args_is_set(args, "load-balance-info"))
        return files | SANDBOX_NEED_SOCKETS;
    /* Another security than the first one offered takes another connection, to the same address. */
    bool again = any_security(args) || strcmp(args_str(args, "resize-method"), "reconnect") == 0;
    return files | (again ? SANDBOX_NEED_TCP : 0);
}
