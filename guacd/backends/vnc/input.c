/* From the session's events to the server. May be called in the middle of a message of the
 * server's, between two rectangles: it only writes. */
#include <string.h>
#include <sys/socket.h>

#include "guacd/backends/vnc/vnc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define CLIP_GROWTH 3 /* bytes of UTF-8 for one of any encoding */

static void remember(struct vnc *v, uint32_t keysym, bool pressed) {
    size_t i = 0;
    while (i < v->key_count && v->keys[i] != keysym)
        i++;
    if (pressed && i == v->key_count && i < VNC_KEYS_MAX)
        v->keys[v->key_count++] = keysym;
    if (!pressed && i < v->key_count)
        v->keys[i] = v->keys[--v->key_count];
}

static void on_key(struct vnc *v, const struct event *ev) {
    remember(v, ev->key.keysym, ev->key.pressed);
    SendKeyEvent(v->client, ev->key.keysym, ev->key.pressed);
}

static void on_mouse(struct vnc *v, const struct event *ev) {
    v->x = MAX_OF(0, MIN_OF(ev->mouse.x, v->client->width - 1));
    v->y = MAX_OF(0, MIN_OF(ev->mouse.y, v->client->height - 1));
    v->mask = ev->mouse.mask & 0xFF; /* the buttons have the same bits in both protocols */
    SendPointerEvent(v->client, v->x, v->y, v->mask);
}

void vnc_release(struct vnc *v) {
    while (v->key_count > 0)
        SendKeyEvent(v->client, v->keys[--v->key_count], FALSE);
    if (v->mask)
        SendPointerEvent(v->client, v->x, v->y, 0);
    v->mask = 0;
}

static void on_clipboard(struct vnc *v, const struct event *ev) {
    if (strncmp(ev->name, "text/plain", 10) != 0)
        return;
    if (ev->len > VNC_CLIPBOARD_MAX) {
        log_warning("a clipboard of %zu bytes is too long for VNC", ev->len);
        return;
    }
    bool extended = v->client->extendedClipboardServerCapabilities;
    struct buf text;
    buf_init(&text, CLIP_GROWTH * (ev->len + 1));
    /* Old cut text first, in any case: libvncserver announces the extended clipboard on behalf of
     * servers that then drop it (x11vnc). TigerVNC takes the later one. */
    if (clip_from_utf8(extended ? CLIP_LATIN1 : v->encoding, ev->data, ev->len, &text) == 0)
        SendClientCutText(v->client, text.data, (int)text.len);
    buf_clear(&text);
    if (extended && !clip_is_latin1(ev->data, ev->len) &&
        clip_from_utf8(CLIP_UTF8, ev->data, ev->len, &text) == 0)
        SendClientCutTextUTF8(v->client, text.data, (int)text.len);
    buf_wipe(&text);
}

static void on_event(struct vnc *v, const struct event *ev) {
    switch (ev->type) {
    case EVENT_KEY:
        on_key(v, ev);
        break;
    case EVENT_MOUSE:
        on_mouse(v, ev);
        break;
    case EVENT_SIZE:
        vnc_screen_want(v, ev->size.width, ev->size.height);
        break;
    case EVENT_CLIPBOARD:
        on_clipboard(v, ev);
        break;
    case EVENT_RELEASE:
        vnc_release(v);
        break;
    case EVENT_END:
    case EVENT_PAUSE:
    case EVENT_RESUME:
    case EVENT_TEXT:
    case EVENT_TOUCH:
    case EVENT_INPUT:
    case EVENT_ARGV:
        break;
    }
}

bool vnc_events(struct vnc *v) {
    struct event ev;
    while (!v->ending && session_next_event(v->session, &ev)) {
        if (ev.type == EVENT_PAUSE || ev.type == EVENT_RESUME)
            v->paused = ev.type == EVENT_PAUSE;
        v->ending = ev.type == EVENT_END;
        if (v->picture_set) /* connected: before, there is nobody to tell */
            on_event(v, &ev);
        else if (ev.type == EVENT_SIZE)
            v->want_width = ev.size.width, v->want_height = ev.size.height;
        event_fini(&ev);
    }
    /* The library may be in the middle of a message: its next read then finds the end. */
    if (v->ending && v->client && v->client->sock >= 0)
        shutdown(v->client->sock, SHUT_RDWR);
    return !v->ending;
}
