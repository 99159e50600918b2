/* The gateway's own kinds in the Kubernetes API. Its resourceVersion decides between two writers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crd/cluster_live.h"
#include "crd/resources_impl.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define URL_MAX 700
#define PAGE 500

struct kinds {
    struct resources front;
    struct cluster *k; /* the caller's */
    struct kind {
        struct kinds *all;
        enum resource_kind kind;
        struct cluster_live live;
    } kinds[RESOURCE_KINDS];
};

/* ---- live ------------------------------------------------------------------------------------ */

static void *make(void *arg, const json_t *object, const char *source) {
    return resource_read(((struct kind *)arg)->kind, object, source);
}

static void drop(void *item) {
    resource_unref(item);
}

static void publish(void *arg, const struct cluster_table *t) {
    struct kind *k = arg;
    struct resources_view *v = resources_view_new(k->kind);
    for (size_t i = 0; v && i < t->count; i++)
        resources_view_add(v, t->rows[i].item);
    if (v)
        resources_publish(&k->all->front, v);
}

static void current(void *arg, int64_t at) {
    struct kind *k = arg;
    resources_current(&k->all->front, k->kind, at);
}

/* ---- changes --------------------------------------------------------------------------------- */

static enum resources_result typed(enum resource_kind kind, const json_t *answer,
                                   struct resource **out, struct err *e) {
    struct resource *r = resource_read(kind, answer, "the API server");
    if (r && r->version && r->uid) {
        *out = r;
        return RESOURCES_OK;
    }
    resource_unref(r);
    err_set(e, STATUS_UPSTREAM_ERROR, "the API server's answer is no %s",
            resource_types[kind].kind);
    return RESOURCES_UNAVAILABLE;
}

static enum resources_result cluster_get(struct resources *s, enum resource_kind kind,
                                         const char *namespace, const char *name,
                                         struct resource **out, struct err *e) {
    char path[URL_MAX];
    _json_ json_t *answer = NULL;
    cluster_path(path, sizeof path, namespace, resource_types[kind].plural, name, NULL);
    enum resources_result r =
        cluster_call(((struct kinds *)s)->k, "GET", path, NULL, NULL, &answer, e);
    return r == RESOURCES_OK ? typed(kind, answer, out, e) : r;
}

static enum resources_result cluster_change(struct resources *s, enum resources_change what,
                                            const struct resource *r, struct resource **out,
                                            struct err *e) {
    static const char *const methods[] = {
        [RESOURCES_CREATE] = "POST", [RESOURCES_SPEC] = "PUT", [RESOURCES_STATUS] = "PUT"
    };
    char path[URL_MAX];
    _json_ json_t *doc = resource_write(r), *answer = NULL;
    if (!doc) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for a resource");
        return RESOURCES_UNAVAILABLE;
    }
    if (what == RESOURCES_CREATE) {
        static const char *const ours[] = { "uid", "resourceVersion", "creationTimestamp" };
        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
            json_object_del(json_object_get(doc, "metadata"), ours[i]);
    }
    cluster_path(path, sizeof path, r->namespace, resource_types[r->kind].plural,
                 what == RESOURCES_CREATE ? NULL : r->name,
                 what == RESOURCES_STATUS ? "status" : NULL);
    enum resources_result rc =
        cluster_call(((struct kinds *)s)->k, methods[what], path, NULL, doc, &answer, e);
    return rc == RESOURCES_OK ? typed(r->kind, answer, out, e) : rc;
}

static enum resources_result cluster_remove(struct resources *s, enum resource_kind kind,
                                            const char *namespace, const char *name,
                                            const char *version, struct err *e) {
    char path[URL_MAX];
    _json_ json_t *options = json_pack("{s:s, s:s, s:s}", "apiVersion", "v1", "kind",
                                       "DeleteOptions", "propagationPolicy", "Background");
    if (version)
        json_object_set_new(options, "preconditions",
                            json_pack("{s:s}", "resourceVersion", version));
    cluster_path(path, sizeof path, namespace, resource_types[kind].plural, name, NULL);
    return cluster_call(((struct kinds *)s)->k, "DELETE", path, NULL, options, NULL, e);
}

static enum resources_result list_one(struct kinds *s, enum resource_kind kind,
                                      const char *namespace, struct resources_view *out,
                                      struct err *e) {
    char next[512] = "", base[URL_MAX], path[1400];
    cluster_path(base, sizeof base, namespace, resource_types[kind].plural, NULL, NULL);
    do {
        _json_ json_t *answer = NULL;
        json_t *item;
        size_t i;
        snprintf(path, sizeof path, "%s?limit=%d%s%s", base, PAGE, *next ? "&continue=" : "", next);
        enum resources_result r = cluster_call(s->k, "GET", path, NULL, NULL, &answer, e);
        if (r != RESOURCES_OK)
            return r;
        json_array_foreach(json_object_get(answer, "items"), i, item) {
            struct resource *one = resource_read(kind, item, "the API server");
            if (one)
                resources_view_add(out, one);
            resource_unref(one);
        }
        cluster_escape(json_str(json_object_get(answer, "metadata"), "continue", ""), next,
                       sizeof next);
    } while (*next);
    return RESOURCES_OK;
}

static enum resources_result cluster_list(struct resources *front, enum resource_kind kind,
                                          const char *namespace, struct resources_view *out,
                                          struct err *e) {
    struct kinds *s = (struct kinds *)front;
    enum resources_result r = RESOURCES_OK;
    if (namespace)
        return list_one(s, kind, namespace, out, e);
    for (size_t i = 0; r == RESOURCES_OK && i < cluster_namespace_count(s->k, false); i++)
        r = list_one(s, kind, cluster_namespace(s->k, i), out, e);
    return r;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void cluster_finish(struct resources *front) {
    struct kinds *s = (struct kinds *)front;
    for (int i = 0; i < RESOURCE_KINDS; i++)
        cluster_live_stop(&s->kinds[i].live);
    for (int i = 0; i < RESOURCE_KINDS; i++)
        cluster_live_fini(&s->kinds[i].live);
    resources_fini(&s->front);
    free(s);
}

static const struct resources_impl cluster_impl = {
    "kubernetes", cluster_get, cluster_list, cluster_change, cluster_remove, cluster_finish
};

struct resources *resources_cluster_new(struct cluster *k, struct err *e) {
    struct kinds *s = calloc(1, sizeof *s);
    if (!s || resources_init(&s->front, &cluster_impl, e)) {
        free(s);
        err_set(e, STATUS_SERVER_ERROR, "no memory for a store");
        return NULL;
    }
    s->k = k;
    for (int i = 0; i < RESOURCE_KINDS; i++) {
        struct kind *kind = &s->kinds[i];
        kind->all = s;
        kind->kind = (enum resource_kind)i;
        kind->live = (struct cluster_live){ .k = k,
                                            .plural = resource_types[i].plural,
                                            .make = make,
                                            .drop = drop,
                                            .publish = publish,
                                            .current = current,
                                            .arg = kind };
        if (cluster_live_start(&kind->live, e)) {
            cluster_finish(&s->front);
            return NULL;
        }
    }
    return &s->front;
}
