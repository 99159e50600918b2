/* Metrics in Prometheus' text format (version 0.0.4). Rows are plain static data, changed by atomic
 * operations: counting must be free enough for a path that moves pictures. */
#include "guacd/base/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"

void metric_add(struct metric *m, int64_t n) {
    __atomic_fetch_add(&m->value, n, __ATOMIC_RELAXED);
}

void metric_set(struct metric *m, int64_t n) {
    __atomic_store_n(&m->value, n, __ATOMIC_RELAXED);
}

void metric_observe(struct metric *m, double v) {
    size_t i = 0;
    while (i < m->bound_count && !(v <= m->bounds[i]))
        i++;
    __atomic_fetch_add(&m->counts[i], 1, __ATOMIC_RELAXED);
    double old, sum;
    __atomic_load(&m->sum, &old, __ATOMIC_RELAXED);
    do
        sum = old + v;
    while (
        !__atomic_compare_exchange(&m->sum, &old, &sum, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

/* The shortest of two spellings that reads back as the same number; a locale's comma is undone. */
static const char *number(double v, char out[40]) {
    if (!isfinite(v))
        return isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf";
    snprintf(out, 40, "%.15g", v);
    if (strtod(out, NULL) != v)
        snprintf(out, 40, "%.17g", v);
    char *comma = strchr(out, ',');
    if (comma)
        *comma = '.';
    return out;
}

/* name_suffix{labels,le="…"} */
static void series(struct buf *out, const struct metric *m, const char *suffix, const char *le) {
    const char *labels = m->labels ? m->labels : "";
    buf_printf(out, "%s%s", m->name, suffix);
    if (*labels || le)
        buf_printf(out, "{%s%s%s%s%s}", labels, *labels && le ? "," : "", le ? "le=\"" : "",
                   le ? le : "", le ? "\"" : "");
}

static void histogram(struct buf *out, const struct metric *m) {
    char text[40];
    uint64_t total = 0;
    for (size_t i = 0; i <= m->bound_count; i++) {
        total += __atomic_load_n(&m->counts[i], __ATOMIC_RELAXED);
        series(out, m, "_bucket", i < m->bound_count ? number(m->bounds[i], text) : "+Inf");
        buf_printf(out, " %llu\n", (unsigned long long)total);
    }
    double sum;
    __atomic_load(&m->sum, &sum, __ATOMIC_RELAXED);
    series(out, m, "_sum", NULL);
    buf_printf(out, " %s\n", number(sum, text));
    series(out, m, "_count", NULL);
    buf_printf(out, " %llu\n", (unsigned long long)total);
}

int metrics_write(struct metric *const *table, size_t count, struct buf *out) {
    static const char *const types[] = { "counter", "gauge", "histogram" };
    for (size_t i = 0; i < count; i++) {
        const struct metric *m = table[i];
        if (i == 0 || strcmp(table[i - 1]->name, m->name) != 0)
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                       types[m->type]);
        if (m->type == METRIC_HISTOGRAM) {
            histogram(out, m);
        } else {
            series(out, m, "", NULL);
            buf_printf(out, " %lld\n", (long long)__atomic_load_n(&m->value, __ATOMIC_RELAXED));
        }
    }
    return out->failed ? -1 : 0;
}
