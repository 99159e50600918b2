/* Events to the server. Keys go as scan codes of the layout that the server has; what its keyboard
 * cannot write goes as Unicode. */
#include <string.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define CODE_LSHIFT 0x2A
#define CODE_RSHIFT 0x36
#define CODE_ALT 0x38
#define CODE_CTRL 0x1D
#define KEYSYM_CAPS_LOCK 0xFFE5
#define KEYSYM_NUM_LOCK 0xFF7F
#define WHEEL_NOTCH 120

static rdpInput *input_of(const struct rdp *r) {
    return r->context->input;
}

static void send_code(struct rdp *r, uint8_t code, bool extended, bool pressed) {
    freerdp_input_send_keyboard_event(
        input_of(r),
        (UINT16)((extended ? KBD_FLAGS_EXTENDED : 0) | (pressed ? 0 : KBD_FLAGS_RELEASE)), code);
}

/* Beyond the first plane as two events of a surrogate pair. */
static void send_unicode(struct rdp *r, uint32_t c, bool pressed) {
    uint16_t flags = pressed ? 0 : KBD_FLAGS_RELEASE;
    if (c > 0xFFFF) {
        uint32_t rest = c - 0x10000;
        freerdp_input_send_unicode_keyboard_event(input_of(r), flags,
                                                  (UINT16)(0xD800 + (rest >> 10)));
        c = 0xDC00 + (rest & 0x3FF);
    }
    freerdp_input_send_unicode_keyboard_event(input_of(r), flags, (UINT16)c);
}

/* Caps Lock is the browser's: its keysyms come capital already. Num Lock is on, so that the
 * keypad's digits are digits; with the browser's off they come as arrows. Told before the first
 * key, since a server may have shown its login until then. */
void rdp_locks(struct rdp *r) {
    freerdp_input_send_synchronize_event(input_of(r), KBD_SYNC_NUM_LOCK);
    r->locks_told = true;
}

/* ---- keys held ----------------------------------------------------------------------------------
 */

static struct held *find_held(struct rdp *r, uint32_t keysym) {
    for (size_t i = 0; i < r->key_count; i++)
        if (r->keys[i].keysym == keysym)
            return &r->keys[i];
    return NULL;
}

static bool holds(const struct rdp *r, uint8_t code, bool extended) {
    for (size_t i = 0; i < r->key_count; i++)
        if (!r->keys[i].unicode && r->keys[i].key.code == code &&
            r->keys[i].key.extended == extended)
            return true;
    return false;
}

static void send_held(struct rdp *r, const struct held *h, bool pressed) {
    if (h->unicode)
        send_unicode(r, h->codepoint, pressed);
    else
        send_code(r, h->key.code, h->key.extended, pressed);
}

static void let_go(struct rdp *r, struct held *h) {
    struct held gone = *h;
    *h = r->keys[--r->key_count];
    /* Two keysyms may be one key. */
    if (gone.unicode || !holds(r, gone.key.code, gone.key.extended))
        send_held(r, &gone, false);
}

/* ---- a key that writes, with the modifiers it takes ---------------------------------------------
 */

/* Puts Shift or AltGr where it has to be for one key, and back. */
static void bend(struct rdp *r, bool has, bool wants, const uint8_t codes[2], bool extended,
                 bool before) {
    if (has == wants)
        return;
    if (wants) {
        send_code(r, codes[0], extended, before);
        return;
    }
    for (int i = 0; i < 2; i++)
        if (codes[i] && holds(r, codes[i], extended))
            send_code(r, codes[i], extended, !before);
}

static void write_key(struct rdp *r, const struct held *h) {
    static const uint8_t shifts[2] = { CODE_LSHIFT, CODE_RSHIFT }, altgr[2] = { CODE_ALT };
    bool shift = holds(r, CODE_LSHIFT, false) || holds(r, CODE_RSHIFT, false);
    bool alt = holds(r, CODE_ALT, true);
    bool wants_shift = h->key.level & KEY_SHIFT, wants_alt = h->key.level & KEY_ALTGR;
    bend(r, shift, wants_shift, shifts, false, true);
    bend(r, alt, wants_alt, altgr, true, true);
    send_held(r, h, true);
    bend(r, alt, wants_alt, altgr, true, false);
    bend(r, shift, wants_shift, shifts, false, false);
}

/* With Ctrl, Alt or the Windows key it is a shortcut, not a character: a key has to be pressed. */
static bool is_shortcut(const struct rdp *r) {
    return holds(r, CODE_CTRL, false) || holds(r, CODE_CTRL, true) || holds(r, CODE_ALT, false) ||
           holds(r, 0x5B, true) || holds(r, 0x5C, true);
}

static bool resolve(const struct rdp *r, uint32_t keysym, struct held *h) {
    *h = (struct held){ .keysym = keysym };
    if (keymap_special(keysym, &h->key))
        return true;
    h->codepoint = keymap_codepoint(keysym);
    if (!h->codepoint)
        return false;
    if (keymap_text(r->layout, h->codepoint, &h->key))
        return true;
    if (is_shortcut(r) && keymap_text(layout_find("en-us-qwerty"), h->codepoint, &h->key))
        return true;
    h->unicode = true;
    return true;
}

static void on_key(struct rdp *r, uint32_t keysym, bool pressed) {
    struct held *old = find_held(r, keysym), h;
    if (!r->locks_told)
        rdp_locks(r);
    if (keysym == KEYSYM_CAPS_LOCK || keysym == KEYSYM_NUM_LOCK)
        return;
    if (!pressed) {
        if (old)
            let_go(r, old);
        return;
    }
    if (old) { /* it repeats */
        h = *old;
    } else if (!resolve(r, keysym, &h) || r->key_count == RDP_KEYS_MAX) {
        return;
    }
    if (h.unicode || h.key.level == KEY_ANY)
        send_held(r, &h, true);
    else
        write_key(r, &h);
    if (!old)
        r->keys[r->key_count++] = h;
}

/* ---- pointer ------------------------------------------------------------------------------------
 */

static const struct {
    int mask;
    uint16_t flag;
} buttons[] = {
    { 1, PTR_FLAGS_BUTTON1 }, /* left */
    { 2, PTR_FLAGS_BUTTON3 }, /* middle */
    { 4, PTR_FLAGS_BUTTON2 }, /* right */
};

/* A notch each; down is the two's complement in nine bits. */
static const struct {
    int mask;
    uint16_t flag;
} wheels[] = {
    { 8, PTR_FLAGS_WHEEL | WHEEL_NOTCH },
    { 16, PTR_FLAGS_WHEEL | PTR_FLAGS_WHEEL_NEGATIVE | (0x100 - WHEEL_NOTCH) },
};

static void send_pointer(struct rdp *r, uint16_t flags) {
    freerdp_input_send_mouse_event(input_of(r), flags, (UINT16)r->x, (UINT16)r->y);
}

static void set_buttons(struct rdp *r, int mask) {
    int changed = mask ^ r->mask;
    for (size_t i = 0; i < ARRAY_LEN(buttons); i++)
        if (changed & buttons[i].mask)
            send_pointer(
                r, (uint16_t)(buttons[i].flag | (mask & buttons[i].mask ? PTR_FLAGS_DOWN : 0)));
    for (size_t i = 0; i < ARRAY_LEN(wheels); i++)
        if (changed & mask & wheels[i].mask)
            send_pointer(r, wheels[i].flag);
    r->mask = mask;
}

static void on_mouse(struct rdp *r, const struct event *ev) {
    int w, h;
    surface_get_size(r->surface, &w, &h);
    int x = MAX_OF(0, MIN_OF(ev->mouse.x, w - 1)), y = MAX_OF(0, MIN_OF(ev->mouse.y, h - 1));
    if (x != r->x || y != r->y) {
        r->x = x;
        r->y = y;
        send_pointer(r, PTR_FLAGS_MOVE);
    }
    set_buttons(r, ev->mouse.mask & 0x1F);
}

void rdp_release(struct rdp *r) {
    r->locks_told = false;
    while (r->key_count > 0)
        let_go(r, &r->keys[r->key_count - 1]);
    set_buttons(r, 0);
}

/* ---- */

static void on_event(struct rdp *r, struct event *ev) {
    switch (ev->type) {
    case EVENT_KEY:
        on_key(r, ev->key.keysym, ev->key.pressed);
        break;
    case EVENT_MOUSE:
        on_mouse(r, ev);
        break;
    case EVENT_SIZE:
        rdp_size_want(r, ev->size.width, ev->size.height);
        break;
    case EVENT_RELEASE:
        rdp_release(r);
        break;
    case EVENT_CLIPBOARD:
        rdp_clipboard_put(r, ev);
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

bool rdp_events(struct rdp *r) {
    struct event ev;
    while (!r->ending && session_next_event(r->session, &ev)) {
        if (ev.type == EVENT_PAUSE || ev.type == EVENT_RESUME)
            r->paused = ev.type == EVENT_PAUSE;
        r->ending = ev.type == EVENT_END;
        on_event(r, &ev);
        event_fini(&ev);
    }
    return !r->ending;
}
