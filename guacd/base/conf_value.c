/* One row's value and the rows' names. */
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/conf_parts.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"

bool conf_is_text(const struct conf_row *row) {
    return row->type != CONF_INT && row->type != CONF_BOOL;
}

static int parse_bool(const char *value, bool *out) {
    static const char *const yes[] = { "true", "yes", "on", "1" };
    static const char *const no[] = { "false", "no", "off", "0" };
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *out = strcasecmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

static int set_text(const struct conf_row *row, char **slot, const char *value, const char *place,
                    struct err *e) {
    if (utf8_count(value, strlen(value)) < 0)
        return err_set(e, 0, "%s: the value of '%s' is not UTF-8", place, row->key);
    char *copy = *value ? strdup(value) : NULL;
    if (*value && !copy)
        return err_errno(e, 0, "%s", place);
    free(*slot);
    *slot = copy;
    return 0;
}

static int set_bool(const struct conf_row *row, bool *slot, const char *value, const char *place,
                    struct err *e) {
    bool on = false;
    if (*value && parse_bool(value, &on) < 0)
        return err_set(e, 0, "%s: '%s' is true or false, not '%.60s'", place, row->key, value);
    *slot = on;
    return 0;
}

static int set_int(const struct conf_row *row, long *slot, const char *value, const char *place,
                   struct err *e) {
    if (!*value) {
        *slot = 0;
        return 0;
    }
    char *end = NULL;
    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno || *end || isspace((unsigned char)*value))
        return err_set(e, 0, "%s: '%s' is a number, not '%.60s'", place, row->key, value);
    if (n < row->min || n > row->max)
        return err_set(e, 0, "%s: '%s' is between %ld and %ld, not %ld", place, row->key, row->min,
                       row->max, n);
    *slot = n;
    return 0;
}

int conf_set(const struct conf_row *row, void *target, const char *value, const char *place,
             struct err *e) {
    void *slot = (char *)target + row->offset;
    if (!*value && row->def)
        value = row->def;
    if (row->type == CONF_BOOL)
        return set_bool(row, slot, value, place, e);
    if (row->type == CONF_INT)
        return set_int(row, slot, value, place, e);
    return set_text(row, slot, value, place, e);
}

const struct conf_row *conf_find(const struct conf_table *t, const char *key, size_t len) {
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->rows[i].key) == len && memcmp(t->rows[i].key, key, len) == 0)
            return &t->rows[i];
    return NULL;
}

/* Insertions, deletions, replacements and swapped neighbours; keys are short. */
static size_t distance(const char *a, size_t la, const char *b, size_t lb) {
    size_t rows[3][CONF_KEY_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= lb; j++)
        last[j] = j;
    for (size_t i = 1; i <= la; i++) {
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            size_t best = MIN_OF(last[j] + 1, now[j - 1] + 1);
            best = MIN_OF(best, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN_OF(best, before[j - 2] + 1);
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[lb];
}

int conf_unknown(const struct conf_table *t, const char *place, const char *key, size_t len,
                 struct err *e) {
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; len <= CONF_KEY_MAX && i < t->count; i++) {
        size_t klen = strlen(t->rows[i].key);
        size_t d = klen <= CONF_KEY_MAX ? distance(key, len, t->rows[i].key, klen) : SIZE_MAX;
        if (d < best) {
            best = d;
            nearest = t->rows[i].key;
        }
    }
    int shown = (int)MIN_OF(len, (size_t)CONF_KEY_MAX);
    if (nearest && best <= MAX_OF((size_t)2, len / 3))
        return err_set(e, 0, "%s: unknown key '%.*s', did you mean '%s'?", place, shown, key,
                       nearest);
    return err_set(e, 0, "%s: unknown key '%.*s' (--help lists them)", place, shown, key);
}

int conf_uid(const char *item, unsigned *uid) {
    char *end;
    errno = 0;
    unsigned long n = strtoul(item, &end, 10);
    if (!isdigit((unsigned char)*item) || *end || errno || n > UINT32_MAX) {
        const struct passwd *p = getpwnam(item);
        if (!p)
            return -1;
        n = p->pw_uid;
    }
    *uid = (unsigned)n;
    return 0;
}
