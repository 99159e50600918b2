#include "guacd/base/metrics.h"

#include <pthread.h>
#include <string.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static const double bounds[] = { 0.1, 1, 60 };

START_TEST(writes_prometheus_text) {
    struct metric ssh = { .name = "guacamole_sessions_total",
                          .type = METRIC_COUNTER,
                          .help = "Sessions started.",
                          .labels = "protocol=\"ssh\"" };
    struct metric rdp = ssh;
    rdp.labels = "protocol=\"rdp\"";
    struct metric active = { .name = "guacamole_active_sessions",
                             .type = METRIC_GAUGE,
                             .help = "Sessions now." };
    struct metric duration = { .name = "guacamole_session_duration_seconds",
                               .type = METRIC_HISTOGRAM,
                               .help = "How long.",
                               .bounds = bounds,
                               .bound_count = ARRAY_LEN(bounds) };
    struct metric labelled = duration;
    labelled.labels = "protocol=\"ssh\"";
    metric_add(&ssh, 2);
    metric_add(&ssh, 1);
    metric_set(&active, -4);
    metric_observe(&duration, 0.1);
    metric_observe(&duration, 0.5);
    metric_observe(&duration, 1e6);
    struct metric *table[] = { &ssh, &rdp, &active, &duration, &labelled };
    _buf_cleanup_ struct buf b;
    buf_init(&b, 10000);
    ck_assert_int_eq(metrics_write(table, ARRAY_LEN(table), &b), 0);
    ck_assert_str_eq(buf_str(&b),
                     "# HELP guacamole_sessions_total Sessions started.\n"
                     "# TYPE guacamole_sessions_total counter\n"
                     "guacamole_sessions_total{protocol=\"ssh\"} 3\n"
                     "guacamole_sessions_total{protocol=\"rdp\"} 0\n"
                     "# HELP guacamole_active_sessions Sessions now.\n"
                     "# TYPE guacamole_active_sessions gauge\n"
                     "guacamole_active_sessions -4\n"
                     "# HELP guacamole_session_duration_seconds How long.\n"
                     "# TYPE guacamole_session_duration_seconds histogram\n"
                     "guacamole_session_duration_seconds_bucket{le=\"0.1\"} 1\n"
                     "guacamole_session_duration_seconds_bucket{le=\"1\"} 2\n"
                     "guacamole_session_duration_seconds_bucket{le=\"60\"} 2\n"
                     "guacamole_session_duration_seconds_bucket{le=\"+Inf\"} 3\n"
                     "guacamole_session_duration_seconds_sum 1000000.6\n"
                     "guacamole_session_duration_seconds_count 3\n"
                     "guacamole_session_duration_seconds_bucket{protocol=\"ssh\",le=\"0.1\"} 0\n"
                     "guacamole_session_duration_seconds_bucket{protocol=\"ssh\",le=\"1\"} 0\n"
                     "guacamole_session_duration_seconds_bucket{protocol=\"ssh\",le=\"60\"} 0\n"
                     "guacamole_session_duration_seconds_bucket{protocol=\"ssh\",le=\"+Inf\"} 0\n"
                     "guacamole_session_duration_seconds_sum{protocol=\"ssh\"} 0\n"
                     "guacamole_session_duration_seconds_count{protocol=\"ssh\"} 0\n");
    _buf_cleanup_ struct buf small;
    buf_init(&small, 100);
    ck_assert_int_eq(metrics_write(table, ARRAY_LEN(table), &small), -1);
}
END_TEST

static struct metric shared = { .name = "x",
                                .type = METRIC_HISTOGRAM,
                                .help = "",
                                .bounds = bounds,
                                .bound_count = ARRAY_LEN(bounds) };

static void *count(void *arg) {
    for (int i = 0; i < 20000; i++) {
        metric_observe(&shared, 0.5);
        metric_add(&shared, 1);
    }
    return arg;
}

START_TEST(threads_lose_nothing) {
    pthread_t t[4];
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        pthread_join(t[i], NULL);
    ck_assert_int_eq(shared.value, 80000);
    ck_assert_uint_eq(shared.counts[1], 80000);
    ck_assert(shared.sum > 39999.9 && shared.sum < 40000.1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/metrics");
    TCase *c = tcase_create("metrics");
    tcase_add_test(c, writes_prometheus_text);
    tcase_add_test(c, threads_lose_nothing);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
