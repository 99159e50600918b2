/* Which pod, which container, and what becomes of them: by name, by labels, by Deployment or
 * StatefulSet. Looking needs rights that running a command does not; without them the names given
 * are taken as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/kubernetes/kube.h"
#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define ASKED_AGAIN 3
#define FATE_MS 3000

struct kwhere target_where(const struct kube *k) {
    return (struct kwhere){ .namespace = k->namespace,
                            .pod = k->pod.name,
                            .container = k->container,
                            .verb = *k->command ? "exec" : "attach",
                            .command = k->command };
}

static void pods_path(const struct kube *k, const char *pod, struct buf *out) {
    buf_puts(out, "/api/v1/namespaces/");
    http1_escape(out, k->namespace);
    buf_puts(out, "/pods");
    if (pod) {
        buf_putc(out, '/');
        http1_escape(out, pod);
    }
}

static void into_container(const struct kube *k, const char *verb, struct buf *out) {
    pods_path(k, k->pod.name, out);
    buf_printf(out, "/%s?", verb);
    if (*k->container) {
        buf_puts(out, "container=");
        http1_escape(out, k->container);
        buf_putc(out, '&');
    }
}

void target_path(const struct kube *k, struct buf *out) {
    into_container(k, *k->command ? "exec" : "attach", out);
    buf_add(out, k->query.data, k->query.len);
}

void target_exec_path(const struct kube *k, struct buf *out) {
    into_container(k, "exec", out);
}

static int refused(const struct kube *k, int status, const struct buf *body, struct err *e) {
    struct kwhere w = target_where(k);
    return kstatus_refusal(status, body->data, body->len, &w, e);
}

/* ---- which pod --------------------------------------------------------------------------------
 */

/* pod: this one of them, "": the newest that is ready. */
static int by_labels(struct kube *k, const char *selector, const char *pod, const char *what,
                     struct buf *body, struct err *e) {
    _buf_cleanup_ struct buf path = { 0 };
    char why[512];
    buf_init(&path, 16u << 10);
    pods_path(k, NULL, &path);
    buf_printf(&path, "?limit=%d&labelSelector=", KUBE_PODS_MAX);
    http1_escape(&path, selector);
    if (*pod) {
        buf_puts(&path, "&fieldSelector=metadata.name%3D");
        http1_escape(&path, pod);
    }
    int status = ask_get(k, &k->conn, buf_str(&path), body, e);
    if (status < 0)
        return -1;
    if (status != 200)
        return refused(k, status, body, e);
    bool found = kpods_choose(body->data, body->len, &k->pod, why, sizeof why);
    if (!found && *pod)
        return err_set(e, STATUS_CLIENT_FORBIDDEN, "pod %s is no ready one of %s in namespace %s",
                       pod, what, k->namespace);
    if (!found)
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                       "no pod of %s in namespace %s is ready (%s); try again when one is", what,
                       k->namespace, why);
    k->pod_known = true;
    log_info("pod %s of %s", k->pod.name, what);
    return 0;
}

static int by_owner(struct kube *k, const char *kind, const char *kinds, const char *name,
                    const char *pod, struct buf *body, struct err *e) {
    _buf_cleanup_ struct buf path = { 0 }, selector = { 0 };
    char what[300];
    buf_init(&path, 4096);
    buf_init(&selector, 8192);
    buf_puts(&path, "/apis/apps/v1/namespaces/");
    http1_escape(&path, k->namespace);
    buf_printf(&path, "/%s/", kinds);
    http1_escape(&path, name);
    int status = ask_get(k, &k->conn, buf_str(&path), body, e);
    if (status < 0)
        return -1;
    if (status != 200)
        return refused(k, status, body, e);
    if (!kselector_parse(body->data, body->len, &selector))
        return err_set(e, STATUS_UPSTREAM_ERROR, "%s %s has no selector that can be used", kind,
                       name);
    snprintf(what, sizeof what, "%s %s", kind, name);
    return by_labels(k, buf_str(&selector), pod, what, body, e);
}

static int by_name(struct kube *k, const char *name, struct buf *body, struct err *e) {
    _buf_cleanup_ struct buf path = { 0 };
    snprintf(k->pod.name, sizeof k->pod.name, "%s", name);
    buf_init(&path, 4096);
    pods_path(k, name, &path);
    int status = ask_get(k, &k->conn, buf_str(&path), body, e);
    if (status < 0)
        return -1;
    if (status == 200) {
        k->pod_known = kpod_parse(body->data, body->len, &k->pod);
        snprintf(k->pod.name, sizeof k->pod.name, "%s", name);
        return 0;
    }
    if (status != 403)
        return refused(k, status, body, e);
    log_info("no right to look at pod %s: taking it as it is named", name);
    return 0;
}

static int choose_pod(struct kube *k, const struct args *a, struct err *e) {
    _buf_cleanup_ struct buf body = { 0 };
    buf_init(&body, KUBE_BODY_MAX);
    const char *pod = args_str(a, "pod"), *labels = args_str(a, "pod-selector");
    const char *deployment = args_str(a, "deployment"), *set = args_str(a, "statefulset");
    if (*labels)
        return by_labels(k, labels, pod, labels, &body, e);
    if (*deployment)
        return by_owner(k, "Deployment", "deployments", deployment, pod, &body, e);
    if (*set)
        return by_owner(k, "StatefulSet", "statefulsets", set, pod, &body, e);
    if (*pod)
        return by_name(k, pod, &body, e);
    return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                   "no pod is named: set pod, pod-selector, deployment or statefulset");
}

/* ---- which container --------------------------------------------------------------------------
 */

static bool listed(const char *names, const char *name) {
    size_t len = strlen(name);
    for (const char *p = names; len && *p;) {
        size_t n = strcspn(p, ", ");
        if (n == len && memcmp(p, name, len) == 0)
            return true;
        p += n;
        p += strspn(p, ", ");
    }
    return false;
}

int target_ask_container(struct kube *k, const char *names, struct err *e) {
    char text[1024];
    snprintf(text, sizeof text, "Pod %s has the containers %s. Which one?", k->pod.name, names);
    for (int i = 0; i < ASKED_AGAIN; i++) {
        _free_ char *value = NULL;
        if (session_ask_choice(k->s, "container", text, names, &value, e))
            return -1;
        value[strcspn(value, " \r\n")] = '\0';
        if (listed(names, value)) {
            snprintf(k->container, sizeof k->container, "%s", value);
            return 0;
        }
        snprintf(text, sizeof text, "Pod %s has no container %.60s, but %s. Which one?",
                 k->pod.name, value, names);
    }
    return err_set(e, STATUS_RESOURCE_NOT_FOUND, "no container of pod %s was chosen (%s)",
                   k->pod.name, names);
}

static int choose_container(struct kube *k, struct err *e) {
    char names[1024];
    if (!k->pod_known)
        return 0;
    kpod_names(&k->pod, names, sizeof names);
    if (!*k->container && k->pod.count == 1)
        snprintf(k->container, sizeof k->container, "%s", k->pod.containers[0].name);
    if (!*k->container && kpod_container(&k->pod, k->pod.chosen))
        snprintf(k->container, sizeof k->container, "%s", k->pod.chosen);
    if (!*k->container && target_ask_container(k, names, e))
        return -1;
    const struct kcontainer *c = kpod_container(&k->pod, k->container);
    if (!c)
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "pod %s has no container %s; it has %s",
                       k->pod.name, k->container, names);
    if (k->pod.ending)
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "pod %s is being deleted", k->pod.name);
    if (!c->running)
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "container %s of pod %s does not run (%s)",
                       c->name, k->pod.name, *c->why ? c->why : k->pod.phase);
    if (!*k->command) {
        k->tty = c->tty;
        k->input = c->stdin_open;
    }
    return 0;
}

/* What is asked for beside the container. */
static int make_query(struct kube *k, const struct args *a, struct err *e) {
    _buf_cleanup_ struct buf words = { 0 };
    buf_init(&words, 64u << 10);
    buf_init(&k->query, 128u << 10);
    int count = kwords(args_str(a, "exec-command"), &words, e);
    if (count < 0)
        return -1;
    k->tty = k->input = true;
    const char *p = buf_str(&words);
    for (int i = 0; p && i < count; i++, p += strlen(p) + 1) {
        if (i == 0)
            snprintf(k->command, sizeof k->command, "%s", p);
        buf_puts(&k->query, "command=");
        http1_escape(&k->query, p);
        buf_putc(&k->query, '&');
    }
    if (!p || k->query.failed)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "parameter exec-command is too long");
    return 0;
}

int target_choose(struct kube *k, const struct args *a, struct err *e) {
    const char *namespace = args_str(a, "namespace");
    snprintf(k->namespace, sizeof k->namespace, "%s", namespace);
    snprintf(k->container, sizeof k->container, "%s", args_str(a, "container"));
    if (strlen(namespace) >= sizeof k->namespace ||
        strlen(args_str(a, "container")) >= sizeof k->container ||
        strlen(args_str(a, "pod")) >= sizeof k->pod.name)
        return err_set(e, STATUS_RESOURCE_NOT_FOUND,
                       "a name is longer than names in a cluster are");
    if (make_query(k, a, e) || choose_pod(k, a, e) || choose_container(k, e))
        return -1;
    buf_printf(&k->query, "stdout=true%s%s", k->input ? "&stdin=true" : "",
               k->tty ? "&tty=true" : "&stderr=true");
    return 0;
}

/* ---- what became of it ------------------------------------------------------------------------
 */

static bool tell_fate(const struct kube *k, const struct kpod *now, char *text, size_t size) {
    const struct kcontainer *then = kpod_container(&k->pod, k->container);
    const struct kcontainer *c = kpod_container(now, k->container);
    if (now->ending)
        return snprintf(text, size, "Pod %s is being deleted.", k->pod.name);
    if (!c)
        return false;
    if (strcmp(now->phase, "Failed") == 0 || strcmp(now->phase, "Succeeded") == 0)
        return snprintf(text, size, "Pod %s ended (%s).", k->pod.name,
                        *c->why ? c->why : now->phase);
    if (k->pod_known && then && c->restarts > then->restarts)
        return snprintf(text, size, "Container %s was restarted%s%s%s.", c->name,
                        *c->why ? " (" : "", c->why, *c->why ? ")" : "");
    if (!c->running)
        return snprintf(text, size, "Container %s ended%s%s%s.", c->name, *c->why ? " (" : "",
                        c->why, *c->why ? ")" : "");
    return false;
}

bool target_fate(struct kube *k, char *text, size_t size) {
    struct err ignored = { 0 };
    struct conn c = { .stream = { .fd = -1 }, .channel = -1 };
    _buf_cleanup_ struct buf path = { 0 }, body = { 0 };
    int patience = k->timeout_ms;
    bool told = false;
    buf_init(&path, 4096);
    buf_init(&body, KUBE_BODY_MAX);
    pods_path(k, k->pod.name, &path);
    k->timeout_ms = MIN_OF(patience, FATE_MS);
    int status = ask_get(k, &c, buf_str(&path), &body, &ignored);
    struct kpod now;
    if (status == 404)
        told = snprintf(text, size, "Pod %s was deleted.", k->pod.name);
    else if (status == 200 && kpod_parse(body.data, body.len, &now))
        told = tell_fate(k, &now, text, size);
    else if (status < 0)
        told = snprintf(text, size, "The API server does not answer any more.");
    k->timeout_ms = patience;
    conn_close(&c);
    return told;
}
