/* A target that needs no target: the template of a backend, and the test double of the whole stack.
 * It draws a box that moves (`fps`), a square where the pointer is and a cell for each key; answers
 * a clipboard with the same in capitals; asks, fails and ends when its parameters say so. F9 makes
 * it stop echoing, as a prompt for a password does. */
#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/backends/demo/demo_files.h"
#include "guacd/base/clock.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/display/surface.h"
#include "guacd/session/backend.h"

#define CELL 12
#define BOX 48
#define XK_RETURN 0xFF0D
#define XK_F9 0xFFC6

struct demo {
    struct surface *surface;
    const struct args *args;
    uint32_t color;
    int fps, box_x, cell;
    bool silent, paused;
    uint64_t end_ms, next_us, moves;
    int fd;
    struct demo_files *files; /* NULL: not enabled */
    char line[128];
    size_t line_len;
};

static void paint_all(struct demo *d) {
    int w, h;
    surface_get_size(d->surface, &w, &h);
    surface_fill(d->surface, 0, 0, w, h, d->color);
    for (int y = 8; y + 8 < h / 2; y += 16) /* something like lines of text */
        for (int x = 8; x + 8 < w; x += 8)
            if ((x * 7 + y * 13) % 11 < 7)
                surface_fill(d->surface, x, y, 5, 9, 0xE0E0E0);
}

static void move_box(struct demo *d) {
    int w, h;
    surface_get_size(d->surface, &w, &h);
    int y = h / 2 + 4;
    surface_fill(d->surface, d->box_x, y, BOX, BOX, d->color);
    d->box_x = (int)(++d->moves * 4 % (uint64_t)MAX_OF(1, w - BOX));
    surface_fill(d->surface, d->box_x, y, BOX, BOX, 0xFFA000);
}

static void end_line(struct session *s, struct demo *d) {
    d->line[d->line_len++] = '\n';
    session_shown(s, d->line, d->line_len);
    char json[160];
    snprintf(json, sizeof(json), "{\"line\":%zu}", d->line_len - 1);
    session_text(s, json);
    d->line_len = 0;
    d->cell = 0;
}

static void on_key(struct session *s, struct demo *d, const struct event *ev) {
    if (!ev->key.pressed)
        return;
    if (ev->key.keysym == XK_F9)
        d->silent = !d->silent;
    if (ev->key.keysym == XK_RETURN)
        end_line(s, d);
    if (ev->key.keysym < 0x20 || ev->key.keysym > 0x7E || d->silent)
        return;
    int w, h;
    surface_get_size(d->surface, &w, &h);
    int columns = MAX_OF(1, w / CELL);
    surface_fill(d->surface, d->cell++ % columns * CELL, h - CELL, CELL - 1, CELL,
                 ev->key.keysym * 0x9E3779u & 0xFFFFFF);
    session_key_echoed(s, ev->key.id);
    if (d->line_len + 1 < sizeof(d->line))
        d->line[d->line_len++] = (char)ev->key.keysym;
}

static void on_clipboard(struct session *s, struct event *ev) {
    for (size_t i = 0; i < ev->len; i++)
        ev->data[i] = (char)toupper((unsigned char)ev->data[i]);
    session_clipboard(s, ev->name, ev->data, ev->len);
}

static void on_argv(struct demo *d, const struct event *ev) {
    if (strcmp(ev->name, "fps") == 0)
        d->fps = atoi(ev->data);
    if (strcmp(ev->name, "color") == 0) {
        d->color = (uint32_t)strtoul(ev->data + (ev->data[0] == '#'), NULL, 16);
        paint_all(d);
    }
}

static bool on_event(struct session *s, struct demo *d, struct event *ev) {
    switch (ev->type) {
    case EVENT_KEY:
        on_key(s, d, ev);
        break;
    case EVENT_MOUSE:
        surface_fill(d->surface, ev->mouse.x - 2, ev->mouse.y - 2, 5, 5,
                     ev->mouse.mask ? 0xFF0000 : 0xFFFFFF);
        break;
    case EVENT_SIZE:
        if (surface_resize(d->surface, ev->size.width, ev->size.height) == 0)
            paint_all(d);
        break;
    case EVENT_CLIPBOARD:
        on_clipboard(s, ev);
        break;
    case EVENT_ARGV:
        on_argv(d, ev);
        break;
    case EVENT_TEXT:
        session_text_whole(s, "{\"demo\":true}");
        break;
    case EVENT_PAUSE:
    case EVENT_RESUME:
        d->paused = ev->type == EVENT_PAUSE;
        break;
    case EVENT_END:
        return false;
    case EVENT_TOUCH:
    case EVENT_INPUT:
    case EVENT_RELEASE:
        break;
    }
    session_damage(s);
    return true;
}

static int demo_open(struct session *s, void *state, const struct args *args, struct err *e) {
    struct demo *d = state;
    d->args = args;
    d->fd = -1;
    if (args_int(args, "fail"))
        return err_set(e, (int)args_int(args, "fail"), "The demo was told to fail.");
    if (args_bool(args, "ask")) {
        const char *names[] = { "username", "password" };
        char *values[2] = { 0 };
        if (session_ask(s, names, ARRAY_LEN(names), values, e) < 0)
            return -1;
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            secret_wipe(values[i], strlen(values[i]));
            free(values[i]);
        }
    }
    if (args_is_set(args, "hostname")) {
        if (session_dial(s, args_str(args, "hostname"), (uint16_t)args_int(args, "port"),
                         (int)args_int(args, "timeout") * 1000, &d->fd, e) < 0)
            return -1;
    } else if (session_lock(s, e) < 0) {
        return -1;
    }
    const char *color = args_str(args, "color");
    d->color = (uint32_t)strtoul(color + (color[0] == '#'), NULL, 16);
    d->fps = (int)args_int(args, "fps");
    int w, h, dpi;
    session_size(s, &w, &h, &dpi);
    d->surface = surface_new(w, h);
    if (!d->surface)
        return err_set(e, 0, "no memory for the demo's surface");
    paint_all(d);
    if (args_int(args, "duration"))
        d->end_ms = clock_ms() + (uint64_t)args_int(args, "duration");
    if (args_bool(args, "enable-files")) {
        d->files = demo_files_new(s, e);
        if (!d->files)
            return -1;
    }
    session_title(s, "demo");
    session_set_picture(s, surface_picture(d->surface));
    return 0;
}

/* ms until the box moves or the target ends; -1: neither. */
static int next_wait(const struct demo *d, uint64_t now_us) {
    uint64_t due = UINT64_MAX;
    if (d->fps && !d->paused)
        due = d->next_us;
    if (d->end_ms)
        due = MIN_OF(due, d->end_ms * 1000);
    return due == UINT64_MAX ? -1 : due > now_us ? (int)((due - now_us + 999) / 1000) : 0;
}

static int demo_run(struct session *s, void *state, struct err *e) {
    (void)e;
    struct demo *d = state;
    for (;;) {
        struct pollfd p[] = { { session_event_fd(s), POLLIN, 0 },
                              { demo_files_fd(d->files), POLLIN, 0 } };
        poll(p, 2, next_wait(d, clock_us()));
        if (p[1].revents)
            demo_files_serve(d->files);
        struct event ev;
        while (session_next_event(s, &ev)) {
            bool go_on = on_event(s, d, &ev);
            event_fini(&ev);
            if (!go_on)
                return 0;
        }
        uint64_t now = clock_us();
        if (d->end_ms && now >= d->end_ms * 1000)
            return 0;
        if (d->fps && !d->paused && now >= d->next_us) {
            d->next_us = now + 1000000u / (unsigned)d->fps;
            move_box(d);
            session_damage(s);
        }
    }
}

static void demo_close(struct session *s, void *state) {
    (void)s;
    struct demo *d = state;
    demo_files_free(d->files);
    surface_free(d->surface);
    if (d->fd > 0)
        close(d->fd);
}

static size_t demo_ports(const struct args *args, uint16_t *out, size_t max) {
    if (!max || !args_is_set(args, "hostname"))
        return 0;
    out[0] = (uint16_t)args_int(args, "port");
    return 1;
}

extern const struct backend backend;
__attribute__((visibility("default"))) const struct backend backend = {
    .name = "demo",
    .state_size = sizeof(struct demo),
    .ports = demo_ports,
    .open = demo_open,
    .run = demo_run,
    .close = demo_close,
};
