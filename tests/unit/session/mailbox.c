/* The way in: order, coalescing, bounds, and two threads. */
#include "guacd/session/mailbox.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct mailbox box;
static atomic_int rooms, taken;

static void on_room(void *arg) {
    (void)arg;
    atomic_fetch_add(&rooms, 1);
}

static void on_taken(void *arg, const struct event *ev) {
    (void)arg;
    (void)ev;
    atomic_fetch_add(&taken, 1);
}

static void setup(void) {
    struct err e = { 0 };
    ck_assert_int_eq(mailbox_init(&box, &e), 0);
    box.on_room = on_room;
    box.on_taken = on_taken;
    rooms = taken = 0;
}

static void teardown(void) {
    mailbox_fini(&box);
}

static bool put_key(uint32_t keysym) {
    struct event ev = { .type = EVENT_KEY, .key = { keysym, true, 0 } };
    return mailbox_put(&box, &ev);
}

static bool put_mouse(int x, int mask, bool move) {
    struct event ev = { .type = EVENT_MOUSE, .user = 1, .mouse = { x, 0, mask, move } };
    return mailbox_put(&box, &ev);
}

static bool put(enum event_type type) {
    struct event ev = { .type = type };
    return mailbox_put(&box, &ev);
}

static bool put_data(enum event_type type, size_t len) {
    struct event ev = { .type = type, .data = calloc(1, len + 1), .len = len };
    bool r = mailbox_put(&box, &ev);
    event_fini(&ev);
    return r;
}

static struct event take(void) {
    struct event ev = { 0 };
    ck_assert(mailbox_take(&box, &ev));
    return ev;
}

static bool readable(void) {
    struct pollfd p = { box.fd, POLLIN, 0 };
    return poll(&p, 1, 0) == 1;
}

START_TEST(moves_coalesce_clicks_do_not) {
    put_mouse(1, 0, true);
    put_mouse(2, 0, true);
    put_mouse(3, 1, false); /* pressed here */
    put_mouse(4, 1, true);
    put_mouse(5, 1, true);
    put_mouse(6, 0, false);
    put_mouse(7, 8, false);
    put_mouse(7, 0, false);
    int want[] = { 2, 3, 5, 6, 7, 7 };
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(take().mouse.x, want[i]);
    ck_assert(!readable());
}
END_TEST

START_TEST(keys_keep_their_order_and_number) {
    uint32_t n = 0;
    while (put_key(n))
        n++;
    ck_assert_uint_ge(n, MAILBOX_EVENTS / 2);
    ck_assert(!mailbox_has_room(&box));
    ck_assert(put(EVENT_RELEASE)); /* these always find room */
    ck_assert(put(EVENT_PAUSE));
    ck_assert(readable());
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_uint_eq(take().key.keysym, i);
        ck_assert_int_eq(rooms, i + 1 >= n - MAILBOX_EVENTS / 2 + 3 ? 1 : 0);
    }
    ck_assert(take().type == EVENT_RELEASE && take().type == EVENT_PAUSE);
    ck_assert(!readable());
    ck_assert_int_eq(taken, (int)n + 2);
}
END_TEST

START_TEST(sizes_last_one_wins) {
    struct event ev = { .type = EVENT_SIZE, .size = { 10, 20, 96 } };
    mailbox_put(&box, &ev);
    put_key('a');
    ev.size.width = 30;
    mailbox_put(&box, &ev);
    ck_assert_int_eq(take().size.width, 30);
    ck_assert_uint_eq(take().key.keysym, 'a');
    ck_assert(!readable());
}
END_TEST

START_TEST(pauses_cancel_out) {
    for (int i = 0; i < 1000; i++)
        ck_assert(put(EVENT_PAUSE) && put(EVENT_RESUME));
    ck_assert_uint_eq(box.count, 0);
    for (int i = 0; i < 1000; i++)
        ck_assert(put(EVENT_RELEASE) && put(EVENT_TEXT));
    ck_assert_uint_lt(box.count, 1002);
    struct event ev;
    while (mailbox_take(&box, &ev))
        event_fini(&ev);
}
END_TEST

START_TEST(bytes_are_bounded) {
    int n = 0;
    while (put_data(EVENT_INPUT, 6048))
        n++;
    ck_assert_int_le(n, (int)(MAILBOX_BYTES / 6048) + 1);
    struct event ev = take();
    event_fini(&ev);
    ck_assert_int_eq(rooms, 0);
    while (mailbox_take(&box, &ev))
        event_fini(&ev);
    ck_assert_int_eq(rooms, 1);
    ck_assert(put_data(EVENT_CLIPBOARD, 8u << 20)); /* one may be larger than all */
    ck_assert(!put_key('a'));
}
END_TEST

START_TEST(nothing_after_the_end) {
    put_key('a');
    ck_assert(put(EVENT_END));
    ck_assert(put_key('b') && put_data(EVENT_CLIPBOARD, 5));
    ck_assert(!mailbox_takes_input(&box));
    ck_assert(take().type == EVENT_KEY && take().type == EVENT_END);
    struct event ev;
    ck_assert(!mailbox_take(&box, &ev));
}
END_TEST

START_TEST(a_prompt_swallows_keys) {
    box.input_off = true;
    ck_assert(put_key('a') && put_mouse(1, 1, false));
    ck_assert(put_data(EVENT_ARGV, 3));
    struct event ev = take();
    ck_assert(ev.type == EVENT_ARGV);
    event_fini(&ev);
    ck_assert(!mailbox_take(&box, &ev));
}
END_TEST

#define THREAD_KEYS 100000

static void *consumer(void *arg) {
    uint32_t next = 0;
    while (next < THREAD_KEYS) {
        struct pollfd p = { box.fd, POLLIN, 0 };
        poll(&p, 1, 1000);
        struct event ev;
        while (mailbox_take(&box, &ev))
            if (ev.type == EVENT_KEY && ev.key.keysym != next++)
                *(bool *)arg = true;
    }
    return NULL;
}

START_TEST(two_threads) {
    bool wrong = false;
    pthread_t thread;
    pthread_create(&thread, NULL, consumer, &wrong);
    for (uint32_t i = 0; i < THREAD_KEYS;) {
        int before = rooms;
        if (put_key(i))
            i++;
        else
            while (rooms == before && !mailbox_has_room(&box))
                sched_yield();
        put_mouse((int)i, 0, true);
    }
    pthread_join(thread, NULL);
    ck_assert(!wrong);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mailbox");
    TCase *t = tcase_create("mailbox");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, moves_coalesce_clicks_do_not);
    tcase_add_test(t, keys_keep_their_order_and_number);
    tcase_add_test(t, sizes_last_one_wins);
    tcase_add_test(t, pauses_cancel_out);
    tcase_add_test(t, bytes_are_bounded);
    tcase_add_test(t, nothing_after_the_end);
    tcase_add_test(t, a_prompt_swallows_keys);
    tcase_add_test(t, two_threads);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
