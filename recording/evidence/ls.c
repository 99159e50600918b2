/* guac-evidence ls: one line a recording, newest first. */
#include <stdio.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/print.h"
#include "recording/evidence/summary.h"

#define BATCH 64

static void print_line(const json_t *o) {
    char when[32], size[24];
    clock_format((uint64_t)json_num(o, "started", 0), when, sizeof when);
    snprintf(size, sizeof size, "%lld s", (long long)json_num(o, "durationMs", 0) / 1000);
    printf("%.19sZ  ", when);
    print_clean(json_str(o, "state", ""), 12);
    print_clean(size, 9);
    print_clean(json_str(json_object_get(o, "person"), "name", ""), 17);
    print_clean(json_str(o, "protocol", ""), 6);
    print_clean(json_str(o, "target", ""), 25);
    printf("%s\n", json_str(o, "prefix", ""));
}

static int show(struct evidence *v, const struct tree_entry *x, struct err *e) {
    bool final;
    _json_ json_t *o = summary_make(v->store, x->prefix, clock_wall_ms(), &final, e);
    if (!o)
        return -1;
    if (!v->config->json) {
        print_line(o);
        return 0;
    }
    return print_json(o, e);
}

int command_ls(struct evidence *v, char **words, size_t count, struct err *e) {
    struct tree_entry page[BATCH];
    struct tree_filter filter = { .connection = count ? words[0] : NULL };
    char after[UUID_LEN + 1] = "";
    int r = tree_refresh(v->tree, v->store, true, e);
    for (size_t n = BATCH; r == 0 && n == BATCH;) {
        n = tree_page(v->tree, after, &filter, page, BATCH);
        for (size_t i = 0; i < n; i++) {
            if (r == 0)
                r = show(v, &page[i], e);
            memcpy(after, page[i].id, sizeof after);
            free(page[i].summary);
        }
    }
    return r < 0 ? 2 : 0;
}
