/* RDP by FreeRDP 3. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define EVENTS_MAX 64

/* ---- the library's words ------------------------------------------------------------------------
 */

/* The server's bytes may be in it: one line of plain ASCII is left. */
static BOOL on_log(const wLogMessage *m) {
    char line[512];
    snprintf(line, sizeof(line), "%s", m->TextString ? m->TextString : "");
    for (char *p = line; *p; p++)
        if (*p < 0x20 || *p > 0x7E)
            *p = ' ';
    log_debug("FreeRDP: %s", line);
    return TRUE;
}

static BOOL on_log_nothing(const wLogMessage *m) {
    (void)m;
    return TRUE;
}

static void route_log(void) {
    static wLogCallbacks callbacks = { .data = on_log_nothing,
                                       .image = on_log_nothing,
                                       .message = on_log,
                                       .package = on_log_nothing };
    wLog *root = WLog_GetRoot();
    WLog_SetLogAppenderType(root, WLOG_APPENDER_CALLBACK);
    WLog_ConfigureAppender(WLog_GetLogAppender(root), "callbacks", &callbacks);
    WLog_SetLogLevel(root, WLOG_WARN);
}

/* What the library and its libraries open when first used: not behind the sandbox. */
static int rdp_warm(void *state, struct err *e) {
    struct rdp *r = state;
    r->ca_fd = rdp_cert_warm();
    route_log();
    primitives_set_hints(PRIMITIVES_ONLY_CPU); /* else it measures for 0.3 s which are fastest */
    primitives_get();
    if (!winpr_InitializeSSL(WINPR_SSL_INIT_DEFAULT)) /* MD4 and RC4 of NTLM among it */
        return err_set(e, STATUS_SERVER_ERROR, "FreeRDP does not start");
    if (beside_warm(e) < 0)
        return -1;
    dlopen("libgcc_s.so.1", RTLD_NOW); /* glibc's, for ending threads */
    return 0;
}

/* ---- devices of our own -------------------------------------------------------------------------
 */

/* What the library looks for by name is its own, but for these. */
static PVIRTUALCHANNELENTRY provide(LPCSTR name, LPCSTR subsystem, LPCSTR type, DWORD flags) {
    if (subsystem && strcmp(name, RDPSND_CHANNEL_NAME) == 0 &&
        strcmp(subsystem, RDP_SUBSYSTEM) == 0)
        return (PVIRTUALCHANNELENTRY)(void (*)(void))rdp_sound_entry;
    if (!subsystem && !type && strcmp(name, RDPDR_SVC_CHANNEL_NAME) == 0)
        return (PVIRTUALCHANNELENTRY)(void (*)(void))rdp_drive_entry;
    return freerdp_channels_load_static_addin_entry(name, subsystem, type, flags);
}

/* ---- channels -----------------------------------------------------------------------------------
 */

static void on_channel(void *context, const ChannelConnectedEventArgs *e) {
    struct rdp *r = rdp_of(context);
    log_debug("channel %s", e->name);
    if (strcmp(e->name, RDPGFX_DVC_CHANNEL_NAME) == 0)
        rdp_gfx_begin(r, e->pInterface);
    else if (strcmp(e->name, DISP_DVC_CHANNEL_NAME) == 0)
        rdp_size_begin(r, e->pInterface);
    else if (strcmp(e->name, CLIPRDR_SVC_CHANNEL_NAME) == 0)
        rdp_clipboard_begin(r, e->pInterface);
}

static void on_channel_gone(void *context, const ChannelDisconnectedEventArgs *e) {
    struct rdp *r = rdp_of(context);
    if (strcmp(e->name, RDPGFX_DVC_CHANNEL_NAME) == 0)
        rdp_gfx_end(r, e->pInterface);
    else if (strcmp(e->name, DISP_DVC_CHANNEL_NAME) == 0)
        rdp_size_begin(r, NULL);
    else if (strcmp(e->name, CLIPRDR_SVC_CHANNEL_NAME) == 0)
        rdp_clipboard_begin(r, NULL);
}

/* ---- connecting ---------------------------------------------------------------------------------
 */

static BOOL on_pre_connect(freerdp *instance) {
    rdpContext *c = instance->context;
    return PubSub_SubscribeChannelConnected(c->pubSub, on_channel) >= 0 &&
           PubSub_SubscribeChannelDisconnected(c->pubSub, on_channel_gone) >= 0;
}

static void on_final_disconnect(freerdp *instance) {
    rdpContext *c = instance->context;
    PubSub_UnsubscribeChannelConnected(c->pubSub, on_channel);
    PubSub_UnsubscribeChannelDisconnected(c->pubSub, on_channel_gone);
}

/* Network detection and heartbeats bring the server's message channel, without which some do not
 * talk; the library would load device redirection for them, which they do not need. */
static BOOL on_load_channels(freerdp *instance) {
    static const FreeRDP_Settings_Keys_Bool keys[] = { FreeRDP_NetworkAutoDetect,
                                                       FreeRDP_SupportHeartbeatPdu };
    rdpContext *c = instance->context;
    bool ok = true;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        ok = ok && freerdp_settings_set_bool(c->settings, keys[i], FALSE);
    ok = ok && freerdp_client_load_channels(instance) && rdp_drive_load(rdp_of(c));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        ok = ok && freerdp_settings_set_bool(c->settings, keys[i], TRUE);
    return ok;
}

static BOOL on_client_new(freerdp *instance, rdpContext *context) {
    (void)context;
    instance->PreConnect = on_pre_connect;
    instance->PostConnect = rdp_screen_begin;
    instance->PostDisconnect = rdp_screen_end;
    instance->PostFinalDisconnect = on_final_disconnect;
    instance->LoadChannels = on_load_channels;
    rdp_auth_init(instance);
    return TRUE;
}

static void on_client_free(freerdp *instance, rdpContext *context) {
    (void)instance, (void)context;
}

static int prepare(struct rdp *r, struct err *e) {
    const char *zone = args_is_set(r->args, "timezone") ? args_str(r->args, "timezone")
                                                        : session_timezone(r->session);
    if (*zone) {
        setenv("TZ", zone, 1); /* where the library looks; this process is this session */
        tzset();               /* its localtime_r() does not look again */
    }
    RDP_CLIENT_ENTRY_POINTS entry = {
        .Size = sizeof(entry),
        .Version = RDP_CLIENT_INTERFACE_VERSION,
        .settings = rdp_settings_new(r),
        .ContextSize = sizeof(struct rdp_client),
        .ClientNew = on_client_new,
        .ClientFree = on_client_free,
    };
    r->context = entry.settings ? freerdp_client_context_new(&entry) : NULL;
    if (!r->context || !rdp_screen_init(r))
        return err_set(e, STATUS_SERVER_BUSY, "no memory for an RDP client");
    ((struct rdp_client *)r->context)->rdp = r;
    if (freerdp_register_addin_provider(provide, 0) != CHANNEL_RC_OK || !rdp_connect_init(r) ||
        !rdp_sound_init(r))
        return err_set(e, STATUS_SERVER_ERROR, "FreeRDP takes nothing of ours");
    return rdp_drive_begin(r, e);
}

static int explain(struct rdp *r, bool connecting, struct err *e) {
    uint32_t error = freerdp_get_last_error(r->context);
    if (r->first_error == FREERDP_ERROR_CONNECT_TRANSPORT_FAILED)
        error = r->first_error;
    uint32_t info = freerdp_error_info(r->context->instance);
    if (atomic_load(&r->watch.ended))
        return err_set(e, STATUS_SESSION_CLOSED, "the session ended while connecting");
    if (r->fail.status) {
        *e = r->fail;
        return -1;
    }
    if (atomic_load(&r->watch.timed_out))
        return err_set(e, STATUS_UPSTREAM_TIMEOUT,
                       "the RDP server stopped answering while connecting");
    log_debug("FreeRDP's error 0x%08X, the server's reason 0x%X", error, info);
    if (connecting && error == FREERDP_ERROR_CONNECT_ACCESS_DENIED &&
        args_is_set(r->args, "gateway-hostname")) /* its HTTP 401 and 403, too */
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "the gateway %s, or the RDP server behind it, denies access to this account",
                       args_str(r->args, "gateway-hostname"));
    return connecting ? explain_connect(error, info, e) : explain_end(error, info, e);
}

/* What is needed once only. */
static void forget_secrets(struct rdp *r) {
    static const FreeRDP_Settings_Keys_String secrets[] = { FreeRDP_Password,
                                                            FreeRDP_GatewayPassword };
    for (size_t i = 0; !r->by_reconnect && i < ARRAY_LEN(secrets); i++) {
        char *text = freerdp_settings_get_string_writable(r->context->settings, secrets[i]);
        if (text)
            secret_wipe(text, strlen(text));
    }
}

/* MS-RDPBCGR 2.2.1.2.1, selectedProtocol */
static const char *security_name(const rdpSettings *s) {
    switch (freerdp_settings_get_uint32(s, FreeRDP_SelectedProtocol)) {
    case 0:
        return "RDP security";
    case 1:
        return "TLS";
    case 2:
        return "NLA";
    case 8:
        return "NLA, extended";
    default:
        return "another security";
    }
}

static int rdp_open(struct session *s, void *state, const struct args *args, struct err *e) {
    struct rdp *r = state;
    r->session = s;
    r->args = args;
    if (prepare(r, e) < 0 || watch_start(r, e) < 0)
        return -1;
    r->beside = beside_dial(s, args);
    bool ok = freerdp_connect(r->context->instance);
    watch_stop(r);
    if (!ok)
        return explain(r, true, e);
    r->connected = true;
    forget_secrets(r);
    const rdpSettings *set = r->context->settings;
    log_info("%s, %ux%u", security_name(set),
             freerdp_settings_get_uint32(set, FreeRDP_DesktopWidth),
             freerdp_settings_get_uint32(set, FreeRDP_DesktopHeight));
    beside_start(r->beside);
    session_set_picture(s, surface_picture(r->surface));
    return rdp_drive_show(r, e);
}

/* ---- running ------------------------------------------------------------------------------------
 */

static uint32_t wait_ms(const struct rdp *r, uint64_t now) {
    uint64_t due = UINT64_MAX;
    if (r->sharpen_ms)
        due = MIN_OF(due, r->sharpen_ms);
    if (r->resize_ms && !r->paused && (r->by_reconnect || r->disp_ready))
        due = MIN_OF(due, r->resize_ms);
    return due == UINT64_MAX ? INFINITE : due > now ? (uint32_t)(due - now) : 0;
}

static int reconnect(struct rdp *r, struct err *e) {
    r->reconnect = false;
    rdp_release(r);
    if (watch_start(r, e) < 0)
        return -1;
    bool ok = freerdp_reconnect(r->context->instance);
    watch_stop(r);
    if (!ok || !rdp_screen_again(r))
        return explain(r, true, e);
    r->locks_told = false;
    return 0;
}

/* 1: goes on; 0 and -1 as run(). own: handles of ours, NULL behind the last. */
static int step(struct rdp *r, const HANDLE own[], struct err *e) {
    HANDLE handles[EVENTS_MAX];
    DWORD count = 0;
    for (; own[count]; count++)
        handles[count] = own[count];
    if (!r->paused) {
        DWORD more = freerdp_get_event_handles(r->context, handles + count, EVENTS_MAX - count);
        if (more == 0)
            return explain(r, false, e);
        count += more;
    }
    WaitForMultipleObjects(count, handles, FALSE, wait_ms(r, clock_ms()));
    if (!rdp_events(r))
        return 0;
    rdp_drive_serve(r);
    uint64_t now = clock_ms();
    rdp_screen_sharpen(r, now);
    if (r->paused)
        return 1;
    if (!freerdp_check_event_handles(r->context) || r->fail.status ||
        freerdp_shall_disconnect_context(r->context))
        return explain(r, false, e);
    rdp_size_ask(r, now);
    if (r->reconnect && reconnect(r, e) < 0)
        return -1;
    return 1;
}

static HANDLE watch_fd(int fd) {
    return fd >= 0 ? CreateFileDescriptorEvent(NULL, FALSE, FALSE, fd, WINPR_FD_READ) : NULL;
}

static int rdp_run(struct session *s, void *state, struct err *e) {
    struct rdp *r = state;
    HANDLE own[] = { watch_fd(session_event_fd(s)), watch_fd(rdp_drive_fd(r)), NULL };
    if (!own[0] || (rdp_drive_fd(r) >= 0 && !own[1]))
        return err_set(e, STATUS_SERVER_BUSY, "no memory for the session's events");
    int result;
    while ((result = step(r, own, e)) > 0)
        ;
    for (size_t i = 0; own[i]; i++)
        CloseHandle(own[i]);
    return result;
}

static void rdp_close(struct session *s, void *state) {
    (void)s;
    struct rdp *r = state;
    if (r->connected)
        freerdp_disconnect(r->context->instance);
    if (r->context)
        freerdp_client_context_free(r->context);
    r->context = NULL;
    rdp_drive_end(r);
    beside_free(r->beside);
    r->beside = NULL;
    rdp_clipboard_fini(r);
    surface_free(r->surface);
    r->surface = NULL;
    if (r->ca_fd >= 0)
        close(r->ca_fd);
}

extern const struct backend backend;
__attribute__((visibility("default"))) const struct backend backend = {
    .name = "rdp",
    .state_size = sizeof(struct rdp),
    .needs = rdp_settings_needs,
    .warm = rdp_warm,
    .ports = rdp_ports,
    .stores = rdp_drive_wanted,
    .remembers = rdp_cert_remembers,
    .open = rdp_open,
    .run = rdp_run,
    .close = rdp_close,
};
