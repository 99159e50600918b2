/* Typed reading with collected errors; the nearest known name by edit distance. */
#include "crd/field.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/err.h"
#include "guacd/base/util.h"

#define WORD_MAX 64

void field_root(struct field *f, const json_t *resource, json_t *errors) {
    *f = (struct field){ .object = resource, .errors = errors };
}

void field_verror(const struct field *f, const char *key, const char *fmt, va_list ap) {
    char text[ERR_TEXT_MAX], line[ERR_TEXT_MAX + 2 * FIELD_PATH_MAX];
    if (json_array_size(f->errors) > FIELD_ERRORS_MAX)
        return;
    if (json_array_size(f->errors) == FIELD_ERRORS_MAX) {
        json_array_append_new(f->errors, json_string("there are more errors"));
        return;
    }
    vsnprintf(text, sizeof text, fmt, ap);
    snprintf(line, sizeof line, "%s%s%.60s: %s", f->path, *f->path && key ? "." : "",
             key ? key : "", text);
    json_t *s = json_string(line);
    json_array_append_new(f->errors, s ? s : json_string("a field is not valid UTF-8"));
}

void field_error(const struct field *f, const char *key, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    field_verror(f, key, fmt, ap);
    va_end(ap);
}

/* The member, NULL when it is absent; an explicit null counts as absent, as in Kubernetes. */
static const json_t *member(const struct field *f, const char *key, bool needed) {
    const json_t *v = f->object ? json_object_get(f->object, key) : NULL;
    if (json_is_null(v))
        v = NULL;
    if (!v && needed)
        field_error(f, key, "is missing");
    return v;
}

bool field_object(const struct field *f, const char *key, bool needed, struct field *out) {
    const json_t *v = member(f, key, needed);
    *out = (struct field){ .errors = f->errors };
    snprintf(out->path, sizeof out->path, "%.120s%s%.60s", f->path, *f->path ? "." : "", key);
    if (v && !json_is_object(v)) {
        field_error(f, key, "must be a map");
        v = NULL;
    }
    out->object = v;
    return v != NULL;
}

/* The next word of "a|b|c" into out; NULL at the end. */
static const char *next_word(const char *list, char out[WORD_MAX]) {
    if (!*list)
        return NULL;
    size_t n = strcspn(list, "|");
    size_t take = MIN_OF(n, (size_t)WORD_MAX - 1);
    memcpy(out, list, take);
    out[take] = '\0';
    return list + n + (list[n] == '|');
}

static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), row[WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t up = row[j];
            size_t best = MIN_OF(row[j], row[j - 1]) + 1;
            row[j] = MIN_OF(best, corner + (a[i - 1] != b[j - 1]));
            corner = up;
        }
    }
    return row[m];
}

void field_only(const struct field *f, const char *known) {
    if (!f->object)
        return;
    void *object = (void *)(uintptr_t)f->object;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        char word[WORD_MAX], nearest[WORD_MAX] = "";
        size_t best = 3; /* farther than two letters is no likely slip */
        bool found = false;
        for (const char *p = known; !found && (p = next_word(p, word));) {
            size_t d = distance(key, word);
            found = d == 0;
            if (d < best) {
                best = d;
                memcpy(nearest, word, sizeof nearest);
            }
        }
        if (!found)
            field_error(f, NULL, "unknown field '%.64s'%s%s%s", key,
                        *nearest ? ", did you mean '" : "", nearest, *nearest ? "'?" : "");
    }
}

static bool has_control(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

char *field_string(const struct field *f, const char *key, bool needed, size_t max) {
    const json_t *v = member(f, key, needed);
    if (!v)
        return NULL;
    const char *s = json_string_value(v);
    if (!s)
        field_error(f, key, "must be a string%s", json_is_number(v) ? " (put it in quotes)" : "");
    else if (!*s)
        field_error(f, key, "must not be empty");
    else if (strlen(s) > max)
        field_error(f, key, "is longer than %zu bytes", max);
    else if (has_control(s))
        field_error(f, key, "holds a control character");
    else
        return strdup(s);
    return NULL;
}

long field_int(const struct field *f, const char *key, long fallback, long min, long max) {
    const json_t *v = member(f, key, false);
    if (!v)
        return fallback;
    if (!json_is_integer(v)) {
        field_error(f, key, "must be a whole number");
        return fallback;
    }
    json_int_t n = json_integer_value(v);
    if (n < min || n > max) {
        field_error(f, key, "%lld is not in %ld…%ld", (long long)n, min, max);
        return fallback;
    }
    return (long)n;
}

bool field_bool(const struct field *f, const char *key, bool fallback) {
    const json_t *v = member(f, key, false);
    if (!v)
        return fallback;
    if (!json_is_boolean(v)) {
        field_error(f, key, "must be true or false");
        return fallback;
    }
    return json_is_true(v);
}

int field_choice(const struct field *f, const char *key, const char *choices, int fallback) {
    const json_t *v = member(f, key, false);
    if (!v)
        return fallback;
    char word[WORD_MAX];
    int i = 0;
    const char *s = json_string_value(v);
    for (const char *p = choices; s && (p = next_word(p, word)); i++)
        if (strcmp(s, word) == 0)
            return i;
    char listed[ERR_TEXT_MAX / 2];
    size_t n = 0;
    for (const char *p = choices; *p && n + 4 < sizeof listed; p++) {
        if (*p == '|') {
            listed[n++] = ',';
            listed[n++] = ' ';
        } else {
            listed[n++] = *p;
        }
    }
    listed[n] = '\0';
    field_error(f, key, "must be one of %s", listed);
    return fallback;
}

json_t *field_strings(const struct field *f, const char *key, bool needed) {
    json_t *out = json_array(), *item;
    size_t i;
    const json_t *v = member(f, key, needed);
    if (!v)
        return out;
    if (!json_is_array(v)) {
        field_error(f, key, "must be a list");
        return out;
    }
    if (json_array_size(v) > 64)
        field_error(f, key, "has more than 64 entries");
    if (needed && json_array_size(v) == 0)
        field_error(f, key, "must not be empty");
    json_array_foreach(v, i, item) {
        const char *s = json_string_value(item);
        if (i >= 64)
            break;
        if (!s || !*s || strlen(s) > 255 || has_control(s))
            field_error(f, key, "entry %zu must be a string of 1…255 bytes", i + 1);
        else
            json_array_append(out, item);
    }
    return out;
}

bool field_is_label(const char *s) {
    return strlen(s) <= 63 && !strchr(s, '.') && field_is_subdomain(s);
}

bool field_is_subdomain(const char *s) {
    size_t n = strlen(s);
    if (n == 0 || n > 253)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
        bool edge = i == 0 || i == n - 1 || s[i - 1] == '.' || s[i + 1] == '.';
        if (!alnum && (edge || (s[i] != '-' && s[i] != '.')))
            return false;
    }
    return true;
}

bool field_is_host(const char *s) {
    struct in6_addr v6;
    if (strchr(s, ':'))
        return inet_pton(AF_INET6, s, &v6) == 1;
    size_t n = strlen(s), label = 0;
    if (n == 0 || n > 253)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                     (s[i] >= '0' && s[i] <= '9') || s[i] == '_';
        if (s[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (alnum || (s[i] == '-' && label > 0)) {
            if (++label > 63)
                return false;
        } else {
            return false;
        }
    }
    return true;
}
