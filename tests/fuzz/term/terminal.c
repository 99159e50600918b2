/* A hostile target and a busy person: the input is what the target prints; 0xFF, which is never
 * part of UTF-8, introduces a byte of something else (a frame, a late viewer, another size, a key,
 * the mouse, a paste). Every canvas must stay exact. */
#include "tests/unit/term/canvas.h"
#include "tests/unit/term/rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig r;
static struct canvas every;

static void same(const struct canvas *c) {
    const struct canvas_layer *a = &every.layer[0], *b = &c->layer[0];
    MUST(a->width == b->width && a->height == b->height);
    MUST(memcmp(a->px, b->px, (size_t)a->width * (size_t)a->height * sizeof *a->px) == 0);
}

static void frame(void) {
    struct buf out;
    buf_init(&out, 64u << 20);
    rig_frame(&r, &out);
    canvas_feed(&every, &out);
    buf_fini(&out);
}

static void late(uint64_t since, struct canvas *c) {
    struct buf out;
    buf_init(&out, 64u << 20);
    rig_paint(&r, since, &out);
    canvas_feed(c, &out);
    buf_fini(&out);
}

static void by_the_book(void) {
    int w, h;
    frame();
    if (r.t->sync_until) /* held back: what is shown is older than what is there */
        return;
    uint32_t *px = rig_render(&r, &w, &h);
    const struct canvas_layer *l = &every.layer[0];
    MUST(l->width == w && l->height == h);
    MUST(memcmp(l->px, px, (size_t)w * (size_t)h * sizeof *px) == 0);
    free(px);
}

static void person(uint8_t op, uint8_t a, uint8_t b) {
    static const uint32_t keys[] = { 'a',    0xFF0D, 0xFF52, 0xFF55,     0xFF56, 0xFF50,
                                     0xFF57, 0xFFC9, 0xFFB5, 0x01010000, 0xFFE1, 0xFFE3,
                                     'V',    'C',    0xFE03, 0xFF08 };
    static const char *const schemes[] = { "black-white", "green-black", "cursor:red", "" };
    struct err e = { 0 };
    switch (op % 12) {
    case 0:
    case 1:
        frame();
        break;
    case 2:
        if (r.frame) {
            struct canvas c;
            canvas_init(&c);
            late(0, &c);
            same(&c);
            canvas_fini(&c);
        }
        break;
    case 3:
        term_resize(r.t, 20 + a, 15 + b / 2, 96);
        break;
    case 4:
    case 5:
        term_key(r.t, keys[a % 16], b & 1, b);
        break;
    case 6:
    case 7:
        term_mouse(r.t, a, b / 2, op >> 4);
        break;
    case 8:
        term_paste_begin(r.t);
        term_paste(r.t, (const char *)&a, 1);
        term_paste_end(r.t);
        break;
    case 9:
        term_release(r.t);
        break;
    case 10:
        term_option(r.t, "color-scheme", schemes[a % 4], &e);
        break;
    default: {
        struct buf text;
        buf_init(&text, 1u << 20);
        term_text(r.t, a & 1, &text);
        term_shown(r.t, &text);
        MUST(utf8_count(text.data ? text.data : "", text.len) >= 0);
        buf_fini(&text);
        term_tick(r.t);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rig_init(&r, 90, 60, 6, 20);
    canvas_init(&every);
    for (size_t i = 0; i < size;) {
        const uint8_t *ff = memchr(data + i, 0xFF, size - i);
        size_t n = ff ? (size_t)(ff - data) - i : size - i;
        if (n)
            term_feed(r.t, (const char *)data + i, n);
        i += n;
        if (i + 4 <= size)
            person(data[i + 1], data[i + 2], data[i + 3]);
        i += 4;
        if (r.out.len > 1u << 20)
            buf_clear(&r.out);
    }
    by_the_book();
    if (r.frame) {
        struct canvas c;
        canvas_init(&c);
        late(0, &c);
        same(&c);
        canvas_fini(&c);
    }
    canvas_fini(&every);
    rig_fini(&r);
    return 0;
}
