/* Inside of rdp.so: one RDP session by FreeRDP 3. Everything here runs on the backend's thread, on
 * which the library calls back, too: it is told to have no threads of its own. The one exception is
 * watch.c. Files: backend.c (life), settings.c (parameters to settings), connect.c (a descriptor),
 * watch.c (gives up while the library blocks), auth.c (credentials), cert.c (certificates),
 * explain.c (what failed; pure), screen.c (pixels, size), pointer.c, gfx.c (graphics pipeline),
 * clipboard.c, sound.c, drive.c (files; devices.c and
 * drive_irp.c answer the server, disk.c holds them; pure),
 * input.c (events to the server), keymap.c and layouts.c (keys; pure). */
#ifndef GUAC_RDP_RDP_H
#define GUAC_RDP_RDP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/backends/rdp/explain.h"
#include "guacd/backends/rdp/freerdp.h"
#include "guacd/backends/rdp/keymap.h"
#include "guacd/backends/sftp/beside.h"
#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/display/surface.h"
#include "guacd/session/backend.h"

#define RDP_HANDSHAKE_MS 30000 /* from the connected descriptor to a desktop, prompts apart */
#define RDP_KEYS_MAX 64        /* held down at once */
#define RDP_SHARPEN_MS 1000    /* after the last change */
#define RDP_SHARPEN_AGAIN_MS 100
#define RDP_RESIZE_MS 300 /* sizes asked for by a window being dragged: the last one counts */

/* A second thread while the library connects, since it blocks then: when the session ends or the
 * server takes too long, it cuts the socket. */
struct watch {
    pthread_t thread;
    bool runs;
    int stop; /* eventfd */
    struct session *session;
    rdpContext *context;
    _Atomic int fd;            /* the socket once more, so that it is nobody else's; -1: none yet */
    _Atomic uint64_t deadline; /* clock_ms(), 0: none */
    _Atomic bool timed_out, ended;
};

struct held {
    uint32_t keysym;
    struct key key;
    bool unicode;
    uint32_t codepoint;
};

struct rdp {
    struct session *session;
    const struct args *args;
    rdpContext *context; /* NULL until made */
    struct surface *surface;
    bool connected; /* the library's connect is through; disconnecting is to be done */
    bool picture_set, paused, ending;
    struct watch watch;
    struct err fail; /* set by a callback: why the library gave up */

    /* auth.c, cert.c */
    bool sent_secret;
    int ca_fd; /* the system's CAs, opened before the sandbox closed; -1: none */
    unsigned dials;
    uint32_t first_error; /* the library's, before it tried again; 0: it did not */
    char address[64];     /* of hostname, once it was dialled */

    /* screen.c, gfx.c */
    bool held;
    uint64_t sharpen_ms;
    unsigned bells;
    pSurfaceBits surface_bits;
    pBitmap_Decompress decompress;
    RdpgfxClientContext *gfx;
    pcRdpgfxSurfaceCommand gfx_command;
    uint32_t gfx_codecs; /* bits: those that were used */

    /* size.c */
    DispClientContext *disp;
    bool disp_ready, by_reconnect;
    int want_width, want_height;
    uint64_t resize_ms; /* when to ask for it; 0: nothing to ask */
    bool reconnect;     /* now */

    /* clipboard.c */
    CliprdrClientContext *clip; /* NULL: no channel */
    bool clip_ready;
    char *clip_text; /* of the browser, until the server asks; wiped */
    size_t clip_len;

    /* drive.c; sftp/beside.c */
    struct rdp_drive *drive; /* NULL: none */
    struct beside *beside;

    /* input.c */
    const struct layout *layout;
    struct held keys[RDP_KEYS_MAX];
    size_t key_count;
    int x, y, mask;
    bool locks_told;
};

/* The library's context with ours behind it. */
struct rdp_client {
    rdpClientContext common;
    struct rdp *rdp;
};

static inline struct rdp *rdp_of(rdpContext *context) {
    return ((struct rdp_client *)context)->rdp;
}

/* settings.c */
rdpSettings *rdp_settings_new(struct rdp *r); /* NULL without memory */
/* SANDBOX_NEED_*: whether further connections may have to be made once the sandbox is closed. */
unsigned rdp_settings_needs(const struct args *args);

/* connect.c */
size_t rdp_ports(const struct args *args, uint16_t *out, size_t max);
bool rdp_connect_init(struct rdp *r);

/* watch.c: around a call that blocks */
int watch_start(struct rdp *r, struct err *e);
void watch_stop(struct rdp *r);
void watch_socket(struct rdp *r, int fd);
void watch_allow(struct rdp *r, int ms); /* from now on; 0: a person is being asked */

/* auth.c */
void rdp_auth_init(freerdp *instance);

/* cert.c */
int rdp_cert_warm(void); /* ca_fd */
bool rdp_cert_remembers(const struct args *args, char *name, size_t size);
int rdp_cert_check(freerdp *instance, const BYTE *pem, size_t len, const char *host, UINT16 port,
                   DWORD flags);

/* screen.c */
BOOL rdp_screen_begin(freerdp *instance); /* PostConnect */
bool rdp_screen_again(struct rdp *r);     /* after connecting anew */
void rdp_screen_end(freerdp *instance);
bool rdp_screen_init(struct rdp *r);
void rdp_screen_sharpen(struct rdp *r, uint64_t now);
/* Makes sure that a codec (FREERDP_CODEC_*, 0: none) is there; they are made when first used. */
bool rdp_codec_need(rdpContext *context, rdpCodecs *c, uint32_t flag);
/* Frees those that the library made in advance; all: those of the bitmap path, too. */
void rdp_codecs_trim(rdpCodecs *c, bool all);

/* pointer.c */
void rdp_pointer_init(rdpContext *context);

/* gfx.c */
void rdp_gfx_begin(struct rdp *r, RdpgfxClientContext *gfx);
void rdp_gfx_end(struct rdp *r, RdpgfxClientContext *gfx);

/* size.c */
void rdp_size_begin(struct rdp *r, DispClientContext *disp); /* NULL: the channel is gone */
void rdp_size_want(struct rdp *r, int width, int height);
void rdp_size_ask(struct rdp *r, uint64_t now); /* when it is due */

/* clipboard.c */
void rdp_clipboard_begin(struct rdp *r, CliprdrClientContext *clip); /* NULL: it is gone */
void rdp_clipboard_put(struct rdp *r, const struct event *ev);
void rdp_clipboard_fini(struct rdp *r);

/* sound.c */
#define RDP_SUBSYSTEM "guac"        /* the device by its name, among the library's */
bool rdp_sound_init(struct rdp *r); /* before connecting */
UINT VCAPITYPE rdp_sound_entry(PFREERDP_RDPSND_DEVICE_ENTRY_POINTS entry);

/* drive.c: all do nothing without a drive */
struct rdp_drive;
bool rdp_drive_wanted(const struct args *args);
int rdp_drive_begin(struct rdp *r, struct err *e); /* before connecting */
int rdp_drive_show(struct rdp *r, struct err *e);  /* to people, once connected */
/* Device redirection as the library loads it for sound, whether there is a drive or not. */
BOOL VCAPITYPE rdp_drive_entry(PCHANNEL_ENTRY_POINTS_EX points, PVOID init);
bool rdp_drive_load(struct rdp *r);    /* where the library did not */
int rdp_drive_fd(const struct rdp *r); /* -1: none */
void rdp_drive_serve(struct rdp *r);
void rdp_drive_end(struct rdp *r); /* when the library is gone */

/* input.c: false when the session ends */
bool rdp_events(struct rdp *r);
void rdp_release(struct rdp *r);
void rdp_locks(struct rdp *r); /* Num Lock on, Caps Lock off */

#endif
