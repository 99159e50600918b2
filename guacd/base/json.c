/* jansson behind bounds. Its own messages quote the input, which may hold a secret, so errors are
 * told by place and kind only. */
#include "guacd/base/json.h"

#include <string.h>

#include "guacd/base/enc.h"

#define DEPTH_MAX 64
#define STATUS_BAD_REQUEST 0x0300

/* jansson would seed its hash tables from /dev/urandom, which a sandbox may have closed by then;
 * what it falls back to can be guessed. */
__attribute__((constructor)) static void seed(void) {
    size_t s;
    random_bytes(&s, sizeof s);
    json_object_seed(s | 1);
}

/* Nesting before parsing: jansson recurses, and its own limit is 2048. */
static int depth_ok(const char *text, size_t len) {
    int depth = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '"') {
            for (i++; i < len && text[i] != '"'; i++)
                if (text[i] == '\\')
                    i++;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return 0;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return 1;
}

static const char *reason(enum json_error_code code) {
    switch (code) {
    case json_error_premature_end_of_input:
        return "ends too early";
    case json_error_end_of_input_expected:
        return "has something behind its end";
    case json_error_invalid_utf8:
        return "is not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "has a NUL in a string";
    case json_error_duplicate_key:
        return "names a key twice";
    case json_error_numeric_overflow:
        return "has a number that is too large";
    case json_error_out_of_memory:
        return "needs more memory than there is";
    default:
        return "is malformed";
    }
}

json_t *json_parse(const char *text, size_t len, size_t max, struct err *e) {
    if (len > max) {
        err_set(e, STATUS_BAD_REQUEST, "JSON of %zu bytes, at most %zu are taken", len, max);
        return NULL;
    }
    if (!depth_ok(text, len)) {
        err_set(e, STATUS_BAD_REQUEST, "JSON nested deeper than %d", DEPTH_MAX);
        return NULL;
    }
    json_error_t je;
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!o)
        err_set(e, STATUS_BAD_REQUEST, "JSON %s (line %d, column %d)", reason(json_error_code(&je)),
                je.line, je.column);
    return o;
}

const char *json_str(const json_t *o, const char *key, const char *fallback) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : fallback;
}

int64_t json_num(const json_t *o, const char *key, int64_t fallback) {
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}

bool json_flag(const json_t *o, const char *key, bool fallback) {
    const json_t *v = json_object_get(o, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

const char *json_need(const json_t *o, const char *key, struct err *e) {
    const char *s = json_string_value(json_object_get(o, key));
    if (!s)
        err_set(e, STATUS_BAD_REQUEST, "'%s' is missing or no string", key);
    return s;
}

static int append(const char *data, size_t len, void *arg) {
    return buf_add(arg, data, len);
}

int json_write(const json_t *o, struct buf *out) {
    size_t start = out->len;
    if (json_dump_callback(o, append, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) == 0)
        return 0;
    out->len = start; /* nothing half written */
    out->failed = true;
    return -1;
}

bool json_has_string(const json_t *array, const char *value) {
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        const char *s = json_string_value(item);
        if (s && strcmp(s, value) == 0)
            return true;
    }
    return false;
}
