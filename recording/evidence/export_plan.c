/* Which sessions an export has. Written to disk at once: a period may have any number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/proto/status.h"
#include "recording/evidence/export.h"
#include "recording/evidence/export_list.h"
#include "recording/evidence/summary.h"
#include "recording/file.h"

#define PAGE 64
#define COLD_MAX 2000 /* open records read to find a person's sessions */

static int add(struct export_plan *p, int fd, const char *id, struct err *e) {
    char line[EXPORT_LINE + 1];
    snprintf(line, sizeof line, "%s\n", id);
    if (++p->count > EXPORT_SESSIONS_MAX)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "more than %u sessions: take a shorter period",
                       EXPORT_SESSIONS_MAX);
    return file_write_all(fd, line, EXPORT_LINE) < 0 ? err_errno(e, 0, "the list of sessions") : 0;
}

/* 1: the session is the person's. */
static int of_person(const struct export_from *f, const struct export_plan *p,
                     const struct tree_entry *x, size_t *cold, struct err *e) {
    const struct summary_filter wanted = { .person = p->person };
    bool final = false;
    _json_ json_t *o = x->final ? json_parse(x->summary, strlen(x->summary), 65536, NULL) : NULL;
    if (!o) {
        if (++*cold > COLD_MAX)
            return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                           "too many sessions to look for one person's: take a shorter period");
        o = summary_make(f->store, x->prefix, clock_wall_ms(), &final, e);
    }
    return o ? summary_matches(o, &wanted) : -1;
}

static int finish(struct export_plan *p, int fd, struct err *e) {
    struct export_list l;
    if (p->count == 0)
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "no recording of that period");
    if (export_list_open(&l, fd, -1, p->count, e) < 0)
        return -1;
    export_list_root(&l, p->root);
    export_list_fini(&l);
    return 0;
}

int export_plan_period(const struct export_from *f, struct export_plan *p, int fd, struct err *e) {
    uint64_t now = clock_wall_ms();
    p->to_ms = p->to_ms && p->to_ms < now ? p->to_ms : now;
    p->count = 0;
    p->period = !*p->person; /* whose a session is stands in no leaf */
    struct tree_filter filter = { .from_ms = p->from_ms,
                                  .to_ms = p->to_ms,
                                  .connection = *p->connection ? p->connection : NULL };
    struct tree_entry page[PAGE];
    char after[UUID_LEN + 1] = "";
    size_t cold = 0;
    int r = tree_refresh(f->tree, f->store, true, e);
    if (r == 0 && tree_count(f->tree) >= TREE_MAX)
        r = err_set(e, 0, "more than %u recordings in these buckets: name fewer (buckets)",
                    TREE_MAX);
    for (size_t n = PAGE; r == 0 && n == PAGE;) {
        n = tree_page(f->tree, after, &filter, page, PAGE);
        for (size_t i = 0; i < n; i++) {
            memcpy(after, page[i].id, sizeof after);
            int mine = r < 0 || !*p->person ? r == 0 : of_person(f, p, &page[i], &cold, e);
            if (mine < 0 || (mine && add(p, fd, page[i].id, e) < 0))
                r = -1;
            free(page[i].summary);
        }
    }
    return r < 0 ? -1 : finish(p, fd, e);
}

static int newest_first(const void *a, const void *b) {
    return strcmp(b, a);
}

int export_plan_chosen(const struct export_from *f, char (*ids)[UUID_LEN + 1], size_t count,
                       struct export_plan *p, int fd, struct err *e) {
    char prefix[NAME_PREFIX_SIZE];
    *p = (struct export_plan){ .to_ms = clock_wall_ms() };
    qsort(ids, count, sizeof *ids, newest_first);
    if (tree_refresh(f->tree, f->store, true, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(ids[i], ids[i - 1]) == 0)
            continue;
        if (!uuid_valid(ids[i], strlen(ids[i])) || !tree_find(f->tree, ids[i], prefix))
            return err_set(e, STATUS_RESOURCE_NOT_FOUND, "no recording is called %s", ids[i]);
        if (add(p, fd, ids[i], e) < 0)
            return -1;
    }
    return finish(p, fd, e);
}
