/* What people do: keys, mouse, clipboards, sizes. While the target does not take what was typed or
 * pasted, events wait here in order, and behind them in the mailbox; the end is looked for all the
 * same. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/console/console.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"

#define PASTE_STEP 16384
#define SHOWN_EVERY_MS 40
#define TEXT_EVERY_MS 200

/* ---- what the terminal wants ------------------------------------------------------------------
 */

static void on_output(void *arg, const void *data, size_t len) {
    struct console *c = arg;
    if (buf_add(&c->out, data, len)) {
        /* Only answers to a target that asks and does not read can come this far. */
        c->out.failed = false;
        log_debug("%zu bytes for the target dropped: it does not read", len);
    }
}

static void on_title(void *arg, const char *text) {
    session_title(((struct console *)arg)->s, text);
}

static void on_clipboard(void *arg, const char *text, size_t len) {
    struct console *c = arg;
    session_clipboard(c->s, "text/plain", text, len);
    /* It can be pasted here at once, whether or not the policy lets it out. */
    char *copy = c->pasting ? NULL : malloc(len + 1);
    if (!copy)
        return;
    memcpy(copy, text, len);
    copy[len] = '\0';
    free(c->clip);
    c->clip = copy;
    c->clip_len = len;
}

static void on_paste(void *arg) {
    struct console *c = arg;
    if (c->pasting || !c->clip_len)
        return;
    c->pasting = true;
    c->paste_at = 0;
    term_paste_begin(c->term);
    console_paste_pump(c);
}

static void on_size(void *arg, int cols, int rows, int width, int height) {
    struct console *c = arg;
    c->cols = cols;
    c->rows = rows;
    c->width = width;
    c->height = height;
    c->resized = true;
}

static void on_echo(void *arg, uint64_t id) {
    session_key_echoed(((struct console *)arg)->s, id);
}

static const struct term_ops term_ops = {
    .output = on_output,
    .title = on_title,
    .clipboard = on_clipboard,
    .paste = on_paste,
    .size = on_size,
    .echo = on_echo,
};

void console_paste_pump(struct console *c) {
    while (c->pasting && c->out.len < CONSOLE_OUT_LIMIT) {
        size_t n = MIN_OF(c->clip_len - c->paste_at, (size_t)PASTE_STEP);
        term_paste(c->term, c->clip + c->paste_at, n);
        c->paste_at += n;
        if (c->paste_at == c->clip_len) {
            term_paste_end(c->term);
            c->pasting = false;
        }
    }
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void serve(struct console *c, struct event *ev) {
    struct err e = { 0 };
    switch (ev->type) {
    case EVENT_KEY:
        term_key(c->term, ev->key.keysym, ev->key.pressed, ev->key.id);
        break;
    case EVENT_MOUSE:
        term_mouse(c->term, ev->mouse.x, ev->mouse.y, ev->mouse.mask);
        break;
    case EVENT_SIZE:
        term_resize(c->term, ev->size.width, ev->size.height, ev->size.dpi);
        break;
    case EVENT_CLIPBOARD:
        if (strncmp(ev->name, "text/", 5) != 0)
            break;
        if (c->clip)
            secret_wipe(c->clip, c->clip_len);
        free(c->clip);
        c->clip = ev->data;
        c->clip_len = ev->data ? ev->len : 0;
        ev->data = NULL;
        ev->len = 0;
        break;
    case EVENT_ARGV:
        if (c->option && c->option(c->option_arg, ev->name, ev->data ? ev->data : "", ev->len))
            break;
        if (!term_option(c->term, ev->name, ev->data, &e))
            log_warning("%s", e.text);
        break;
    case EVENT_INPUT:
        buf_add(&c->out, ev->data, ev->len);
        break;
    case EVENT_RELEASE:
        term_release(c->term);
        break;
    case EVENT_TEXT:
        c->text_whole = c->text_due = true;
        break;
    case EVENT_PAUSE:
    case EVENT_RESUME:
        c->paused = ev->type == EVENT_PAUSE;
        break;
    case EVENT_TOUCH:
    case EVENT_END:
        break;
    }
}

static bool blocked(const struct console *c) {
    return c->pasting || c->out.len >= CONSOLE_OUT_LIMIT;
}

/* A pause is not for the target: it works at once, whatever waits. */
static bool urgent(const struct event *ev) {
    return ev->type == EVENT_PAUSE || ev->type == EVENT_RESUME || ev->type == EVENT_TEXT;
}

bool console_events(struct console *c) {
    size_t done = 0;
    c->early = false;
    while (done < c->held_count && !blocked(c)) {
        serve(c, &c->held[done]);
        event_fini(&c->held[done++]);
    }
    memmove(c->held, c->held + done, (c->held_count - done) * sizeof *c->held);
    c->held_count -= done;

    struct event ev;
    while (c->held_count < CONSOLE_HELD_MAX && session_next_event(c->s, &ev)) {
        if (ev.type == EVENT_END) {
            event_fini(&ev);
            return false;
        }
        if (!urgent(&ev) && (c->held_count || blocked(c))) {
            c->held[c->held_count++] = ev;
            continue;
        }
        serve(c, &ev);
        event_fini(&ev);
    }
    return true;
}

void console_show(struct console *c) {
    c->early = true;
    session_set_picture(c->s, term_picture(c->term));
}

bool console_early_events(struct console *c) {
    struct event ev;
    while ((!c->early || c->held_count < CONSOLE_HELD_MAX) && session_next_event(c->s, &ev)) {
        bool end = ev.type == EVENT_END;
        if (c->early && !end && !urgent(&ev) && ev.type != EVENT_SIZE) {
            c->held[c->held_count++] = ev;
            continue;
        }
        if (ev.type == EVENT_SIZE || ev.type == EVENT_CLIPBOARD || ev.type == EVENT_ARGV ||
            urgent(&ev))
            serve(c, &ev);
        event_fini(&ev);
        if (end)
            return false;
    }
    return true;
}

bool console_waiting(const struct console *c) {
    return c->held_count;
}

int console_event_fd(const struct console *c) {
    return c->held_count < CONSOLE_HELD_MAX ? session_event_fd(c->s) : -1;
}

/* ---- what the session is told -----------------------------------------------------------------
 */

static void tell_text(struct console *c) {
    _buf_cleanup_ struct buf line = { 0 };
    buf_init(&line, 1u << 20);
    bool whole = c->text_whole;
    c->text_whole = c->text_due = false;
    c->text_ms = clock_ms();
    if (!term_text(c->term, whole, &line))
        return;
    if (whole)
        session_text_whole(c->s, buf_str(&line));
    else
        session_text(c->s, buf_str(&line));
}

static void tell_shown(struct console *c, uint64_t now) {
    _buf_cleanup_ struct buf text = { 0 };
    c->shown_due = false;
    c->shown_ms = now;
    buf_init(&text, 64u << 10);
    if (term_shown(c->term, &text) && text.len)
        session_shown(c->s, text.data, text.len);
}

void console_tell(struct console *c, uint64_t now, bool idle) {
    if (idle)
        session_typescript(c->s, NULL, 0);
    bool told = c->shown_due && (idle || now - c->shown_ms >= SHOWN_EVERY_MS);
    if (told)
        tell_shown(c, now);
    /* Words are recorded with a frame: the one that shows them may have been drawn before they were
     * told, and they must not wait for the next, which gives them a moment that is not theirs. */
    if (told || term_damaged(c->term))
        session_damage(c->s);
    if (c->text_due && (c->text_whole || now - c->text_ms >= TEXT_EVERY_MS)) {
        tell_text(c);
    }
}

void console_tell_last(struct console *c) {
    c->text_due = true;
    c->text_ms = 0; /* the last words do not wait */
    console_tell(c, clock_ms(), true);
}

static int left(uint64_t past, uint64_t every) {
    return past >= every ? 0 : (int)(every - past);
}

static int sooner(int a, int b) {
    return a < 0 ? b : MIN_OF(a, b);
}

int console_wait_ms(struct console *c, uint64_t now) {
    int ms = term_wait_ms(c->term);
    if (c->shown_due)
        ms = sooner(ms, left(now - c->shown_ms, SHOWN_EVERY_MS));
    if (c->text_due)
        ms = sooner(ms, left(now - c->text_ms, TEXT_EVERY_MS));
    return ms;
}

/* ---- life -------------------------------------------------------------------------------------
 */

int console_init(struct console *c, struct session *s, const struct args *a, struct err *e) {
    c->s = s;
    buf_init(&c->out, CONSOLE_OUT_MAX);
    struct term_config cfg = {
        .font_name = args_str(a, "font-name"),
        .font_size = (int)args_int(a, "font-size"),
        .color_scheme = args_str(a, "color-scheme"),
        .scrollback = (int)args_int(a, "scrollback"),
        .backspace = atoi(args_str(a, "backspace")),
        .vt100_keys = strcmp(args_str(a, "func-keys-and-keypad"), "vt100") == 0,
        .clipboard_write = !args_bool(a, "disable-copy"),
    };
    session_size(c->s, &cfg.width, &cfg.height, &cfg.dpi);
    c->term = term_new(&cfg, &term_ops, c, e);
    if (!c->term)
        return -1;
    term_size(c->term, &c->cols, &c->rows, &c->width, &c->height);
    return 0;
}

void console_fini(struct console *c) {
    for (size_t i = 0; i < c->held_count; i++)
        event_fini(&c->held[i]);
    if (c->clip)
        secret_wipe(c->clip, c->clip_len);
    free(c->clip);
    buf_wipe(&c->out);
    term_free(c->term);
}

void console_feed(struct console *c, const char *data, size_t len) {
    session_typescript(c->s, data, len);
    term_feed(c->term, data, len);
    c->text_due = c->shown_due = true;
}
