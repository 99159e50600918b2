#include "crd/lint.h"

#include <stdio.h>
#include <string.h>

#include "crd/connection.h"
#include "crd/environment.h"
#include "crd/resource.h"
#include "crd/yamldoc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

struct lint {
    const char *path;
    struct buf *out;
    size_t wrong;
};

static void tell(struct lint *l, int line, const json_t *errors) {
    size_t i;
    json_t *error;
    json_array_foreach(errors, i, error)
        buf_printf(l->out, "%s:%d: %s\n", l->path, line, json_string_value(error));
    l->wrong += json_array_size(errors);
}

static int on_document(void *arg, json_t *doc, int line) {
    struct lint *l = arg;
    const char *kind = json_str(doc, "kind", "");
    enum resource_kind ours = resource_kind_of(kind);
    json_t *item;
    size_t i;
    if (strcmp(kind, "List") == 0) {
        json_array_foreach(json_object_get(doc, "items"), i, item) {
            if (strcmp(json_str(item, "kind", ""), "List") != 0)
                on_document(arg, item, line);
        }
    } else if (strcmp(kind, "GuacamoleConnection") == 0) {
        struct connection *c = connection_read(doc, l->path);
        tell(l, line, c ? c->errors : NULL);
        connection_unref(c);
    } else if (strcmp(kind, "EnvironmentPolicy") == 0) {
        struct environment_policy *p = environment_read(doc, l->path);
        tell(l, line, p ? p->errors : NULL);
        environment_unref(p);
    } else if (ours != RESOURCE_KINDS) {
        struct resource *r = resource_read(ours, doc, l->path);
        tell(l, line, r ? r->errors : NULL);
        resource_unref(r);
    }
    return 0;
}

size_t lint_file(const char *path, struct buf *out) {
    struct lint l = { path, out, 0 };
    struct err e = { 0 };
    char *text = malloc(YAMLDOC_BYTES_MAX + 1);
    _fclose_ FILE *f = fopen(path, "re");
    size_t len = f && text ? fread(text, 1, YAMLDOC_BYTES_MAX + 1, f) : 0;
    if (!f || !text)
        err_errno(&e, 0, "cannot be read");
    if (!f || !text || yamldoc_each(text, len, on_document, &l, &e)) {
        buf_printf(out, "%s: %s\n", path, e.text);
        l.wrong++;
    }
    free(text);
    return l.wrong;
}
