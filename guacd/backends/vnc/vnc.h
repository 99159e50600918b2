/* Inside of vnc.so: one VNC session by libvncclient. Everything here runs on the backend's thread;
 * the library calls back on it. Files: backend.c (life), connect.c (a descriptor), auth.c
 * (credentials, what failed), tls.c (certificates), screen.c (pixels, size, cursor), input.c
 * (events to the server), clip.c (text of clipboards; pure). */
#ifndef GUAC_VNC_VNC_H
#define GUAC_VNC_VNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/backends/sftp/beside.h"
#include "guacd/base/err.h"
#include "guacd/backends/clip/clip.h"
#include "guacd/backends/vnc/rfb.h"
#include "guacd/display/surface.h"
#include "guacd/session/backend.h"

#define VNC_KEYS_MAX 64              /* held down at once */
#define VNC_NAME_MAX 1024            /* bytes of a desktop's name that are shown */
#define VNC_CLIPBOARD_MAX (1u << 20) /* the library ends the session above it */
#define VNC_SILENCE_S 10             /* in the middle of a message: then the server is given up */
#define VNC_STUCK_MS 20000           /* a server that takes none of our bytes */
#define VNC_RETRY_MS 1000            /* until the first picture is asked for again */
#define VNC_RETRIES 10
#define VNC_CONNECT_MS 15000
#define VNC_SHARPEN_MS 1000 /* after the last change */
#define VNC_SHARPEN_AGAIN_MS 100
#define VNC_PARTIAL_MS 50 /* a long update is shown while it comes, this often */

struct vnc {
    struct session *session;
    const struct args *args;
    rfbClient *client;
    struct surface *surface;
    bool picture_set;
    struct beside *files; /* NULL: none */

    /* screen.c */
    uint8_t *shadow;         /* the library's own pixels, where they are not 32 bits */
    bool held;               /* a rectangle is being decoded into the surface */
    bool asked_early;        /* for the next update, in this one */
    bool refresh;            /* ask for everything once this update is done */
    bool resize, asked_size; /* the browser's size may be asked for; was, since connecting */
    int want_width, want_height;
    uint64_t shown_ms;
    uint64_t sharpen_ms; /* when to look for blurred parts of the picture; 0: none */
    unsigned updates;

    /* input.c */
    uint32_t keys[VNC_KEYS_MAX];
    size_t key_count;
    int x, y, mask;
    bool paused, ending;

    /* auth.c, tls.c */
    char *password, *username; /* asked or given; wiped once connected */
    bool sent_secret;          /* the server has seen a password */
    bool x509, x509_checked;
    int ca_fd;         /* a pipe the library reads the CA from */
    struct err fail;   /* set by a callback: why the library gave up */
    char said[256];    /* the library's last words */
    char refused[256]; /* the server's reason */
    enum clip_encoding encoding;
    unsigned bells;
};

/* connect.c: *fd is a connected, blocking socket; stage B is in force. */
int vnc_connect(struct vnc *v, int *fd, struct err *e);
size_t vnc_ports(const struct args *args, uint16_t *out, size_t max);
size_t vnc_listens(const struct args *args, uint16_t *out, size_t max);
/* Round trip to the server as the kernel knows it, in microseconds. */
unsigned vnc_distance_us(int fd);

/* auth.c */
struct vnc *vnc_of(rfbClient *client);
void vnc_auth_init(struct vnc *v);
void vnc_auth_fini(struct vnc *v); /* wipes */
/* Why rfbInitClient() or a message failed. Always -1. */
int vnc_explain(struct vnc *v, bool connecting, struct err *e);

/* tls.c */
int vnc_tls_credential(struct vnc *v, rfbCredential *c); /* -1 with v->fail */
void vnc_tls_begin(struct vnc *v); /* the library made its session, the handshake comes next */
void vnc_tls_cleanup(rfbClient *client); /* rfbClientCleanup(), and what it leaves behind */

/* screen.c */
int vnc_screen_init(struct vnc *v);
void vnc_screen_fini(struct vnc *v);
void vnc_screen_abandon(struct vnc *v); /* a message broke off */
void vnc_screen_want(struct vnc *v, int width, int height);

/* input.c: false when the session ends. */
bool vnc_events(struct vnc *v);
void vnc_release(struct vnc *v);

/* The parameter's value, "" where the protocol's table lacks it. */
const char *vnc_param(const struct vnc *v, const char *name);

#endif
