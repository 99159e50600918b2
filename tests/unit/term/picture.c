/* Every canvas is exact: whoever gets each frame, whoever falls behind and catches up, whoever
 * comes late. The picture they are compared with is rendered by the book (rig.h). */
#include "tests/unit/unit.h"

#include "tests/unit/term/canvas.h"
#include "tests/unit/term/rig.h"
#include "tests/unit/term/stream.h"

struct watcher {
    struct canvas canvas;
    uint64_t shown;
};

static void compare(const struct canvas *c, const uint32_t *px, int w, int h, const char *who,
                    uint64_t seed, uint64_t frame) {
    ck_assert_int_eq(c->layer[0].width, w);
    ck_assert_int_eq(c->layer[0].height, h);
    for (int i = 0; i < w * h; i++)
        if (c->layer[0].px[i] != px[i]) {
            canvas_save(c, "/tmp/term-picture-got.png");
            ck_abort_msg("%s, seed %llu, frame %llu: pixel %d,%d is %06x, should be %06x", who,
                         (unsigned long long)seed, (unsigned long long)frame, i % w, i / w,
                         c->layer[0].px[i], px[i]);
        }
}

static void catch_up(struct rig *r, struct watcher *w) {
    struct buf out;
    buf_init(&out, 64u << 20);
    rig_paint(r, w->shown, &out);
    canvas_feed(&w->canvas, &out);
    w->shown = r->frame;
    buf_fini(&out);
}

/* Something the person does. */
static void disturb(struct rig *r, struct stream *s) {
    struct err e = { 0 };
    char text[32];
    switch (stream_upto(s, 12)) {
    case 0:
        term_resize(r->t, 60 + stream_upto(s, 300), 40 + stream_upto(s, 200), 96);
        break;
    case 1:
        snprintf(text, sizeof text, "%d", 5 + stream_upto(s, 5));
        ck_assert(term_option(r->t, "font-size", text, &e));
        break;
    case 2:
        ck_assert(term_option(r->t, "color-scheme",
                              stream_upto(s, 2) ? "black-white" : "green-black", &e));
        break;
    case 3:
    case 4:
    case 5: {
        int x = stream_upto(s, 200), y = stream_upto(s, 150);
        term_mouse(r->t, x, y, 0);
        term_mouse(r->t, x, y, 1);
        term_mouse(r->t, stream_upto(s, 200), stream_upto(s, 150), 1);
        if (stream_upto(s, 2))
            term_mouse(r->t, stream_upto(s, 200), stream_upto(s, 150), 0);
        break;
    }
    case 6:
    case 7:
    case 8:
        term_mouse(r->t, 10, 10, 0);
        term_mouse(r->t, 10, 10, stream_upto(s, 3) ? 8 : 16);
        term_mouse(r->t, 10, 10, 0);
        break;
    default:
        term_key(r->t, 'a', true, 1);
        term_key(r->t, 'a', false, 2);
        break;
    }
}

static void one_life(uint64_t seed, int steps) {
    struct stream s = { .state = seed * 0x9E3779B97F4A7C15u + 1 };
    struct rig r;
    rig_init(&r, 150 + stream_upto(&s, 150), 90 + stream_upto(&s, 90), 6, 50);
    struct watcher every, slow;
    canvas_init(&every.canvas);
    canvas_init(&slow.canvas);
    every.shown = slow.shown = 0;
    struct buf bytes, out;
    buf_init(&bytes, 1u << 20);
    buf_init(&out, 64u << 20);
    int width = 0, height = 0;
    uint32_t *px = NULL;
    for (int i = 0; i < steps; i++) {
        const struct grid *g = term_grid(r.t);
        int pieces = stream_upto(&s, 10) ? stream_upto(&s, 30) : 300;
        buf_clear(&bytes);
        for (int k = 0; k < pieces; k++)
            stream_piece(&s, &bytes, g->cols, g->rows);
        if (bytes.len)
            term_feed(r.t, bytes.data, bytes.len);
        if (stream_upto(&s, 6) == 0)
            disturb(&r, &s);
        /* Who catches up now must see the last sealed frame, nothing of what came since. */
        if (px && stream_upto(&s, 5) == 0) {
            catch_up(&r, &slow);
            compare(&slow.canvas, px, width, height, "behind, picture going on", seed, r.frame);
        }
        buf_clear(&out);
        bool any = rig_frame(&r, &out);
        if (!any)
            ck_assert_uint_eq(out.len, 0);
        canvas_feed(&every.canvas, &out);
        if (any || !px) {
            free(px);
            px = rig_render(&r, &width, &height);
        }
        compare(&every.canvas, px, width, height, "every frame", seed, r.frame);
        if (stream_upto(&s, 4) == 0) {
            catch_up(&r, &slow);
            compare(&slow.canvas, px, width, height, "behind", seed, r.frame);
        }
        if (stream_upto(&s, 10) == 0) {
            struct watcher late = { .shown = 0 };
            canvas_init(&late.canvas);
            catch_up(&r, &late);
            compare(&late.canvas, px, width, height, "late", seed, r.frame);
            canvas_fini(&late.canvas);
        }
    }
    free(px);
    buf_fini(&bytes);
    buf_fini(&out);
    canvas_fini(&every.canvas);
    canvas_fini(&slow.canvas);
    rig_fini(&r);
}

START_TEST(random_lives) {
    const char *only = getenv("SEED"), *many = getenv("SEEDS");
    if (only) {
        one_life(strtoull(only, NULL, 10), 120);
        return;
    }
    for (uint64_t seed = 1; seed <= (many ? strtoull(many, NULL, 10) : 12); seed++)
        one_life(seed, 60);
}
END_TEST

/* More glyphs than the cache has room for: rows are given up, pictures stay exact. */
START_TEST(cache_overflow) {
    struct rig r;
    rig_init(&r, 1200, 800, 12, 0);
    struct watcher every, slow;
    canvas_init(&every.canvas);
    canvas_init(&slow.canvas);
    every.shown = slow.shown = 0;
    struct buf text, out;
    buf_init(&text, 1u << 20);
    buf_init(&out, 64u << 20);
    uint32_t color = 1;
    for (int page = 0; page < 14; page++) {
        buf_clear(&text);
        for (int i = 0; i < (page % 3 ? 700 : 3000); i++) {
            color = color * 1103515245u + 12345u;
            uint32_t c = i % 3 ? color : (uint32_t)(i % 240) * 0x01030509u; /* some come back */
            buf_printf(&text, "\033[38;2;%u;%u;%um%c", c >> 24, c >> 16 & 255, c >> 8 & 255,
                       'A' + i % 26);
        }
        term_feed(r.t, text.data, text.len);
        buf_clear(&out);
        ck_assert(rig_frame(&r, &out));
        canvas_feed(&every.canvas, &out);
        int w, h;
        uint32_t *px = rig_render(&r, &w, &h);
        compare(&every.canvas, px, w, h, "every frame", 0, r.frame);
        if (page % 4 == 3) {
            catch_up(&r, &slow);
            compare(&slow.canvas, px, w, h, "behind", 0, r.frame);
        }
        free(px);
    }
    ck_assert_int_le(r.t->paint.cache.rows, r.t->paint.cache.row_max);
    buf_fini(&text);
    buf_fini(&out);
    canvas_fini(&every.canvas);
    canvas_fini(&slow.canvas);
    rig_fini(&r);
}
END_TEST

static size_t frame_bytes(struct rig *r, struct canvas *c) {
    struct buf out;
    buf_init(&out, 64u << 20);
    rig_frame(r, &out);
    canvas_feed(c, &out);
    size_t n = out.len;
    buf_fini(&out);
    return n;
}

/* What the design promises about sizes. */
START_TEST(frames_are_small) {
    struct rig r;
    struct canvas c;
    rig_init(&r, 1024, 768, 12, 1000);
    canvas_init(&c);
    frame_bytes(&r, &c);
    for (int i = 0; i < 60; i++)
        rig_feed(&r, "\r\nsome text that fills the screen, line after line; abcdefghijklmnopqrs");
    frame_bytes(&r, &c);
    ck_assert_uint_eq(frame_bytes(&r, &c), 0); /* nothing new: nothing said */
    rig_feed(&r, "a");
    size_t first = frame_bytes(&r, &c);
    ck_assert_uint_le(first, 200); /* the glyph and the cursor behind it */
    size_t copies = c.copies;
    rig_feed(&r, "\r\nx");
    size_t scroll = frame_bytes(&r, &c);
    ck_assert_uint_le(scroll, 500);
    ck_assert_uint_le(c.copies - copies, 4); /* one of them moved 39 rows */
    rig_feed(&r, "\033[5;20r\033[5H\033M");  /* a region scrolls downwards */
    copies = c.copies;
    ck_assert_uint_le(frame_bytes(&r, &c), 600);
    ck_assert_uint_le(c.copies - copies, 6);
    canvas_fini(&c);
    rig_fini(&r);
}
END_TEST

/* Between CSI ? 2026 h and l nothing is shown, for a while. */
START_TEST(synchronized_output) {
    struct rig r;
    struct canvas c;
    rig_init(&r, 300, 200, 8, 0);
    canvas_init(&c);
    frame_bytes(&r, &c);
    rig_feed(&r, "\033[?2026hhalf");
    ck_assert(!term_damaged(r.t));
    ck_assert_uint_eq(frame_bytes(&r, &c), 0);
    ck_assert_int_gt(term_wait_ms(r.t), 0);
    rig_feed(&r, " whole\033[?2026l");
    ck_assert(term_damaged(r.t));
    ck_assert_uint_gt(frame_bytes(&r, &c), 0);
    ck_assert_int_eq(term_wait_ms(r.t), -1);
    rig_feed(&r, "\033[?2026h never ended");
    ck_assert_uint_eq(frame_bytes(&r, &c), 0);
    usleep((SYNC_LIMIT_MS + 20) * 1000);
    ck_assert_int_eq(term_wait_ms(r.t), 0);
    term_tick(r.t);
    ck_assert(term_damaged(r.t));
    ck_assert_uint_gt(frame_bytes(&r, &c), 0);
    canvas_fini(&c);
    rig_fini(&r);
}
END_TEST

/* As in a session: the target and the person on one thread, frames and latecomers on another. */
static void *busy_backend(void *arg) {
    struct rig *r = arg;
    struct stream s = { .state = 4711 };
    struct buf b;
    buf_init(&b, 1u << 20);
    for (int i = 0; i < 400; i++) {
        buf_clear(&b);
        for (int k = 0; k < 40; k++)
            stream_piece(&s, &b, term_grid(r->t)->cols, term_grid(r->t)->rows);
        term_feed(r->t, b.data, b.len);
        if (stream_upto(&s, 10) == 0)
            disturb(r, &s);
        buf_clear(&b);
        term_text(r->t, false, &b);
        term_shown(r->t, &b);
    }
    buf_fini(&b);
    return NULL;
}

START_TEST(two_threads) {
    struct rig r;
    rig_init(&r, 200, 120, 6, 50);
    struct watcher every, slow;
    canvas_init(&every.canvas);
    canvas_init(&slow.canvas);
    every.shown = slow.shown = 0;
    struct buf out;
    buf_init(&out, 64u << 20);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, busy_backend, &r), 0);
    for (int i = 0; i < 300; i++) {
        buf_clear(&out);
        rig_frame(&r, &out);
        canvas_feed(&every.canvas, &out);
        if (i % 7 || !r.frame)
            continue;
        catch_up(&r, &slow);
        const struct canvas_layer *l = &slow.canvas.layer[0];
        compare(&every.canvas, l->px, l->width, l->height, "two threads", 0, r.frame);
    }
    pthread_join(thread, NULL);
    buf_fini(&out);
    canvas_fini(&every.canvas);
    canvas_fini(&slow.canvas);
    rig_fini(&r);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("term picture");
    TCase *c = tcase_create("picture");
    tcase_set_timeout(c, 600);
    tcase_add_test(c, random_lives);
    tcase_add_test(c, cache_overflow);
    tcase_add_test(c, frames_are_small);
    tcase_add_test(c, synchronized_output);
    tcase_add_test(c, two_threads);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
