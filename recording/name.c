/* Strict readers of names. Numbers have no leading zeros (but for n, which always has 8 digits), so
 * a text that parses formats to itself. */
#include "recording/name.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/util.h"

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

static bool lower(char c) {
    return digit(c) || (c >= 'a' && c <= 'z');
}

/* A decimal number up to a dot, without leading zeros. Moves *p behind the dot. */
static bool number(const char **p, const char *end, uint64_t *out) {
    const char *s = *p;
    uint64_t v = 0;
    for (; s < end && digit(*s); s++) {
        if (v > (uint64_t)(INT64_MAX - (*s - '0')) / 10 || (v == 0 && s > *p))
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    if (s == *p || s == end || *s != '.')
        return false;
    *p = s + 1;
    *out = v;
    return true;
}

bool name_parse(const char *text, size_t len, struct name *out) {
    struct slice whole = { text, len };
    struct name n = { 0 };
    if (slice_is(whole, NAME_OPEN_OBJECT) || slice_is(whole, NAME_SEAL_OBJECT) ||
        slice_is(whole, NAME_LIST_OBJECT)) {
        n.kind = text[0] == 'o' ? NAME_OPEN : text[0] == 's' ? NAME_SEAL : NAME_LIST;
        *out = n;
        return true;
    }
    if (len < 10 || len >= NAME_SIZE || text[8] != '.')
        return false;
    for (int i = 0; i < 8; i++) {
        if (!digit(text[i]))
            return false;
        n.n = n.n * 10 + (uint32_t)(text[i] - '0');
    }
    const char *p = text + 9, *end = text + len;
    if (!number(&p, end, &n.start))
        return false;
    struct slice rest = { p, (size_t)(end - p) };
    if (slice_is(rest, "text.zst")) {
        n.chain = CHAIN_TEXT;
    } else {
        if (!number(&p, end, &n.offset))
            return false;
        rest = (struct slice){ p, (size_t)(end - p) };
        if (slice_is(rest, "guac.zst"))
            n.chain = CHAIN_DATA;
        else if (slice_is(rest, "key.zst"))
            n.chain = CHAIN_KEYFRAME;
        else
            return false;
    }
    *out = n;
    return true;
}

void name_format(const struct name *n, char out[NAME_SIZE]) {
    static const char *const fixed[] = { [NAME_OPEN] = NAME_OPEN_OBJECT,
                                         [NAME_SEAL] = NAME_SEAL_OBJECT,
                                         [NAME_LIST] = NAME_LIST_OBJECT };
    unsigned long long start = n->start, offset = n->offset;
    unsigned number8 = n->n <= NAME_N_MAX ? n->n : NAME_N_MAX;
    if (n->kind != NAME_CHUNK)
        snprintf(out, NAME_SIZE, "%s", fixed[n->kind]);
    else if (n->chain == CHAIN_TEXT)
        snprintf(out, NAME_SIZE, "%08u.%llu.text.zst", number8, start);
    else
        snprintf(out, NAME_SIZE, "%08u.%llu.%llu.%s.zst", number8, start, offset,
                 n->chain == CHAIN_DATA ? "guac" : "key");
}

bool name_part_valid(const char *text, size_t len) {
    if (len < 1 || len > NAME_PART_MAX || !lower(text[0]) || !lower(text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!lower(text[i]) && text[i] != '-' && (text[i] != '.' || text[i - 1] == '.'))
            return false;
    return true;
}

bool name_bucket_valid(const char *text, size_t len) {
    return len >= 3 && len <= 63 && name_part_valid(text, len);
}

/* The next part up to a slash or the end. */
static struct slice part(const char **p) {
    struct slice s = { *p, strcspn(*p, "/") };
    *p += s.len + ((*p)[s.len] == '/');
    return s;
}

static bool fixed_number(struct slice s, size_t digits, int max, int *out) {
    int v = 0;
    if (s.len != digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!digit(s.data[i]))
            return false;
        v = v * 10 + (s.data[i] - '0');
    }
    *out = v;
    return v >= 1 && v <= max;
}

bool name_prefix_parse(const char *text, struct name_prefix *out) {
    struct name_prefix r = { 0 };
    if (strlen(text) >= NAME_PREFIX_SIZE || !name_key_valid(text))
        return false;
    struct slice b = part(&text), ns = part(&text), c = part(&text), y = part(&text),
                 m = part(&text), d = part(&text), s = part(&text);
    if (!name_bucket_valid(b.data, b.len) || !name_part_valid(ns.data, ns.len) ||
        !name_part_valid(c.data, c.len) || !fixed_number(y, 4, 9999, &r.year) ||
        !fixed_number(m, 2, 12, &r.month) || !fixed_number(d, 2, 31, &r.day) ||
        !uuid_valid(s.data, s.len) || *text)
        return false;
    memcpy(r.bucket, b.data, b.len);
    memcpy(r.namespace, ns.data, ns.len);
    memcpy(r.connection, c.data, c.len);
    memcpy(r.session, s.data, s.len);
    *out = r;
    return true;
}

bool name_key_valid(const char *key) {
    size_t len = strlen(key);
    if (len == 0 || len >= NAME_KEY_SIZE || key[len - 1] == '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        bool first = i == 0 || key[i - 1] == '/';
        if (key[i] <= ' ' || key[i] > '~' || key[i] == '\\' ||
            (first && (key[i] == '/' || key[i] == '.')))
            return false;
    }
    return true;
}
