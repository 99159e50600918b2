/* The pace of a paste against three servers: one that takes and says nothing (raw mode, or echo),
 * one that repeats every write as silence (OpenSSH, lines without echo), one that stands still. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "guacd/backends/ssh/pace.h"
#include "guacd/base/util.h"

#define PASTE (6u << 20)

struct server {
    struct pace p;
    size_t sent, taken, most; /* most: waiting at once */
    size_t asked_at;
    uint64_t now;
    uint32_t random;
};

static uint32_t next(struct server *s) {
    s->random = s->random * 1664525u + 1013904223u;
    return s->random >> 8;
}

/* One turn of our side. */
static void send_some(struct server *s) {
    size_t room;
    while (s->sent < PASTE && (room = pace_room(&s->p))) {
        size_t n = MIN_OF(MIN_OF(room, PASTE - s->sent), (size_t)32700);
        pace_wrote(&s->p, n, s->now);
        s->sent += n;
        if (pace_ask(&s->p, s->now))
            s->asked_at = s->sent;
    }
    s->most = MAX_OF(s->most, s->sent - s->taken);
}

START_TEST(free_run) {
    struct server s = { .random = 1 };
    pace_start(&s.p);
    int turns = 0;
    while (s.sent < PASTE && turns++ < 100000) {
        send_some(&s);
        s.taken = s.sent;
        s.now += 1;
        s.p.raw += 36;
        if (s.p.asked)
            pace_answered(&s.p, s.now);
        pace_look(&s.p, s.now);
    }
    ck_assert_uint_eq(s.sent, PASTE);
    ck_assert(!s.p.quiet);
    ck_assert_int_lt(turns, 60); /* questions become rare */
}
END_TEST

START_TEST(echoed) {
    struct server s = { .random = 1 };
    pace_start(&s.p);
    int turns = 0;
    while (s.sent < PASTE && turns++ < 100000) {
        send_some(&s);
        size_t n = s.sent - s.taken;
        s.taken = s.sent;
        s.p.raw += n + 36 * (n / 2000 + 1);
        s.p.data += n;
        s.now += 1;
        if (s.p.asked)
            pace_answered(&s.p, s.now);
        pace_look(&s.p, s.now);
    }
    ck_assert_uint_eq(s.sent, PASTE);
    ck_assert(!s.p.quiet);
}
END_TEST

/* Every write to the terminal comes back as silence; no one of them may be too long. */
START_TEST(hushed) {
    for (uint32_t seed = 1; seed < 50; seed++) {
        struct server s = { .random = seed };
        pace_start(&s.p);
        int turns = 0, idle = 0;
        while (s.taken < PASTE && turns++ < 1000000) {
            send_some(&s);
            s.now += next(&s) % 3;
            size_t waiting = s.sent - s.taken;
            bool stalled = next(&s) % 40 == 0;
            if (stalled)
                s.now += next(&s) % 400;
            if (next(&s) % 3) { /* the server gets on */
                size_t n = next(&s) % 4 ? waiting : next(&s) % (waiting + 1);
                ck_assert_uint_lt(n, 39900);
                s.taken += n;
                if (n)
                    s.p.raw += n + 4 + 32 + next(&s) % 16;
                idle = 0;
            } else if (++idle > 50) {
                s.now += 10;
            }
            if (s.p.asked && s.asked_at <= s.taken)
                pace_answered(&s.p, s.now);
            pace_look(&s.p, s.now);
            int ms = pace_wait_ms(&s.p, s.now);
            if (!waiting && ms > 0)
                s.now += (uint64_t)ms;
        }
        ck_assert_uint_eq(s.taken, PASTE);
        ck_assert_uint_lt(s.most, 39900);
        ck_assert_uint_lt(s.now, 120000);
    }
}
END_TEST

/* A program that sleeps: next to nothing is piled up before it. */
START_TEST(stands_still) {
    struct server s = { .random = 1 };
    pace_start(&s.p);
    s.p.quiet = true;
    for (int i = 0; i < 90; i++) {
        send_some(&s);
        s.now += 20;
        pace_look(&s.p, s.now);
    }
    ck_assert_uint_lt(s.most, 39900);
}
END_TEST

/* A server that does not answer questions is not asked for ever. */
START_TEST(no_answer) {
    struct server s = { .random = 1 };
    pace_start(&s.p);
    for (int i = 0; s.sent < PASTE && i < 100; i++) {
        send_some(&s);
        s.now += 100;
        pace_look(&s.p, s.now);
    }
    ck_assert_uint_eq(s.sent, PASTE);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("ssh pace");
    TCase *c = tcase_create("pace");
    tcase_add_test(c, free_run);
    tcase_add_test(c, echoed);
    tcase_add_test(c, hushed);
    tcase_add_test(c, stands_still);
    tcase_add_test(c, no_answer);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
