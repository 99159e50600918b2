/* guac-import: an Apache Guacamole user-mapping.xml as GuacamoleConnection files, Secrets beside
 * them, and a report of what has no counterpart. The file is parsed after the doors are shut: no
 * network, no program, and nothing to write but the new folder. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crd/field.h"
#include "deploy/import/convert.h"
#include "deploy/import/usermap.h"
#include "guacd/base/conf.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/sandbox.h"
#include "guacd/base/util.h"

#define YAML_MAX ((size_t)1 << 20)

enum { ALL_DONE = 0, SOMETHING_LOST = 1, FAILED = 2 };

struct config {
    char *output, *namespace, *role, *bucket;
    long retention_days;
    bool ask_host_keys, allow_no_seccomp;
};
#define AT(member) offsetof(struct config, member)

static const struct conf_row rows[] = {
    { "output", CONF_PATH, AT(output), NULL, 0, 0, 'o',
      "Folder to be made: what authd's key `folder` may name, or kubectl apply." },
    { "namespace", CONF_STRING, AT(namespace), "relay", 0, 0, 'n',
      "Namespace of the connections." },
    { "role", CONF_STRING, AT(role), "", 0, 0, 0,
      "Keycloak role that may open all of them; empty: guacamole-USER for each user." },
    { "bucket", CONF_STRING, AT(bucket), "", 0, 0, 0, "Bucket of the recordings." },
    { "retention-days", CONF_INT, AT(retention_days), "", 0, 36500, 0,
      "Days that recordings are kept; the resource's default when not given." },
    { "ask-host-keys", CONF_BOOL, AT(ask_host_keys), "no", 0, 0, 0,
      "SSH servers without a host-key: people are asked about the key they show." },
    { "allow-no-seccomp", CONF_BOOL, AT(allow_no_seccomp), "no", 0, 0, 0,
      "Go on even where the kernel has no seccomp." },
};

static const struct conf_table table = {
    .program = "guac-import",
    .purpose = "Turns an Apache Guacamole user-mapping.xml into GuacamoleConnection resources.",
    .rows = rows,
    .count = ARRAY_LEN(rows),
};

/* Trees here hold passwords. */
static void wiping_free(void *p) {
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

static int make_folder(const char *path, struct err *e) {
    return mkdir(path, 0700) < 0 && errno != EEXIST ? err_errno(e, 0, "%s", path) : 0;
}

/* A new file of ours alone; one that is there is somebody's and stays. */
static int write_file(const char *path, const char *text, size_t len, struct err *e) {
    _close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    while (fd >= 0 && len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno != EINTR)
            return err_errno(e, 0, "%s", path);
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return fd < 0 ? err_errno(e, 0, "%s", path) : 0;
}

static int write_secrets(const struct config *c, const char *name, json_t *secrets, struct err *e) {
    char path[4400];
    const char *key;
    json_t *value;
    if (!json_object_size(secrets))
        return 0;
    const char *const steps[] = { "secrets", c->namespace, name };
    int n = snprintf(path, sizeof path, "%s", c->output);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        n += snprintf(path + n, sizeof path - (size_t)n, "/%s", steps[i]);
        if (make_folder(path, e))
            return -1;
    }
    json_object_foreach(secrets, key, value) {
        snprintf(path + n, sizeof path - (size_t)n, "/%s", key);
        if (write_file(path, json_string_value(value), json_string_length(value), e))
            return -1;
    }
    return 0;
}

static int write_all(const struct config *c, const json_t *plan, struct err *e) {
    char path[4400];
    const json_t *it;
    size_t i;
    json_array_foreach(json_object_get(plan, "connections"), i, it) {
        struct buf yaml _buf_cleanup_;
        const char *name = json_str(it, "name", "");
        buf_init(&yaml, YAML_MAX);
        snprintf(path, sizeof path, "%s/%s.yaml", c->output, name);
        if (convert_yaml(json_object_get(it, "resource"), &yaml))
            return err_set(e, 0, "%s: too large", path);
        if (write_secrets(c, name, json_object_get(it, "secrets"), e) ||
            write_file(path, yaml.data, yaml.len, e))
            return -1;
    }
    return 0;
}

static int print_report(const struct config *c, const json_t *plan) {
    const json_t *it;
    json_t *users;
    const char *role;
    size_t i, lost = 0, count = json_array_size(json_object_get(plan, "connections"));
    json_array_foreach(json_object_get(plan, "report"), i, it) {
        bool is_lost = json_is_true(json_object_get(it, "lost"));
        lost += is_lost;
        printf("%s line %lld: %s: %s\n", is_lost ? "!" : " ",
               (long long)json_integer_value(json_object_get(it, "line")), json_str(it, "what", ""),
               json_str(it, "text", ""));
    }
    json_object_foreach(json_object_get(plan, "roles"), role, users) {
        printf("  role %s has to be given in Keycloak to:", role);
        json_array_foreach(users, i, it) printf(" '%s'", json_string_value(it));
        putchar('\n');
    }
    printf("%zu connections are in %s; %zu things have no counterpart (lines with !)\n", count,
           c->output, lost);
    return lost ? SOMETHING_LOST : ALL_DONE;
}

static int lock_doors(const struct config *c, struct err *e) {
    const struct sandbox_path paths[] = { { c->output, SANDBOX_WRITE } };
    const struct sandbox_profile profile = { .paths = paths, .path_count = ARRAY_LEN(paths) };
    const struct sandbox_options options = { .allow_no_seccomp = c->allow_no_seccomp };
    return sandbox_begin(e) || sandbox_enter(&profile, &options, e) ? -1 : 0;
}

static int run(const struct config *c, const char *file, struct err *e) {
    struct buf text;
    int result = FAILED;
    if (!field_is_label(c->namespace)) {
        err_set(e, 0, "namespace: must be small letters, digits and hyphens, 63 at most");
        return FAILED;
    }
    _fclose_ FILE *f = fopen(file, "re");
    if (!f) {
        err_errno(e, 0, "%s", file);
        return FAILED;
    }
    if (strlen(c->output) > 4000 || mkdir(c->output, 0700) < 0) {
        err_errno(e, 0, "output: %.200s has to be a new folder", c->output);
        return FAILED;
    }
    if (lock_doors(c, e))
        return FAILED;
    buf_init(&text, USERMAP_BYTES_MAX + 1);
    text.secret = true;
    char *room = buf_reserve(&text, USERMAP_BYTES_MAX + 1);
    text.len = room ? fread(room, 1, USERMAP_BYTES_MAX + 1, f) : 0;
    if (!room || ferror(f)) {
        err_errno(e, 0, "%s", file);
    } else {
        const struct convert_options o = { c->namespace, c->role, c->bucket, c->retention_days,
                                           c->ask_host_keys };
        _json_ json_t *map = usermap_parse(text.data, text.len, e);
        _json_ json_t *plan = map ? convert(map, &o, e) : NULL;
        if (!map)
            err_prefix(e, "%s", file);
        if (plan && write_all(c, plan, e) == 0)
            result = print_report(c, plan);
    }
    buf_wipe(&text);
    return result;
}

int main(int argc, char **argv) {
    static struct config config;
    struct err e = { 0 };
    char *words[256];
    size_t count = ARRAY_LEN(words);
    json_set_alloc_funcs(malloc, wiping_free);
    log_init("guac-import", LOG_LEVEL_INFO);
    enum conf_result r =
        argc <= 256 ? conf_load(&table, &config, argc, argv, words, &count, &e) : CONF_BAD;
    if (r == CONF_EXIT)
        return ALL_DONE;
    int status = FAILED;
    if (r == CONF_OK && count != 1)
        err_set(&e, 0, "say which user-mapping.xml, one (--help tells more)");
    else if (r == CONF_OK)
        status = run(&config, words[0], &e);
    if (status == FAILED)
        log_error("%s", e.text);
    conf_free(&table, &config);
    return status;
}
