/* Documents of one file by kind. */
#include "crd/folder_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crd/field.h"
#include "crd/yamldoc.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct folder_file *folder_file_new(const char *name) {
    struct folder_file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->name = strdup(name);
    f->problems = json_array();
    if (f->name && f->problems)
        return f;
    folder_file_free(f);
    return NULL;
}

static void drop(struct folder_file *f) {
    for (size_t i = 0; i < f->connection_count; i++)
        connection_unref(f->connections[i]);
    for (size_t i = 0; i < f->policy_count; i++)
        environment_unref(f->policies[i]);
    for (size_t i = 0; i < f->secret_count; i++) {
        free(f->secrets[i].namespace);
        free(f->secrets[i].name);
    }
    free(f->connections);
    free(f->policies);
    free(f->secrets);
    f->connections = NULL;
    f->policies = NULL;
    f->secrets = NULL;
    f->connection_count = f->policy_count = f->secret_count = 0;
    json_array_clear(f->problems);
}

void folder_file_free(struct folder_file *f) {
    if (!f)
        return;
    drop(f);
    json_decref(f->problems);
    free(f->name);
    free(f);
}

bool folder_file_same(const struct folder_file *f, const struct stat *st) {
    return f->inode == st->st_ino && f->size == st->st_size && f->mode == st->st_mode &&
           f->mtime.tv_sec == st->st_mtim.tv_sec && f->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

static void problem(struct folder_file *f, const char *source, const char *text) {
    json_t *line = json_sprintf("%s: %s", source, text);
    json_array_append_new(f->problems, line ? line : json_string("cannot be read"));
}

static int push(void **array, size_t size, size_t *count) {
    void *p = realloc(*array, (*count + 1) * size);
    if (!p)
        return -1;
    *array = p;
    (*count)++;
    return 0;
}

static void add_connection(struct folder_file *f, struct connection *c) {
    void *array = f->connections;
    if (!c || push(&array, sizeof *f->connections, &f->connection_count)) {
        connection_unref(c);
        return;
    }
    f->connections = array;
    f->connections[f->connection_count - 1] = c;
}

static void add_policy(struct folder_file *f, struct environment_policy *p) {
    void *array = f->policies;
    if (!p || push(&array, sizeof *f->policies, &f->policy_count)) {
        environment_unref(p);
        return;
    }
    f->policies = array;
    f->policies[f->policy_count - 1] = p;
    size_t i;
    json_t *error;
    json_array_foreach(p->errors, i, error) problem(f, p->source, json_string_value(error));
}

/* Namespace and name of a Secret document; both stay the document's. */
static int secret_names(const json_t *doc, const char **namespace, const char **name) {
    const json_t *meta = json_object_get(doc, "metadata");
    *namespace = json_str(meta, "namespace", "default");
    *name = json_str(meta, "name", "");
    return field_is_label(*namespace) && field_is_subdomain(*name) ? 0 : -1;
}

static void add_secret(struct folder_file *f, const json_t *doc, const char *source) {
    const char *namespace, *name;
    void *array = f->secrets;
    if (secret_names(doc, &namespace, &name)) {
        problem(f, source, "Secret without a valid metadata.name and namespace");
        return;
    }
    if (f->mode & S_IRWXO)
        problem(f, source, "a Secret in a file that everybody may read is not used: chmod o= it");
    if (push(&array, sizeof *f->secrets, &f->secret_count))
        return;
    f->secrets = array;
    f->secrets[f->secret_count - 1] = (struct folder_secret){ strdup(namespace), strdup(name) };
}

static void add_document(struct folder_file *f, const json_t *doc, const char *source, int nested) {
    static const char *const later[] = { "GuacamoleAccessRequest", "GuacamoleApproval",
                                         "GuacamoleSession", "GuacamoleLock" };
    const char *kind = json_str(doc, "kind", "");
    json_t *item;
    size_t i;
    if (strcmp(kind, "GuacamoleConnection") == 0) {
        add_connection(f, connection_read(doc, source));
    } else if (strcmp(kind, "EnvironmentPolicy") == 0) {
        add_policy(f, environment_read(doc, source));
    } else if (strcmp(kind, "Secret") == 0) {
        add_secret(f, doc, source);
    } else if (strcmp(kind, "List") == 0 && !nested) {
        json_array_foreach(json_object_get(doc, "items"), i, item) add_document(f, item, source, 1);
    } else if (!*kind) {
        problem(f, source, "a document without a kind");
    }
    for (i = 0; i < ARRAY_LEN(later); i++)
        if (strcmp(kind, later[i]) == 0)
            problem(f, source, "this kind is kept in the state folder, one file a resource");
}

static int on_document(void *arg, json_t *doc, int line) {
    struct folder_file *f = arg;
    char source[320];
    snprintf(source, sizeof source, "%.255s:%d", f->name, line);
    add_document(f, doc, source, 0);
    return 0;
}

/* The file is malformed from some place on; what was there before it broke is told to be broken. */
static void keep_known(struct folder_file *f, struct folder_file *old, const char *error) {
    for (size_t i = 0; i < old->connection_count; i++) {
        const struct connection *was = old->connections[i];
        bool known = false;
        for (size_t j = 0; !known && j < f->connection_count; j++)
            known = strcmp(f->connections[j]->name, was->name) == 0 &&
                    strcmp(f->connections[j]->namespace, was->namespace) == 0;
        if (!known)
            add_connection(f, connection_broken(was->namespace, was->name, f->name, error));
    }
    if (old->connection_count == 0)
        add_connection(f, connection_broken("", f->name, f->name, error));
    for (size_t i = 0; i < old->policy_count; i++) {
        bool known = false;
        for (size_t j = 0; !known && j < f->policy_count; j++)
            known = strcmp(f->policies[j]->name, old->policies[i]->name) == 0;
        if (!known)
            add_policy(f, environment_ref(old->policies[i]));
    }
}

/* Moves the content into `old`, which afterwards is dropped. */
static void set_aside(struct folder_file *f, struct folder_file *old) {
    *old = (struct folder_file){ .connections = f->connections,
                                 .connection_count = f->connection_count,
                                 .policies = f->policies,
                                 .policy_count = f->policy_count,
                                 .secrets = f->secrets,
                                 .secret_count = f->secret_count };
    f->connections = NULL;
    f->policies = NULL;
    f->secrets = NULL;
    f->connection_count = f->policy_count = f->secret_count = 0;
    json_array_clear(f->problems);
}

static void broken(struct folder_file *f, struct folder_file *old, const struct err *e) {
    problem(f, f->name, e->text);
    keep_known(f, old, e->text);
}

void folder_file_parse(struct folder_file *f, const char *text, size_t len) {
    struct folder_file old;
    struct err e = { 0 };
    set_aside(f, &old);
    if (yamldoc_each(text, len, on_document, f, &e))
        broken(f, &old, &e);
    drop(&old);
}

/* The whole file, wiped when freed: Secrets may be in it. The mode is that of what was read. */
static int slurp(struct folder_file *f, int folder_fd, struct buf *out, struct err *e) {
    struct stat st;
    _close_ int fd = openat(folder_fd, f->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st))
        return err_errno(e, STATUS_SERVER_ERROR, "cannot be read");
    if (!S_ISREG(st.st_mode))
        return err_set(e, STATUS_SERVER_ERROR, "is no regular file");
    f->mtime = st.st_mtim;
    f->size = st.st_size;
    f->inode = st.st_ino;
    f->mode = st.st_mode;
    for (;;) {
        char *room = buf_reserve(out, 16384);
        ssize_t n = room ? read(fd, room, 16384) : -1;
        if (!room)
            return err_set(e, STATUS_SERVER_ERROR, "is larger than %u bytes", YAMLDOC_BYTES_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, STATUS_SERVER_ERROR, "cannot be read");
        if (n == 0)
            return 0;
        out->len += (size_t)n;
    }
}

void folder_file_load(struct folder_file *f, int folder_fd) {
    struct err e = { 0 };
    struct buf text;
    buf_init(&text, YAMLDOC_BYTES_MAX + 16384);
    text.secret = true;
    if (slurp(f, folder_fd, &text, &e)) {
        struct folder_file old;
        set_aside(f, &old);
        broken(f, &old, &e);
        drop(&old);
    } else {
        folder_file_parse(f, text.data ? text.data : "", text.len);
    }
    buf_wipe(&text);
}

/* ---- Secret documents ------------------------------------------------------------------------ */

struct search {
    const char *namespace, *name;
    struct secret_set *out;
    bool found;
    struct err *e;
};

static int take_value(struct search *s, const char *key, const json_t *value, bool encoded) {
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (!text)
        return err_set(s->e, STATUS_SERVER_ERROR, "key '%.63s' of the Secret is no string", key);
    if (!encoded)
        return secret_set_add(s->out, key, text, len, s->e);
    char *raw = malloc(len / 4 * 3 + 1);
    long n = raw ? base64_decode(text, len, raw) : -1;
    int rc = n < 0
                 ? err_set(s->e, STATUS_SERVER_ERROR, "key '%.63s' of the Secret is no base64", key)
                 : secret_set_add(s->out, key, raw, (size_t)n, s->e);
    if (n > 0)
        secret_wipe(raw, (size_t)n);
    free(raw);
    return rc;
}

static int search_document(void *arg, json_t *doc, int line) {
    struct search *s = arg;
    const char *namespace, *name, *key;
    json_t *value;
    (void)line;
    if (strcmp(json_str(doc, "kind", ""), "List") == 0) {
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(doc, "items"), i,
                           item) if (strcmp(json_str(item, "kind", ""), "List") != 0 &&
                                     search_document(arg, item, line)) return -1;
        return 0;
    }
    if (s->found || strcmp(json_str(doc, "kind", ""), "Secret") != 0 ||
        secret_names(doc, &namespace, &name) || strcmp(namespace, s->namespace) != 0 ||
        strcmp(name, s->name) != 0)
        return 0;
    s->found = true;
    json_t *plain = json_object_get(doc, "stringData"), *data = json_object_get(doc, "data");
    json_object_foreach(plain, key, value) if (take_value(s, key, value, false)) return -1;
    json_object_foreach(data, key, value) if (!json_object_get(plain, key) &&
                                              take_value(s, key, value, true)) return -1;
    return 0;
}

int folder_file_secret(const struct folder_file *f, int folder_fd, const char *namespace,
                       const char *name, struct secret_set *out, struct err *e) {
    struct folder_file probe = { .name = f->name };
    struct search s = { namespace, name, out, false, e };
    struct buf text;
    buf_init(&text, YAMLDOC_BYTES_MAX + 16384);
    text.secret = true;
    int rc = slurp(&probe, folder_fd, &text, e);
    if (rc == 0 && probe.mode & S_IRWXO)
        rc = err_set(e, STATUS_SERVER_ERROR, "everybody may read it: chmod o= it");
    if (rc == 0)
        rc = yamldoc_each(text.data ? text.data : "", text.len, search_document, &s, e);
    if (rc == 0 && !s.found)
        rc = err_set(e, STATUS_RESOURCE_NOT_FOUND, "it has no Secret %s/%s any more", namespace,
                     name);
    buf_wipe(&text);
    if (rc)
        err_prefix(e, "%s", f->name);
    return rc;
}
