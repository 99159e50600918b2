/* guac-evidence verify: 0 proved, 1 broken, 3 whole but without an anchor, 2 could not be read. */
#include <stdio.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/bag_index.h"
#include "recording/evidence/complete_command.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/find.h"
#include "recording/evidence/print.h"
#include "recording/evidence/verify.h"

static int add_key(const char *item, void *arg) {
    struct {
        struct verify_anchor *anchor;
        struct err *e;
    } *a = arg;
    return verify_anchor_add(a->anchor, item, a->e);
}

static void print_list(const json_t *list, const char *key) {
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
        printf("  %s: %s\n", json_str(o, "object", ""), json_str(o, key, ""));
}

static void print_report(const struct verify_report *v, const struct reading *r) {
    static const char *const words[] = { [VERIFY_PROVED] = "proved",
                                         [VERIFY_BROKEN] = "BROKEN",
                                         [VERIFY_UNANCHORED] = "self-consistent, not anchored" };
    printf("%s: %s\n", r->prefix, words[v->result]);
    if (v->result == VERIFY_UNANCHORED)
        printf("  %s\n", v->sealed ? "no key was given that it should be signed by (--key)"
                                   : "not sealed yet: this is what it is so far");
    print_list(v->problems, "problem");
    if (v->problem_count > json_array_size(v->problems))
        printf("  … and %zu more\n", v->problem_count - json_array_size(v->problems));
    print_list(v->notes, "note");
    printf("  %llu objects, %llu bytes%s%s\n", (unsigned long long)v->objects,
           (unsigned long long)v->bytes, *v->root ? ", root " : "", v->root);
    if (r->seal_envelope.statement)
        printf("  %s, %lld frames, signed by %s\n", r->seal.state, (long long)r->seal.frames,
               r->seal_envelope.dsse.signatures[0].keyid);
}

static int verify_one(struct evidence *v, const char *word, const struct verify_anchor *anchor,
                      struct err *e) {
    struct found f;
    struct reading r = { 0 };
    struct verify_report report = { 0 };
    int status = find_recording(word, v->store, v->tree, &f, e) < 0 ||
                         reading_init(&r, f.store, f.prefix, e) < 0 ||
                         verify_run(&r, anchor, &report, e) < 0
                     ? 2
                     : (int)report.result;
    if (status != 2 && v->config->json) {
        _json_ json_t *o = verify_report_json(&report, &r);
        status = print_json(o, e) < 0 ? 2 : status;
    } else if (status != 2) {
        print_report(&report, &r);
    }
    verify_report_fini(&report);
    reading_fini(&r);
    found_fini(&f);
    return status;
}

int command_verify(struct evidence *v, char **words, size_t count, struct err *e) {
    struct verify_anchor anchor = { 0 };
    struct {
        struct verify_anchor *anchor;
        struct err *e;
    } arg = { &anchor, e };
    int worst = 0;
    if (count == 0 && v->store)
        return complete_command(v, NULL, e);
    if (conf_each(v->config->key, add_key, &arg) != 0) {
        err_prefix(e, "key");
        return 2;
    }
    if (count == 0) {
        err_set(e, 0, "verify what? A prefix, an id, a folder, a bag; or a whole store (--store)");
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        int status = bag_is(words[i]) ? complete_command(v, words[i], e)
                                      : verify_one(v, words[i], &anchor, e);
        if (status == 2)
            return 2;
        worst = worst == 1 || status == 1 ? 1 : MAX_OF(worst, status);
    }
    return worst;
}
