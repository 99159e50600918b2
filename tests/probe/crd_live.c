/* What the Kubernetes stores know, as one JSON line whenever it changed and five times a second:
 * tests/it/test_crd_store.py reads them while it breaks the API server. Places as in crd_cluster.c,
 * and CRD_NAMESPACES. `crd_live NAMESPACE NAME` reads that Secret once and says how many keys it
 * has. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "crd/catalog.h"
#include "crd/cluster.h"
#include "crd/resources.h"
#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

#define SHOWN 64 /* more than these are only counted */

static json_t *connections(const struct snapshot *s) {
    json_t *all = json_object();
    char key[400];
    for (size_t i = 0; i < s->count && i < SHOWN; i++) {
        const struct connection *c = s->connections[i];
        snprintf(key, sizeof key, "%s/%s", c->namespace, c->name);
        json_object_set_new(all, key,
                            json_string(connection_usable(c) && c->hostname ? c->hostname : "!"));
    }
    return all;
}

static json_t *locks(const struct resources_view *v) {
    json_t *all = json_array();
    for (size_t i = 0; i < v->count && i < SHOWN; i++)
        json_array_append_new(all, json_string(v->items[i]->name));
    return all;
}

static long resident(void) {
    long pages = 0, unused;
    _fclose_ FILE *f = fopen("/proc/self/statm", "re");
    return f && fscanf(f, "%ld %ld", &unused, &pages) == 2 ? pages * 4 : 0;
}

static void one_secret(struct catalog *c, char **argv) {
    struct secret_set set = { 0 };
    struct err e = { 0 };
    if (catalog_secret(c, argv[1], argv[2], &set, &e)) {
        printf("error: %s\n", e.text);
        return;
    }
    for (size_t i = 0; i < set.count; i++)
        printf("%s=%s\n", set.items[i].key, set.items[i].value.data);
    secret_set_fini(&set);
}

int main(int argc, char **argv) {
    struct err e = { 0 };
    struct cluster_config config = { getenv("CRD_SERVER"), getenv("CRD_TOKEN"), getenv("CRD_CA"),
                                     getenv("CRD_NAMESPACES"), NULL };
    log_init("crd_live", LOG_LEVEL_WARNING);
    signal(SIGPIPE, SIG_IGN);
    uint64_t began = clock_ms(), listed = 0;
    struct cluster *k = cluster_new(&config, &e);
    struct resources *r = k ? resources_cluster_new(k, &e) : NULL;
    struct catalog *c = r ? catalog_cluster_new(k, r, &e) : NULL;
    if (!c) {
        fprintf(stderr, "%s\n", e.text);
        return EXIT_FAILURE;
    }
    if (argc == 3) {
        one_secret(c, argv);
        catalog_free(c);
        resources_free(r);
        cluster_free(k);
        return EXIT_SUCCESS;
    }
    for (uint64_t known = 0;;) {
        struct snapshot *s = catalog_snapshot(c);
        struct resources_view *v = resources_view(r, RESOURCE_LOCK);
        int64_t age = catalog_age_ms(c), lock_age = resources_age_ms(r, RESOURCE_LOCK);
        if (!listed && age != INT64_MAX)
            listed = clock_ms() - began;
        _json_ json_t *line =
            json_pack("{s:I, s:o, s:i, s:o, s:I, s:I, s:I, s:I}", "count", (json_int_t)s->count,
                      "connections", connections(s), "policies", (int)s->policy_count, "locks",
                      locks(v), "age", (json_int_t)(age == INT64_MAX ? -1 : age), "lockAge",
                      (json_int_t)(lock_age == INT64_MAX ? -1 : lock_age), "residentKiB",
                      (json_int_t)resident(), "listedMs", (json_int_t)listed);
        _free_ char *text = json_dumps(line, JSON_COMPACT);
        resources_view_unref(v);
        snapshot_unref(s);
        if (!text || puts(text) < 0 || fflush(stdout))
            return EXIT_SUCCESS; /* nobody reads any more */
        known = catalog_wait(c, known, 200);
    }
}
