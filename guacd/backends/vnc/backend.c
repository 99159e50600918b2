/* VNC by libvncclient. */
#include <gcrypt.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/backends/vnc/vnc.h"
#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define ENCODING_DESKTOP_NAME (-307)
/* What is asked for where the connection says nothing, by the round trip to the server: beside it
 * raw pixels are the cheapest for both; in its network hextile, which costs little; farther away
 * what is small. Tight comes first where a level is asked for, since only it has both of them. */
static const struct way {
    unsigned most_us;
    const char *encodings;
} ways[] = {
    { 100, "copyrect raw" },
    { 1500, "copyrect hextile zrle raw" },
    { UINT_MAX, "copyrect zrle tight hextile zlib raw" },
};
#define ENCODINGS_TIGHT "copyrect tight zrle hextile zlib raw"

/* libgcrypt and GnuTLS read files when first used: not behind the sandbox. */
static int vnc_warm(void *state, struct err *e) {
    (void)state;
    if (!gcry_check_version(NULL) || gnutls_global_init() < 0)
        return err_set(e, STATUS_SERVER_ERROR, "libgcrypt or GnuTLS does not start");
    if (beside_warm(e) < 0)
        return -1;
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    return 0;
}

/* ---- what the server says beside pixels ---------------------------------------------------------
 */

static void set_title(struct vnc *v, const char *name, size_t len) {
    struct buf text;
    buf_init(&text, 3 * VNC_NAME_MAX + 1);
    if (clip_to_utf8(utf8_count(name, MIN_OF(len, VNC_NAME_MAX)) >= 0 ? CLIP_UTF8 : CLIP_LATIN1,
                     name, MIN_OF(len, VNC_NAME_MAX), &text) == 0)
        session_title(v->session, buf_str(&text));
    buf_fini(&text);
}

static rfbBool on_extension(rfbClient *client, rfbFramebufferUpdateRectHeader *rect) {
    if ((int32_t)rect->encoding != ENCODING_DESKTOP_NAME)
        return FALSE;
    uint8_t head[4];
    if (!ReadFromRFBServer(client, (char *)head, sizeof(head)))
        return FALSE;
    uint32_t len =
        (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    if (len > 65536)
        return FALSE;
    char *name = malloc(len + 1u);
    bool ok = name && ReadFromRFBServer(client, name, len);
    if (ok)
        set_title(vnc_of(client), name, len);
    free(name);
    return ok;
}

static void on_bell(rfbClient *client) {
    struct vnc *v = vnc_of(client);
    char count[16];
    snprintf(count, sizeof(count), "%u", ++v->bells);
    session_state(v->session, "bell", count);
}

static void take_clipboard(struct vnc *v, enum clip_encoding from, const char *text, int len) {
    struct buf out;
    buf_init(&out, 3 * (size_t)VNC_CLIPBOARD_MAX + 16);
    if (len >= 0 && clip_to_utf8(from, text, (size_t)len, &out) == 0)
        session_clipboard(v->session, "text/plain", out.data ? out.data : "", out.len);
    buf_wipe(&out);
}

static void on_cut_text(rfbClient *client, const char *text, int len) {
    struct vnc *v = vnc_of(client);
    take_clipboard(v, v->encoding, text, len);
}

static void on_cut_text_utf8(rfbClient *client, const char *text, int len) {
    take_clipboard(vnc_of(client), CLIP_UTF8, text, len);
}

/* ---- connecting ---------------------------------------------------------------------------------
 */

static const char *choose_encodings(const struct vnc *v, bool quality) {
    if (args_is_set(v->args, "encodings"))
        return args_str(v->args, "encodings");
    if (quality || args_is_set(v->args, "compress-level"))
        return ENCODINGS_TIGHT;
    unsigned us = vnc_distance_us(v->client->sock);
    size_t i = 0;
    while (us > ways[i].most_us)
        i++;
    log_debug("the VNC server is %u us away: %s", us, ways[i].encodings);
    return ways[i].encodings;
}

/* Once there is a connection. */
static void set_encodings(struct vnc *v) {
    AppData *a = &v->client->appData;
    bool lossless = args_bool(v->args, "force-lossless");
    bool quality = args_is_set(v->args, "quality-level") && !lossless;
    a->enableJPEG = quality;
    a->qualityLevel = quality ? (int)args_int(v->args, "quality-level") : 9;
    a->compressLevel =
        args_is_set(v->args, "compress-level") ? (int)args_int(v->args, "compress-level") : 1;
    a->encodingsString = choose_encodings(v, quality);
    a->shareDesktop = TRUE;
}

static void register_extension(void) {
    static int encodings[] = { ENCODING_DESKTOP_NAME, 0 };
    static rfbClientProtocolExtension extension = { .encodings = encodings,
                                                    .handleEncoding = on_extension };
    static bool done;
    if (!done)
        rfbClientRegisterExtension(&extension);
    done = true;
}

static int prepare(struct vnc *v, struct err *e) {
    v->client = rfbGetClient(8, 3, 4);
    if (!v->client)
        return err_set(e, STATUS_SERVER_BUSY, "no memory for a VNC client");
    rfbClient *c = v->client;
    vnc_auth_init(v);
    if (vnc_screen_init(v) < 0)
        return err_set(e, STATUS_SERVER_BUSY, "no memory for the screen");
    register_extension();
    v->encoding = clip_encoding_parse(args_str(v->args, "clipboard-encoding"));
    c->Bell = on_bell;
    c->GotXCutText = on_cut_text;
    c->GotXCutTextUTF8 = on_cut_text_utf8;
    c->readTimeout = VNC_SILENCE_S / 10; /* in tenths of what bound_waits() makes of it */
    free(c->serverHost);
    c->serverHost = strdup(args_is_set(v->args, "dest-host") ? args_str(v->args, "dest-host")
                                                             : args_str(v->args, "hostname"));
    return 0;
}

/* rfbInitClient() frees the client when it fails, which still is asked for the reason: so its two
 * halves are done here. */
static bool begin(struct vnc *v) {
    rfbClient *c = v->client;
    if (!InitialiseRFBConnection(c) || (v->x509 && !v->x509_checked))
        return false;
    c->width = c->si.framebufferWidth;
    c->height = c->si.framebufferHeight;
    if (!c->MallocFrameBuffer(c) || !SetFormatAndEncodings(c))
        return false;
    c->updateRect.x = c->updateRect.y = 0;
    c->updateRect.w = c->width;
    c->updateRect.h = c->height;
    c->isUpdateRectManagedByLib = TRUE;
    return SendFramebufferUpdateRequest(c, 0, 0, c->width, c->height, FALSE);
}

static int vnc_open(struct session *s, void *state, const struct args *args, struct err *e) {
    struct vnc *v = state;
    v->session = s;
    v->args = args;
    if (prepare(v, e) < 0)
        return -1;
    if (args_bool(args, "enable-audio"))
        log_warning("enable-audio: sound beside VNC is not there yet; the session goes on without");
    int fd = -1;
    v->files = beside_dial(s, args);
    if (vnc_connect(v, &fd, e) < 0)
        return -1;
    v->client->sock = fd; /* closed with the client */
    v->client->listenSpecified = TRUE;
    set_encodings(v);
    if (!begin(v))
        return v->ending ? err_set(e, STATUS_SESSION_CLOSED, "the session ended while connecting")
                         : vnc_explain(v, true, e);
    log_info("RFB %d.%d, security %u/%u, %dx%d%s", v->client->major, v->client->minor,
             v->client->authScheme, v->client->subAuthScheme, v->client->width, v->client->height,
             v->client->tlsSession ? ", TLS" : "");
    vnc_auth_fini(v);
    set_title(v, v->client->desktopName, strlen(v->client->desktopName));
    v->picture_set = true;
    beside_start(v->files);
    session_set_picture(s, surface_picture(v->surface));
    return 0;
}

/* ---- running ------------------------------------------------------------------------------------
 */

/* Bytes that poll() cannot see, since they were read already. */
static bool has_bytes(const rfbClient *c) {
    return c->buffered > 0 ||
           (c->tlsSession && gnutls_record_check_pending((gnutls_session_t)c->tlsSession) > 0);
}

static int wait_ms(const struct vnc *v, uint64_t now, uint64_t retry) {
    uint64_t due = UINT64_MAX;
    if (v->updates == 0 && !v->paused)
        due = retry;
    if (v->sharpen_ms)
        due = MIN_OF(due, v->sharpen_ms);
    return due == UINT64_MAX ? -1 : due > now ? (int)(due - now) : 0;
}

/* What was sent as JPEG is sent exactly once it rests: the picture does that when it is asked for a
 * frame, and nothing else asks while nothing changes. */
static void sharpen(struct vnc *v, uint64_t now) {
    if (!v->sharpen_ms || now < v->sharpen_ms)
        return;
    v->sharpen_ms = surface_blurred(v->surface) ? now + VNC_SHARPEN_AGAIN_MS : 0;
    if (v->sharpen_ms)
        session_damage(v->session);
}

/* The server hung up between two messages: that is how a desktop ends. */
static bool at_end(const struct vnc *v) {
    char byte;
    return recv(v->client->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int vnc_run(struct session *s, void *state, struct err *e) {
    struct vnc *v = state;
    rfbClient *c = v->client;
    uint64_t retry = clock_ms() + VNC_RETRY_MS;
    unsigned tries = 0;
    for (;;) {
        bool pending = !v->paused && has_bytes(c);
        struct pollfd p[] = { { session_event_fd(s), POLLIN, 0 },
                              { v->paused ? -1 : c->sock, POLLIN, 0 } };
        poll(p, 2, pending ? 0 : wait_ms(v, clock_ms(), retry));
        if (!vnc_events(v))
            return 0;
        sharpen(v, clock_ms());
        if (!v->paused && (pending || p[1].revents)) {
            if (!pending && at_end(v))
                return 0;
            v->shown_ms = clock_ms();
            v->said[0] = '\0';
            if (!HandleRFBServerMessage(c)) {
                vnc_screen_abandon(v);
                return v->ending ? 0 : vnc_explain(v, false, e);
            }
        }
        /* Some servers lose the first request of a fast client. */
        if (v->updates == 0 && !v->paused && clock_ms() >= retry && tries++ < VNC_RETRIES) {
            SendFramebufferUpdateRequest(c, 0, 0, c->width, c->height, FALSE);
            retry = clock_ms() + (tries < VNC_RETRIES ? VNC_RETRY_MS : 3600000);
        }
    }
}

static void vnc_close(struct session *s, void *state) {
    (void)s;
    struct vnc *v = state;
    beside_free(v->files);
    if (v->client) {
        vnc_auth_fini(v);
        v->client->frameBuffer = NULL; /* the surface's, or the shadow */
        vnc_tls_cleanup(v->client);
    }
    v->client = NULL;
    vnc_screen_fini(v);
}

extern const struct backend backend;
__attribute__((visibility("default"))) const struct backend backend = {
    .name = "vnc",
    .state_size = sizeof(struct vnc),
    .warm = vnc_warm,
    .ports = vnc_ports,
    .listens = vnc_listens,
    .open = vnc_open,
    .run = vnc_run,
    .close = vnc_close,
};
