/* Rows stand in the order of the tree, so one walk with a prefix reads and writes it. */
#include "crd/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/err.h"
#include "guacd/base/util.h"

#define ENTRIES_MAX 64
#define KNOWN_MAX 1024
#define TIME_MAX 253402300799999 /* the year 9999 */

/* ---- reading --------------------------------------------------------------------------------- */

static void *member_of(const struct schema_row *row, void *out) {
    return (char *)out + row->offset;
}

static void read_text(const struct schema_row *row, const struct field *f, const char *key,
                      bool needed, void *out) {
    char *text = field_string(f, key, needed, (size_t)row->max);
    if (text && row->format && !row->format->check(text))
        field_error(f, key, "%s", row->format->wrong);
    if (!text && row->text)
        text = strdup(row->text);
    *(char **)member_of(row, out) = text;
}

static void put_int(const struct schema_row *row, long value, void *out) {
    void *at = member_of(row, out);
    switch (row->size) {
    case 2:
        *(uint16_t *)at = (uint16_t)value;
        break;
    case 4:
        *(int *)at = (int)value;
        break;
    default:
        *(int64_t *)at = value;
    }
}

static long get_int(const struct schema_row *row, const void *in) {
    const void *at = (const char *)in + row->offset;
    return row->size == 2   ? *(const uint16_t *)at
           : row->size == 4 ? *(const int *)at
                            : (long)*(const int64_t *)at;
}

static void read_time(const struct schema_row *row, const struct field *f, const char *key,
                      bool needed, void *out) {
    uint64_t ms = 0;
    _free_ char *text = field_string(f, key, needed, 40);
    if (text && clock_parse(text, &ms))
        field_error(f, key, "must be a time such as 2026-11-21T22:08:26Z");
    *(int64_t *)member_of(row, out) = (int64_t)ms;
}

static bool is_choice(const char *choices, const char *text) {
    for (size_t n; *choices; choices += n + (choices[n] == '|'))
        if ((n = strcspn(choices, "|")) == strlen(text) && strncmp(choices, text, n) == 0)
            return true;
    return false;
}

static void read_texts(const struct schema_row *row, const struct field *f, const char *key,
                       bool needed, void *out) {
    json_t *list = field_strings(f, key, needed), *item;
    size_t i;
    if (row->max && json_array_size(list) > (size_t)row->max)
        field_error(f, key, "has more than %ld entries", row->max);
    json_array_foreach(list, i, item) {
        const char *text = json_string_value(item);
        if (row->format && !row->format->check(text))
            field_error(f, key, "entry %zu %s", i + 1, row->format->wrong);
        if (row->choices && !is_choice(row->choices, text))
            field_error(f, key, "entry %zu is none of %s", i + 1, row->choices);
    }
    *(json_t **)member_of(row, out) = list;
}

/* An entry's values stay JSON: they are checked by reading them into nothing. */
static void check_entry(const struct schema *s, const struct field *f) {
    char known[KNOWN_MAX];
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct schema_row *row = &s->rows[i];
        bool needed = row->flags & SCHEMA_NEEDED;
        _free_ char *text = NULL;
        int64_t time;
        struct schema_row here = *row;
        here.offset = 0;
        if (row->type == SCHEMA_TEXT)
            read_text(&here, f, row->path, needed, &text);
        else if (row->type == SCHEMA_TIME)
            read_time(&here, f, row->path, needed, &time);
        else if (row->type == SCHEMA_INT)
            field_int(f, row->path, row->def, row->min, row->max);
        else if (row->type == SCHEMA_CHOICE)
            field_choice(f, row->path, row->choices, (int)row->def);
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? "|" : "", row->path);
    }
    field_only(f, known);
}

static void read_list(const struct schema_row *row, const struct field *f, const char *key,
                      void *out) {
    json_t *list = json_array(), *item;
    size_t i, most = row->max ? (size_t)row->max : ENTRIES_MAX;
    const json_t *given = f->object ? json_object_get(f->object, key) : NULL;
    *(json_t **)member_of(row, out) = list;
    if (given && !json_is_null(given) && !json_is_array(given))
        field_error(f, key, "must be a list");
    if (json_array_size(given) > most)
        field_error(f, key, "has more than %zu entries", most);
    json_array_foreach(given, i, item) {
        struct field entry = { .object = item, .errors = f->errors };
        if (i == most)
            break;
        snprintf(entry.path, sizeof entry.path, "%.120s%s%.40s[%zu]", f->path, *f->path ? "." : "",
                 key, i);
        size_t before = json_array_size(f->errors);
        if (!json_is_object(item))
            field_error(&entry, NULL, "must be a map");
        else
            check_entry(&row->entry, &entry);
        if (json_array_size(f->errors) == before)
            json_array_append(list, item);
    }
}

static void read_value(const struct schema_row *row, const struct field *f, const char *key,
                       void *out) {
    bool needed = row->flags & SCHEMA_NEEDED && f->object;
    switch (row->type) {
    case SCHEMA_TEXT:
        read_text(row, f, key, needed, out);
        break;
    case SCHEMA_INT:
        if (needed && !json_object_get(f->object, key))
            field_error(f, key, "is missing");
        put_int(row, field_int(f, key, row->def, row->min, row->max), out);
        break;
    case SCHEMA_BOOL:
        *(bool *)member_of(row, out) = field_bool(f, key, row->def);
        break;
    case SCHEMA_CHOICE:
        if (needed && !json_object_get(f->object, key))
            field_error(f, key, "is missing");
        *(int *)member_of(row, out) = field_choice(f, key, row->choices, (int)row->def);
        break;
    case SCHEMA_TIME:
        read_time(row, f, key, needed, out);
        break;
    case SCHEMA_TEXTS:
        read_texts(row, f, key, needed, out);
        break;
    case SCHEMA_LIST:
        read_list(row, f, key, out);
        break;
    case SCHEMA_OBJECT:
    case SCHEMA_OPEN:
        break;
    }
}

/* Does row i stand below the object whose path and dot are `prefix`? */
static bool below(const struct schema *s, size_t i, const char *prefix, size_t len) {
    return i < s->count && strncmp(s->rows[i].path, prefix, len) == 0 &&
           (len == 0 || s->rows[i].path[len] == '.');
}

static size_t read_members(const struct schema *s, size_t i, const char *prefix, size_t len,
                           const struct field *f, void *out) {
    char known[KNOWN_MAX] = "";
    size_t n = 0, skip = len ? len + 1 : 0;
    while (below(s, i, prefix, len)) {
        const struct schema_row *row = &s->rows[i];
        const char *key = row->path + skip;
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? "|" : "", key);
        i++;
        if (row->type == SCHEMA_OBJECT) {
            struct field child;
            bool there =
                field_object(f, key, row->flags & SCHEMA_NEEDED && f->object != NULL, &child);
            if (row->offset != SCHEMA_NOWHERE)
                *(bool *)member_of(row, out) = there;
            i = read_members(s, i, row->path, strlen(row->path), &child, out);
        } else if (!(row->flags & SCHEMA_HAND)) {
            read_value(row, f, key, out);
        }
    }
    field_only(f, known);
    return i;
}

void schema_read(const struct schema *s, const struct field *f, void *out) {
    read_members(s, 0, "", 0, f, out);
}

/* ---- writing --------------------------------------------------------------------------------- */

static json_t *choice_text(const char *choices, long index) {
    for (; index > 0 && *choices; index--) {
        choices += strcspn(choices, "|");
        choices += *choices == '|';
    }
    return json_stringn(choices, strcspn(choices, "|"));
}

/* NULL: it equals what a reader takes for granted. */
static json_t *value_of(const struct schema_row *row, const void *in) {
    const void *at = (const char *)in + row->offset;
    bool needed = row->flags & SCHEMA_NEEDED;
    char text[32];
    switch (row->type) {
    case SCHEMA_TEXT: {
        const char *s = *(char *const *)at;
        return s && (!row->text || strcmp(s, row->text) != 0) ? json_string(s) : NULL;
    }
    case SCHEMA_INT:
        return needed || get_int(row, in) != row->def ? json_integer(get_int(row, in)) : NULL;
    case SCHEMA_BOOL:
        return *(const bool *)at != (bool)row->def ? json_boolean(*(const bool *)at) : NULL;
    case SCHEMA_CHOICE: {
        int index = *(const int *)at;
        return needed || index != row->def ? choice_text(row->choices, index) : NULL;
    }
    case SCHEMA_TIME: {
        int64_t ms = *(const int64_t *)at;
        if (ms <= 0 || ms > TIME_MAX)
            return NULL;
        clock_format((uint64_t)ms, text, sizeof text);
        return json_string(text);
    }
    case SCHEMA_TEXTS:
    case SCHEMA_LIST: {
        json_t *list = *(json_t *const *)at;
        return json_array_size(list) ? json_incref(list) : NULL;
    }
    case SCHEMA_OBJECT:
    case SCHEMA_OPEN:
        break;
    }
    return NULL;
}

static size_t write_members(const struct schema *s, size_t i, const char *prefix, size_t len,
                            json_t *object, const void *in, int *failed) {
    size_t skip = len ? len + 1 : 0;
    while (below(s, i, prefix, len)) {
        const struct schema_row *row = &s->rows[i];
        const char *key = row->path + skip;
        json_t *value = NULL;
        i++;
        if (row->type == SCHEMA_OBJECT) {
            bool said =
                row->offset != SCHEMA_NOWHERE && *(const bool *)((const char *)in + row->offset);
            value = json_object();
            i = write_members(s, i, row->path, strlen(row->path), value, in, failed);
            if (!said && json_object_size(value) == 0) {
                json_decref(value);
                continue;
            }
        } else if (row->flags & SCHEMA_HAND || !(value = value_of(row, in))) {
            continue;
        }
        *failed |= json_object_set_new(object, key, value);
    }
    return i;
}

json_t *schema_write(const struct schema *s, const void *in) {
    json_t *object = json_object();
    int failed = 0;
    write_members(s, 0, "", 0, object, in, &failed);
    if (failed == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* ---- the rest -------------------------------------------------------------------------------- */

void schema_free(const struct schema *s, void *out) {
    for (size_t i = 0; i < s->count; i++) {
        const struct schema_row *row = &s->rows[i];
        if (row->flags & SCHEMA_HAND)
            continue;
        if (row->type == SCHEMA_TEXT) {
            char **text = member_of(row, out);
            free(*text);
            *text = NULL;
        } else if (row->type == SCHEMA_TEXTS || row->type == SCHEMA_LIST) {
            json_t **list = member_of(row, out);
            json_decref(*list);
            *list = NULL;
        }
    }
}

const struct schema_row *schema_find(const struct schema *s, const char *path) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].path, path) == 0)
            return &s->rows[i];
    return NULL;
}
