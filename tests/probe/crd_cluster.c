/* The suite of all stores against a real API server. tests/it/test_crd_store.py starts one and says
 * where it is: CRD_SERVER, CRD_CA, CRD_TOKEN (a file). */
#include <signal.h>

#include "crd/cluster.h"
#include "guacd/base/log.h"
#include "tests/unit/crd/suite.inc"

static struct cluster *cluster;

static struct resources *suite_open(void) {
    struct err e = { 0 };
    if (!cluster) {
        struct cluster_config c = { getenv("CRD_SERVER"), getenv("CRD_TOKEN"), getenv("CRD_CA"),
                                    NS " " OTHER, NULL };
        cluster = cluster_new(&c, &e);
        ck_assert_msg(cluster != NULL, "%s", e.text);
    }
    struct resources *s = resources_cluster_new(cluster, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    for (uint64_t until = clock_ms() + WAIT_MS; resources_age_ms(s, RESOURCE_LOCK) == INT64_MAX;) {
        ck_assert(clock_ms() < until);
        usleep(10000);
    }
    return s;
}

static void setup(void) {
    log_init("test", LOG_LEVEL_WARNING);
    signal(SIGPIPE, SIG_IGN);
    suite_setup();
}

static void teardown(void) {
    suite_teardown();
    cluster_free(cluster);
    cluster = NULL;
}

static Suite *suite(void) {
    Suite *s = suite_create("resources_cluster");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    suite_add(t);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
