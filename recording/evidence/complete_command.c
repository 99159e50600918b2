/* 0 proved, 1 broken, 3 nothing wrong but no anchor, 2 could not be read. */
#include "recording/evidence/complete_command.h"

#include <stdio.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/bag_verify.h"
#include "recording/evidence/complete.h"
#include "recording/evidence/print.h"
#include "recording/evidence/progress.h"

const char *evidence_log_bucket(const struct evidence *v) {
    return v->config->log_bucket ? v->config->log_bucket : LOG_BUCKET;
}

struct adding {
    struct anchor *anchor;
    struct err *e;
};

static int add_key(const char *item, void *arg) {
    struct adding *a = arg;
    return anchor_key(a->anchor, item, a->e);
}

static int add_tree(const char *item, void *arg) {
    struct adding *a = arg;
    return anchor_tree(a->anchor, item, a->e);
}

/* With the keys known, a checkpoint's signature is checked where it is read. In a bag that is left
 * to the verdict, as verify.sh leaves it: there it is measured by its root alone. */
static int read_anchors(const struct config *c, struct anchor *anchor, bool bag, struct err *e) {
    struct adding a = { anchor, e };
    anchor->tsa_ca = c->stamp_ca;
    if (bag && c->anchor && conf_each(c->anchor, add_tree, &a) != 0)
        return err_prefix(e, "anchor");
    if (conf_each(c->key, add_key, &a) != 0)
        return err_prefix(e, "key");
    if (!bag && c->anchor && conf_each(c->anchor, add_tree, &a) != 0)
        return err_prefix(e, "anchor");
    return c->events ? anchor_events(anchor, c->events, e) : 0;
}

int evidence_time(const char *text, const char *row, uint64_t *out, struct err *e) {
    return text && clock_parse(text, out) < 0
               ? err_set(e, 0, "%s: '%s' is no time like 2026-11-22T00:00:00Z", row, text)
               : 0;
}

static void print_list(const json_t *list, const char *key) {
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o) {
        const char *anchor = json_str(o, "anchor", NULL);
        printf("  ");
        print_clean(json_str(o, "object", ""), 0);
        printf(": ");
        print_clean(json_str(o, key, ""), 0);
        printf("%s%s%s\n", anchor ? " [found by " : "", anchor ? anchor : "", anchor ? "]" : "");
    }
}

static void print_report(const struct complete_report *r) {
    static const char *const words[] = { [VERIFY_PROVED] = "proved: complete and unchanged",
                                         [VERIFY_BROKEN] = "BROKEN",
                                         [VERIFY_UNANCHORED] = "self-consistent, not anchored" };
    printf("%s\n", words[r->result]);
    if (r->result == VERIFY_UNANCHORED)
        printf("  whoever can write the store could have made all of it: give a key (--key) and an "
               "earlier\n  checkpoint held elsewhere (--anchor, --events, or --stamp-ca)\n");
    print_list(r->problems, "problem");
    if (r->problem_count > json_array_size(r->problems))
        printf("  … and %zu more\n", r->problem_count - json_array_size(r->problems));
    print_list(r->notes, "note");
    printf("  %llu leaves (%llu under the signed checkpoint), root %s\n",
           (unsigned long long)r->leaves, (unsigned long long)r->signed_leaves, r->root);
    printf("  %llu sessions, %llu not sealed, %llu time stamps, %llu objects, %llu bytes\n",
           (unsigned long long)r->sessions, (unsigned long long)r->live,
           (unsigned long long)r->stamps, (unsigned long long)r->objects,
           (unsigned long long)r->bytes);
}

static int write_json(const struct complete_report *r, struct err *e) {
    _json_ json_t *o = complete_report_json(r);
    return print_json(o, e);
}

/* Of a store, or (path) of a bag. */
static int verdict(struct evidence *v, const char *path, struct complete_report *report,
                   struct err *e) {
    const struct config *c = v->config;
    struct anchor anchor = { 0 };
    struct progress bar;
    progress_init(&bar, !c->json);
    struct complete_want want = { .store = v->store,
                                  .log_bucket = evidence_log_bucket(v),
                                  .tree = v->tree,
                                  .anchor = &anchor,
                                  .chunks = !c->quick,
                                  .progress = progress_tell,
                                  .arg = &bar };
    const struct bag_verify bag = { .anchor = &anchor, .progress = progress_tell, .arg = &bar };
    int r = read_anchors(c, &anchor, path != NULL, e) < 0 ||
                    evidence_time(c->from, "from", &want.from_ms, e) < 0 ||
                    evidence_time(c->to, "to", &want.to_ms, e) < 0
                ? -1
            : path ? bag_verify(path, &bag, report, e)
                   : complete_run(&want, report, e);
    progress_done(&bar);
    anchor_fini(&anchor);
    return r < 0 ? 2 : (int)report->result;
}

int complete_command(struct evidence *v, const char *path, struct err *e) {
    struct complete_report report = { 0 };
    int status = verdict(v, path, &report, e);
    if (status != 2 && v->config->json)
        status = write_json(&report, e) < 0 ? 2 : status;
    else if (status != 2)
        print_report(&report);
    complete_report_fini(&report);
    return status;
}

/* The newest signed checkpoint, to be kept where nobody who can write the store can. */
int command_anchor(struct evidence *v, char **words, size_t count, struct err *e) {
    _free_ struct log *l = malloc(sizeof *l);
    struct buf b __attribute__((cleanup(buf_fini)));
    struct note n;
    (void)words;
    buf_init(&b, NOTE_MAX);
    if (count || !l) {
        err_set(e, 0, "anchor takes no words");
        return 2;
    }
    log_init_reader(l, v->store, evidence_log_bucket(v));
    enum store_result r = log_checkpoint_get(l, &b, NULL, e);
    log_fini(l);
    if (r == STORE_MISSING)
        err_set(e, 0, "there is no signed checkpoint yet");
    if (r != STORE_OK || note_parse(b.data, b.len, &n, e) < 0)
        return 2;
    fwrite(b.data, 1, b.len, stdout);
    return 0;
}
