#include "guacd/session/keys.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"

#define XK_BACKSPACE 0xFF08u
#define XK_TAB 0xFF09u
#define XK_RETURN 0xFF0Du
#define XK_KP_ENTER 0xFF8Du
#define RUNS 64

void keys_init(struct keys *k, enum keys_mode mode) {
    *k = (struct keys){ .mode = mode, .next_id = 1 };
}

void keys_fini(struct keys *k) {
    if (k->ring)
        secret_wipe(k->ring, k->cap * sizeof(*k->ring));
    free(k->ring);
    secret_wipe(k->down, sizeof(k->down));
    k->ring = NULL;
    k->count = k->cap = 0;
}

uint64_t keys_next_id(const struct keys *k) {
    return k->next_id;
}

/* Unicode code point of a printable keysym, 0: it prints nothing. */
static uint32_t code_point(uint32_t keysym) {
    if ((keysym >= 0x20 && keysym <= 0x7E) || (keysym >= 0xA0 && keysym <= 0xFF))
        return keysym;
    if (keysym >= 0x01000100 && keysym <= 0x0110FFFF)
        return keysym - 0x01000000;
    if (keysym >= 0xFFAA && keysym <= 0xFFB9) /* key pad: *+,-./0…9 */
        return keysym - 0xFF80;
    if (keysym >= 0x100 && keysym <= 0x20FF) /* other alphabets, before Unicode: some letter */
        return 0xFFFD;
    return 0;
}

static unsigned modifier(uint32_t keysym) {
    switch (keysym) {
    case 0xFFE3:
    case 0xFFE4:
        return KEYS_CTRL;
    case 0xFFE9:
    case 0xFFEA:
        return KEYS_ALT;
    case 0xFFE7:
    case 0xFFE8:
    case 0xFFEB:
    case 0xFFEC:
        return KEYS_META;
    default:
        return 0;
    }
}

/* Shift, locks, level shifts and the above: they belong to the key that follows. */
static bool is_modifier(uint32_t keysym) {
    return (keysym >= 0xFFE1 && keysym <= 0xFFEE) || keysym == 0xFE03 || keysym == 0xFF7E ||
           keysym == 0xFF7F;
}

static struct key_held *held(const struct keys *k, size_t i) {
    return &k->ring[(k->head + i) % k->cap];
}

static bool grow(struct keys *k) {
    size_t cap = k->cap ? k->cap * 2 : 32;
    struct key_held *ring = calloc(cap, sizeof(*ring));
    if (!ring)
        return false;
    for (size_t i = 0; i < k->count; i++)
        ring[i] = *held(k, i);
    if (k->ring)
        secret_wipe(k->ring, k->cap * sizeof(*ring));
    free(k->ring);
    k->ring = ring;
    k->cap = cap;
    k->head = 0;
    return true;
}

/* Which run a press belongs to; 0: none. */
static uint64_t run_of(struct keys *k, bool printable, uint32_t keysym) {
    if (is_modifier(keysym))
        return 0;
    if (!printable) {
        if (keysym != XK_BACKSPACE)
            k->in_run = false;
        return 0;
    }
    if (!k->in_run) {
        k->in_run = true;
        k->run++;
        k->run_first = k->next_id;
        k->visible[k->run % RUNS] = k->hidden[k->run % RUNS] = 0;
    }
    return k->run;
}

void keys_add(struct keys *k, uint32_t user, uint32_t keysym, bool pressed, uint64_t ms,
              uint64_t now_ms) {
    if (k->mods_user != user) {
        k->mods_user = user;
        k->mods = 0;
        k->in_run = false;
    }
    unsigned bit = modifier(keysym);
    k->mods = pressed ? k->mods | bit : k->mods & ~bit;
    /* Ctrl and Alt together are AltGr, which makes letters. */
    bool combo = (k->mods & KEYS_META) || k->mods == KEYS_CTRL || k->mods == KEYS_ALT;
    bool printable = code_point(keysym) && !combo;
    uint64_t run = pressed ? run_of(k, printable, keysym) : 0;
    uint64_t id = k->next_id++;
    if (k->mode == KEYS_OFF || (k->count == k->cap && !grow(k)))
        return;
    *held(k, k->count++) = (struct key_held){
        .id = id,
        .run = run,
        .user = user,
        .keysym = keysym,
        .pressed = pressed,
        .printable = printable,
        .masked = printable && pressed && k->prompt,
        .ms = ms,
        .at_ms = now_ms,
        .mods = combo ? k->mods : 0,
    };
}

void keys_echo(struct keys *k, uint64_t id, bool visible) {
    uint64_t run = 0;
    for (size_t i = 0; i < k->count && !run; i++)
        if (held(k, i)->id == id)
            run = held(k, i)->run;
    if (!run && k->in_run && id >= k->run_first && id < k->next_id)
        run = k->run; /* decided already, but its run goes on */
    if (!run || run + RUNS <= k->run)
        return;
    (visible ? k->visible : k->hidden)[run % RUNS] = (uint32_t)run;
}

void keys_prompt(struct keys *k, bool on) {
    k->prompt = on;
    if (!on)
        return;
    for (size_t i = 0; i < k->count; i++)
        if (held(k, i)->printable && held(k, i)->pressed)
            held(k, i)->masked = true;
}

enum decision { WAIT, STORE, MASK };

static enum decision decide(const struct keys *k, const struct key_held *h, uint64_t now_ms,
                            bool force) {
    if (!h->pressed || !h->printable)
        return STORE;
    if (h->masked)
        return MASK;
    if (k->mode == KEYS_FULL)
        return STORE;
    bool known = h->run + RUNS > k->run;
    if (known && k->visible[h->run % RUNS] == (uint32_t)h->run)
        return STORE;
    bool hidden = known && k->hidden[h->run % RUNS] == (uint32_t)h->run;
    return hidden || force || now_ms - h->at_ms >= KEYS_HOLD_MS || k->count > KEYS_HELD_MAX ? MASK
                                                                                            : WAIT;
}

static struct key_down *find_down(struct keys *k, uint32_t user, uint32_t keysym) {
    for (size_t i = 0; i < k->down_count; i++)
        if (k->down[i].user == user && k->down[i].keysym == keysym)
            return &k->down[i];
    return NULL;
}

/* A release is stored as its press was. */
static bool follow(struct keys *k, const struct key_held *h, bool masked) {
    struct key_down *d = find_down(k, h->user, h->keysym);
    if (h->pressed) {
        if (!d && k->down_count < ARRAY_LEN(k->down))
            d = &k->down[k->down_count++];
        if (d)
            *d = (struct key_down){ h->user, h->keysym, masked };
        return masked;
    }
    if (!d) /* of a press nobody recorded: say as little as possible */
        return h->printable && k->mode == KEYS_MASKED;
    masked = d->masked;
    *d = k->down[--k->down_count];
    return masked;
}

bool keys_take(struct keys *k, uint64_t now_ms, bool force, struct key_held *out) {
    if (!k->count)
        return false;
    struct key_held *h = held(k, 0);
    enum decision d = decide(k, h, now_ms, force);
    if (d == WAIT)
        return false;
    *out = *h;
    out->masked = follow(k, h, d == MASK);
    if (out->masked)
        out->keysym = KEYS_MASK;
    secret_wipe(h, sizeof(*h));
    k->head = (k->head + 1) % k->cap;
    k->count--;
    return true;
}

uint64_t keys_due(const struct keys *k, uint64_t now_ms) {
    if (!k->count)
        return UINT64_MAX;
    const struct key_held *h = held(k, 0);
    if (decide(k, h, now_ms, false) != WAIT)
        return 0;
    return h->at_ms + KEYS_HOLD_MS - now_ms;
}

static const struct {
    uint32_t keysym;
    const char *name;
} names[] = {
    { XK_BACKSPACE, "BackSpace" },
    { XK_TAB, "Tab" },
    { XK_RETURN, "Enter" },
    { XK_KP_ENTER, "Enter" },
    { 0xFF1B, "Esc" },
    { 0xFFFF, "Delete" },
    { 0xFF63, "Insert" },
    { 0xFF50, "Home" },
    { 0xFF51, "Left" },
    { 0xFF52, "Up" },
    { 0xFF53, "Right" },
    { 0xFF54, "Down" },
    { 0xFF55, "PageUp" },
    { 0xFF56, "PageDown" },
    { 0xFF57, "End" },
    { 0xFF61, "PrintScreen" },
    { 0xFF67, "Menu" },
};

static void put_name(uint32_t keysym, struct buf *out) {
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].keysym == keysym) {
            buf_puts(out, names[i].name);
            return;
        }
    if (keysym >= 0xFFBE && keysym <= 0xFFD5)
        buf_printf(out, "F%u", keysym - 0xFFBE + 1);
    else
        buf_printf(out, "0x%X", keysym);
}

void keys_text(const struct key_held *h, struct buf *out) {
    if (!h->pressed || is_modifier(h->keysym))
        return;
    uint32_t cp = code_point(h->keysym);
    char utf8[4];
    if (!h->mods && cp) {
        buf_add(out, utf8, utf8_encode(cp, utf8));
        return;
    }
    if (!h->mods && (h->keysym == XK_RETURN || h->keysym == XK_KP_ENTER)) {
        buf_putc(out, '\n');
        return;
    }
    buf_printf(out, "<%s%s%s", h->mods & KEYS_CTRL ? "Ctrl+" : "", h->mods & KEYS_ALT ? "Alt+" : "",
               h->mods & KEYS_META ? "Meta+" : "");
    if (cp)
        buf_add(out, utf8, utf8_encode(cp, utf8));
    else
        put_name(h->keysym, out);
    buf_putc(out, '>');
}
