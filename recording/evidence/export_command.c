/* guac-evidence export: one session, several, or a period, as a bag that an outsider can verify
 * with public tools. A run that was cut goes on where it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/export.h"
#include "recording/evidence/find.h"

struct command {
    struct evidence *v;
    struct bag bag;
    struct export_work work;
    uint64_t told_ms;
};

static const char *const scratch[] = { "sessions", "marks", "rows" };

static int plan_words(struct command *c, char **words, size_t count, int fd, struct err *e) {
    _free_ char(*ids)[UUID_LEN + 1] = calloc(count, sizeof *ids);
    if (!ids)
        return err_set(e, 0, "no memory");
    for (size_t i = 0; i < count; i++) {
        struct found f;
        if (find_recording(words[i], c->v->store, c->v->tree, &f, e) < 0)
            return -1;
        bool ours = f.target == NULL;
        snprintf(ids[i], sizeof ids[i], "%s", ours ? strrchr(f.prefix, '/') + 1 : "");
        found_fini(&f);
        if (!ours)
            return err_set(e, 0, "%s: an export is made of a store", words[i]);
    }
    return export_plan_chosen(&c->work.from, ids, count, &c->work.plan, fd, e);
}

static int plan(struct command *c, char **words, size_t count, struct err *e) {
    struct export_plan *p = &c->work.plan;
    const struct config *conf = c->v->config;
    if (evidence_time(conf->from, "from", &p->from_ms, e) < 0 ||
        evidence_time(conf->to, "to", &p->to_ms, e) < 0)
        return -1;
    return count ? plan_words(c, words, count, c->work.ids, e)
                 : export_plan_period(&c->work.from, p, c->work.ids, e);
}

static bool tell(void *arg, size_t session) {
    struct command *c = arg;
    if (!isatty(STDERR_FILENO) || clock_ms() - c->told_ms < 200)
        return false;
    c->told_ms = clock_ms();
    fprintf(stderr, "\rsession %zu of %zu, %llu MiB ", MIN_OF(session + 1, c->work.plan.count),
            c->work.plan.count, (unsigned long long)(c->bag.bytes >> 20));
    return false;
}

static int run(struct command *c, char **words, size_t count, struct err *e) {
    struct export_work *w = &c->work;
    int *const files[] = { &w->ids, &w->marks, &w->rows };
    if (!c->v->config->output)
        return err_set(e, 0, "export where to? --output FOLDER");
    if (bag_open(&c->bag, c->v->config->output, e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if ((*files[i] = bag_scratch(&c->bag, scratch[i], false, e)) < 0)
            return -1;
    return plan(c, words, count, e) < 0 || export_run(w, e) < 0 ? -1 : 0;
}

int command_export(struct evidence *v, char **words, size_t count, struct err *e) {
    _free_ struct command *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(e, 0, "no memory");
        return 2;
    }
    c->v = v;
    c->bag = (struct bag){ .root = -1, .tar = -1, .manifest = -1 };
    c->work = (struct export_work){ .from = { v->store, v->tree, evidence_log_bucket(v) },
                                    .bag = &c->bag,
                                    .ids = -1,
                                    .marks = -1,
                                    .rows = -1,
                                    .stop = tell,
                                    .arg = c };
    int r = run(c, words, count, e);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%40s\r", "");
    if (r == 0)
        printf("%s: %zu sessions, %llu files, %llu bytes\n", v->config->output, c->work.plan.count,
               (unsigned long long)c->bag.files, (unsigned long long)c->bag.bytes);
    const int files[] = { c->work.ids, c->work.marks, c->work.rows };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.new", scratch[i]);
        if (files[i] >= 0)
            close(files[i]);
        if (files[i] >= 0)
            unlinkat(c->bag.root, name, 0);
    }
    bag_fini(&c->bag);
    return r < 0 ? 2 : 0;
}
