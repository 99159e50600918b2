/* Pods, lists of pods, selectors: what is read of them. */
#include <stdio.h>
#include <string.h>

#include "guacd/backends/kubernetes/status.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"

#define POD_BYTES_MAX (16u << 20) /* a list of 500 pods; what came is bounded by its buffer too */

static void put(char *out, size_t size, const char *text) {
    snprintf(out, size, "%s", text);
}

/* Why it does not run, from status.containerStatuses. */
static void read_state(const json_t *status, struct kcontainer *c) {
    const json_t *state = json_object_get(status, "state");
    const json_t *waiting = json_object_get(state, "waiting");
    const json_t *over = json_object_get(state, "terminated");
    if (!over)
        over = json_object_get(json_object_get(status, "lastState"), "terminated");
    c->running = json_object_get(state, "running");
    c->restarts = (int)json_num(status, "restartCount", 0);
    if (over) {
        c->exit = (int)json_num(over, "exitCode", -1);
        put(c->why, sizeof c->why, json_str(over, "reason", ""));
    }
    if (waiting)
        put(c->why, sizeof c->why, json_str(waiting, "reason", ""));
}

static void read_containers(const json_t *spec, const json_t *statuses, struct kpod *p) {
    size_t i;
    json_t *o;
    json_array_foreach(spec, i, o) {
        if (p->count == KPOD_CONTAINERS_MAX)
            return;
        struct kcontainer *c = &p->containers[p->count++];
        *c = (struct kcontainer){ .tty = json_flag(o, "tty", false),
                                  .stdin_open = json_flag(o, "stdin", false),
                                  .exit = -1 };
        put(c->name, sizeof c->name, json_str(o, "name", ""));
        size_t n;
        json_t *s;
        json_array_foreach(statuses, n, s) if (strcmp(json_str(s, "name", ""), c->name) == 0)
            read_state(s, c);
    }
}

static bool read_pod(const json_t *o, struct kpod *p) {
    const json_t *meta = json_object_get(o, "metadata"), *status = json_object_get(o, "status");
    *p = (struct kpod){ 0 };
    put(p->name, sizeof p->name, json_str(meta, "name", ""));
    put(p->created, sizeof p->created, json_str(meta, "creationTimestamp", ""));
    put(p->chosen, sizeof p->chosen,
        json_str(json_object_get(meta, "annotations"), "kubectl.kubernetes.io/default-container",
                 ""));
    put(p->phase, sizeof p->phase, json_str(status, "phase", "Unknown"));
    p->ending = json_object_get(meta, "deletionTimestamp");
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(status, "conditions"), i,
                       c) if (strcmp(json_str(c, "type", ""), "Ready") == 0) p->ready =
        strcmp(json_str(c, "status", ""), "True") == 0;
    read_containers(json_object_get(json_object_get(o, "spec"), "containers"),
                    json_object_get(status, "containerStatuses"), p);
    return *p->name;
}

bool kpod_parse(const char *json, size_t len, struct kpod *out) {
    struct err ignored = { 0 };
    _json_ json_t *o = json_parse(json, len, POD_BYTES_MAX, &ignored);
    return o && read_pod(o, out);
}

const struct kcontainer *kpod_container(const struct kpod *p, const char *name) {
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->containers[i].name, name) == 0)
            return &p->containers[i];
    return NULL;
}

void kpod_names(const struct kpod *p, char *out, size_t size) {
    size_t n = 0;
    *out = '\0';
    for (size_t i = 0; i < p->count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", p->containers[i].name);
}

/* In the words of kubectl get pods. */
static const char *state_of(const struct kpod *p) {
    if (p->ending)
        return "Terminating";
    for (size_t i = 0; i < p->count; i++)
        if (!p->containers[i].running && *p->containers[i].why)
            return p->containers[i].why;
    return strcmp(p->phase, "Running") == 0 ? "not ready" : p->phase;
}

static bool newer(const struct kpod *a, const struct kpod *b) {
    int r = strcmp(a->created, b->created);
    return r > 0 || (r == 0 && strcmp(a->name, b->name) < 0);
}

bool kpods_choose(const char *json, size_t len, struct kpod *out, char *why, size_t size) {
    struct err ignored = { 0 };
    _json_ json_t *o = json_parse(json, len, POD_BYTES_MAX, &ignored);
    bool found = false;
    size_t i, n = 0;
    json_t *item;
    *why = '\0';
    json_array_foreach(json_object_get(o, "items"), i, item) {
        struct kpod p;
        if (!read_pod(item, &p))
            continue;
        if (p.ready && !p.ending) {
            if (!found || newer(&p, out))
                *out = p;
            found = true;
        } else if (n < size) {
            n += (size_t)snprintf(why + n, size - n, "%s%s: %s", n ? ", " : "", p.name,
                                  state_of(&p));
        }
    }
    if (!*why)
        snprintf(why, size, "there is none");
    return found;
}

/* ---- selectors --------------------------------------------------------------------------------
 */

static const struct {
    const char *operator, * word;
    bool values;
} operators[] = {
    { "In", " in ", true },
    { "NotIn", " notin ", true },
    { "Exists", "", false },
    { "DoesNotExist", "!", false },
};

static bool put_expression(const json_t *x, struct buf *out) {
    const char *key = json_str(x, "key", ""), *op = json_str(x, "operator", "");
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (strcmp(op, operators[i].operator) != 0)
            continue;
        if (!operators[i].values)
            return buf_printf(out, "%s%s", operators[i].word, key) == 0;
        buf_printf(out, "%s%s(", key, operators[i].word);
        size_t n;
        json_t *v;
        json_array_foreach(json_object_get(x, "values"), n, v)
            buf_printf(out, "%s%s", n ? "," : "", json_is_string(v) ? json_string_value(v) : "");
        return buf_putc(out, ')') == 0;
    }
    return false;
}

bool kselector_parse(const char *json, size_t len, struct buf *out) {
    struct err ignored = { 0 };
    _json_ json_t *o = json_parse(json, len, POD_BYTES_MAX, &ignored);
    json_t *selector = json_object_get(json_object_get(o, "spec"), "selector");
    const char *key;
    json_t *v;
    size_t i;
    json_object_foreach(json_object_get(selector, "matchLabels"), key, v) {
        if (out->len)
            buf_putc(out, ',');
        buf_printf(out, "%s=%s", key, json_is_string(v) ? json_string_value(v) : "");
    }
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, v) {
        if (out->len)
            buf_putc(out, ',');
        if (!put_expression(v, out))
            return false;
    }
    return out->len && !out->failed;
}
