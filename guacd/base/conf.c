/* Filling a program's config struct from its table: defaults, file, environment, command line, each
 * over the one before. Every message names the place a value came from. */
#include "guacd/base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/conf_parts.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"

#define FILE_MAX ((size_t)1 << 20)
#define PLACE_MAX 320

extern char **environ;

/* ---- the file -------------------------------------------------------------------------------- */

static void trim(const char **s, size_t *len) {
    while (*len > 0 && isspace((unsigned char)**s)) {
        (*s)++;
        (*len)--;
    }
    while (*len > 0 && isspace((unsigned char)(*s)[*len - 1]))
        (*len)--;
}

static int parse_line(const struct conf_table *t, void *target, const char *line, size_t len,
                      const char *place, size_t number, size_t *seen, struct err *e) {
    trim(&line, &len);
    if (len == 0 || *line == '#')
        return 0;
    const char *equals = memchr(line, '=', len);
    if (!equals || memchr(line, '\0', len))
        return err_set(e, 0, "%s: expected 'key = value'", place);
    const char *key = line, *value = equals + 1;
    size_t key_len = (size_t)(equals - line), value_len = len - key_len - 1;
    trim(&key, &key_len);
    trim(&value, &value_len);
    if (utf8_count(line, len) < 0)
        return err_set(e, 0, "%s: not UTF-8", place);
    const struct conf_row *row = conf_find(t, key, key_len);
    if (!row)
        return conf_unknown(t, place, key, key_len, e);
    size_t *first = &seen[row - t->rows];
    if (*first)
        return err_set(e, 0, "%s: '%s' is already set on line %zu", place, row->key, *first);
    *first = number;
    _free_ char *text = strndup(value, value_len);
    if (!text)
        return err_errno(e, 0, "%s", place);
    return conf_set(row, target, text, place, e);
}

int conf_parse(const struct conf_table *t, void *target, const char *text, size_t len,
               const char *name, struct err *e) {
    _free_ size_t *seen = calloc(t->count + 1, sizeof *seen);
    if (!seen)
        return err_errno(e, 0, "%s", name);
    for (size_t number = 1; len > 0; number++) {
        const char *end = memchr(text, '\n', len);
        size_t line_len = end ? (size_t)(end - text) : len;
        char place[PLACE_MAX];
        snprintf(place, sizeof place, "%.256s:%zu", name, number);
        if (parse_line(t, target, text, line_len, place, number, seen, e) < 0)
            return -1;
        size_t used = line_len + (end ? 1 : 0);
        text += used;
        len -= used;
    }
    return 0;
}

static int load_file(const struct conf_table *t, void *target, const char *path, bool must,
                     struct err *e) {
    _fclose_ FILE *f = fopen(path, "re");
    if (!f)
        return !must && errno == ENOENT ? 0 : err_errno(e, 0, "%s", path);
    _buf_cleanup_ struct buf b;
    buf_init(&b, FILE_MAX + 1);
    size_t n;
    do {
        size_t want = MIN_OF((size_t)4096, b.max - b.len);
        char *room = buf_reserve(&b, want);
        n = room ? fread(room, 1, want, f) : 0;
        b.len += n;
    } while (n > 0);
    if (ferror(f))
        return err_errno(e, 0, "%s", path);
    if (b.failed || b.len > FILE_MAX)
        return err_set(e, 0, "%s: larger than %zu bytes", path, FILE_MAX);
    return conf_parse(t, target, b.data, b.len, path, e);
}

/* ---- the environment ------------------------------------------------------------------------- */

/* GUAC_<PROGRAM>_, where guac-proxy is PROXY. */
void conf_env_name(const struct conf_table *t, const char *key, char *out, size_t size) {
    const char *program = strncmp(t->program, "guac-", 5) == 0 ? t->program + 5 : t->program;
    snprintf(out, size, "GUAC_%s_%s", program, key);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

/* Kubernetes puts the addresses of a Service called guac-proxy into the environment of its
 * neighbours; these are not ours. */
static bool is_service_link(const char *name, const char *value) {
    return strstr(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT") ||
           (strstr(name, "_PORT") &&
            (strncmp(value, "tcp://", 6) == 0 || strstr(name, "_TCP") || strstr(name, "_UDP")));
}

static int load_env(const struct conf_table *t, void *target, struct err *e) {
    char prefix[CONF_KEY_MAX];
    conf_env_name(t, "", prefix, sizeof prefix);
    size_t prefix_len = strlen(prefix);
    for (char **p = environ; p && *p; p++) {
        const char *equals = strchr(*p, '=');
        if (strncmp(*p, prefix, prefix_len) != 0 || !equals)
            continue;
        char name[2 * CONF_KEY_MAX], key[2 * CONF_KEY_MAX], place[PLACE_MAX];
        snprintf(name, sizeof name, "%.*s", (int)MIN_OF(equals - *p, (long)sizeof name - 1), *p);
        snprintf(key, sizeof key, "%s", name + prefix_len);
        for (char *c = key; *c; c++)
            *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
        if (strcmp(key, "config") == 0 || is_service_link(name, equals + 1))
            continue;
        snprintf(place, sizeof place, "environment variable %s", name);
        const struct conf_row *row = conf_find(t, key, strlen(key));
        if (!row)
            return conf_unknown(t, place, key, strlen(key), e);
        if (conf_set(row, target, equals + 1, place, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- the command line ------------------------------------------------------------------------ */

struct words {
    const struct conf_table *t;
    void *target; /* NULL in the first walk, which looks for --config and --help only */
    char **args;  /* where words that are no option go */
    size_t arg_count;
    const char *config;
    bool print;
    enum conf_result ask; /* CONF_EXIT once --help or --version is done */
};

static const struct conf_row *find_short(const struct conf_table *t, char c) {
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].short_opt == c)
            return &t->rows[i];
    return NULL;
}

static int apply(struct words *w, const struct conf_row *row, const char *value, const char *place,
                 struct err *e) {
    return w->target ? conf_set(row, w->target, value, place, e) : 0;
}

/* What every program understands. 1: it was one of these. */
static int built_in(struct words *w, const char *name, const char *value, char **next,
                    struct err *e) {
    if (strcmp(name, "config") == 0) {
        w->config = value ? value : *next;
        if (!w->config)
            return err_set(e, 0, "--config needs a file");
        return value ? 1 : 2;
    }
    if (strcmp(name, "print-config") == 0) {
        w->print = true;
        return 1;
    }
    bool help = strcmp(name, "help") == 0, manual = strcmp(name, "print-manual") == 0;
    if (!help && !manual && strcmp(name, "version") != 0)
        return 0;
    if (!w->target) {
        if (help)
            conf_help(w->t, stdout);
        else if (manual)
            conf_man(w->t, stdout);
        else
            printf("%s %s\n", w->t->program, guac_version);
        w->ask = CONF_EXIT;
    }
    return 1;
}

/* --name, --name=value, --name value. Returns the words used, or -1. */
static int long_option(struct words *w, const char *word, char **next, struct err *e) {
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const char *value = equals ? equals + 1 : NULL;
    _free_ char *name = strndup(word, len);
    if (!name)
        return err_errno(e, 0, "command line");
    int used = built_in(w, name, value, next, e);
    if (used != 0)
        return used;
    const struct conf_row *row = conf_find(w->t, word, len);
    if (!row && len > 3 && strncmp(word, "no-", 3) == 0 && !value) {
        row = conf_find(w->t, word + 3, len - 3);
        if (row && row->type == CONF_BOOL)
            return apply(w, row, "false", "command line", e) < 0 ? -1 : 1;
        row = NULL;
    }
    if (!row)
        return conf_unknown(w->t, "command line", word, len, e);
    used = 1;
    if (!value && row->type == CONF_BOOL) {
        value = "true";
    } else if (!value) {
        if (!*next)
            return err_set(e, 0, "command line: --%s needs a value", row->key);
        value = *next;
        used = 2;
    }
    return apply(w, row, value, "command line", e) < 0 ? -1 : used;
}

/* -x, -xvalue, -x value; switches may be run together. */
static int short_options(struct words *w, const char *word, char **next, struct err *e) {
    for (const char *p = word; *p; p++) {
        const struct conf_row *row = find_short(w->t, *p);
        if (!row && (*p == 'h' || *p == 'v')) {
            built_in(w, *p == 'h' ? "help" : "version", NULL, next, e);
            continue;
        }
        if (!row)
            return err_set(e, 0, "command line: unknown option '-%.1s' (--help lists them)", p);
        if (row->type == CONF_BOOL) {
            if (apply(w, row, "true", "command line", e) < 0)
                return -1;
            continue;
        }
        const char *value = p[1] ? p + 1 : *next;
        if (!value)
            return err_set(e, 0, "command line: -%c needs a value", *p);
        if (apply(w, row, value, "command line", e) < 0)
            return -1;
        return p[1] ? 1 : 2;
    }
    return 1;
}

static int walk(struct words *w, int argc, char **argv, struct err *e) {
    bool options = true;
    w->arg_count = 0;
    for (int i = 1; i < argc;) {
        char *word = argv[i], *none = NULL, **next = i + 1 < argc ? &argv[i + 1] : &none;
        int used = 1;
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && strncmp(word, "--", 2) == 0) {
            used = long_option(w, word + 2, next, e);
        } else if (options && word[0] == '-' && word[1]) {
            used = short_options(w, word + 1, next, e);
        } else if (w->args) {
            w->args[w->arg_count++] = word;
        } else {
            return err_set(e, 0, "command line: '%s' is no option", word);
        }
        if (used < 0)
            return -1;
        i += used;
        if (w->ask == CONF_EXIT)
            return 0;
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int check_required(const struct conf_table *t, const void *target, struct err *e) {
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_row *row = &t->rows[i];
        char *const *slot = (char *const *)(const void *)((const char *)target + row->offset);
        if (row->def || !conf_is_text(row) || *slot)
            continue;
        char name[2 * CONF_KEY_MAX];
        conf_env_name(t, row->key, name, sizeof name);
        return err_set(e, 0, "'%s' is not set: --%s, %s, or a line in %s", row->key, row->key, name,
                       t->default_file ? t->default_file : "the file given by --config");
    }
    return 0;
}

static int load(const struct conf_table *t, void *target, struct words *w, int argc, char **argv,
                struct err *e) {
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].def && conf_set(&t->rows[i], target, t->rows[i].def, "default", e) < 0)
            return -1;
    char name[2 * CONF_KEY_MAX];
    conf_env_name(t, "config", name, sizeof name);
    const char *path = w->config ? w->config : getenv(name);
    bool must = path != NULL;
    if (!path)
        path = t->default_file;
    if (path && load_file(t, target, path, must, e) < 0)
        return -1;
    if (load_env(t, target, e) < 0)
        return -1;
    w->target = target;
    if (walk(w, argc, argv, e) < 0)
        return -1;
    return check_required(t, target, e);
}

enum conf_result conf_load(const struct conf_table *t, void *target, int argc, char **argv,
                           char **args, size_t *arg_count, struct err *e) {
    struct words w = { .t = t, .args = arg_count ? args : NULL };
    if (walk(&w, argc, argv, e) < 0)
        return CONF_BAD;
    if (w.ask == CONF_EXIT)
        return CONF_EXIT;
    if (load(t, target, &w, argc, argv, e) < 0) {
        conf_free(t, target);
        return CONF_BAD;
    }
    if (w.print) {
        conf_print(t, target, stdout);
        conf_free(t, target);
        return CONF_EXIT;
    }
    if (arg_count)
        *arg_count = w.arg_count;
    return CONF_OK;
}

void conf_free(const struct conf_table *t, void *target) {
    for (size_t i = 0; i < t->count; i++) {
        if (!conf_is_text(&t->rows[i]))
            continue;
        char **slot = (char **)(void *)((char *)target + t->rows[i].offset);
        free(*slot);
        *slot = NULL;
    }
}

int conf_each(const char *list, int (*fn)(const char *item, void *arg), void *arg) {
    static const char between[] = " \t\r\n,";
    const char *p = list ? list : "";
    for (p += strspn(p, between); *p; p += strspn(p, between)) {
        size_t len = strcspn(p, between);
        _free_ char *item = strndup(p, len);
        if (!item)
            return -1;
        int r = fn(item, arg);
        if (r != 0)
            return r;
        p += len;
    }
    return 0;
}
