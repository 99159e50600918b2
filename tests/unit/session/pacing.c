/* Slow, stalled and silent users, floods, keep-alive. */
#include "tests/unit/session/rig.h"

#include "tests/unit/unit.h"

static struct peer owner, other;

static void first_frame(struct peer *p) {
    peer_until(p, "ready");
    peer_until(p, "sync");
}

static void leave(struct peer *p) {
    peer_send(p, "disconnect");
    peer_gone(p);
    peer_close(p);
}

START_TEST(a_stalled_viewer_harms_nobody) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    peer_viewer(&other, "viewer");
    other.no_sync = true;
    for (int i = 0; i < 40; i++) {
        int before = owner.syncs;
        rig_draw(i * 5, 0x010203u * (uint32_t)(i + 1));
        while (owner.syncs == before)
            ck_assert(peer_next(&owner, 200) != NULL);
    }
    /* He reads at last: one way to the newest picture, not forty. */
    other.no_sync = false;
    while (peer_next(&other, 300))
        continue;
    ck_assert_int_lt(other.syncs, 40);
    ck_assert_uint_eq(other.last_sync, owner.last_sync);
    leave(&other);
    leave(&owner);
    rig_end();
}
END_TEST

/* Terminals are content with the session's pace, pixels want what screens show. */
static const struct {
    unsigned every_us;
    int most;
} paces[] = { { 0, 36 }, { SURFACE_EVERY_US, 71 } };

START_TEST(floods_are_paced) {
    rig_every_us = paces[_i].every_us;
    rig_start(&owner, NULL);
    first_frame(&owner);
    usleep(300000);
    uint64_t start = clock_us();
    int before = owner.syncs;
    rig_draw(1, 1);
    peer_until(&owner, "sync");
    ck_assert_uint_lt(clock_us() - start, 20000);
    start = clock_ms();
    for (uint32_t i = 0; clock_ms() - start < 1000; i++) {
        rig_draw((int)(i % 300), i * 77);
        while (peer_next(&owner, 0))
            continue;
        usleep(500);
    }
    int frames = owner.syncs - before;
    ck_assert_int_ge(frames, 20);
    ck_assert_int_le(frames, paces[_i].most);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(keep_alive) {
    rig_start(&owner, NULL);
    first_frame(&owner);
    uint64_t start = clock_ms();
    ck_assert(peer_wait(&owner, "nop", 1000) != NULL);
    ck_assert_uint_ge(clock_ms() - start, 400);
    leave(&owner);
    rig_end();
}
END_TEST

START_TEST(silence) {
    rig.silent_ms = 1500;
    rig_start(&owner, NULL);
    first_frame(&owner);
    uint64_t start = clock_ms();
    while (peer_next(&owner, 3000))
        continue;
    uint64_t took = clock_ms() - start;
    ck_assert_uint_ge(took, 1400);
    ck_assert_uint_le(took, 10000);
    peer_close(&owner);
    rig_end();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("pacing");
    TCase *t = tcase_create("pacing");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_stalled_viewer_harms_nobody);
    tcase_add_loop_test(t, floods_are_paced, 0, 2);
    tcase_add_test(t, keep_alive);
    tcase_add_test(t, silence);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
