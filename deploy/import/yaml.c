/* A resource as YAML that a person would have written: blocks, plain words where they can only be
 * read as text, everything else in double quotes. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "deploy/import/convert.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"

/* Letters first, and no word that some reader of YAML takes for something else. */
static bool plain(const char *s) {
    static const char *const words[] = {
        "true", "false", "yes", "no", "on", "off", "y", "n", "null"
    };
    size_t n = strlen(s);
    if (!n || !isascii((unsigned char)*s) || !isalpha((unsigned char)*s))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isascii((unsigned char)s[i]) ||
            (!isalnum((unsigned char)s[i]) && !strchr("-._/@+", s[i])))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(s, words[i]) == 0)
            return false;
    return true;
}

static void put_text(const char *s, struct buf *out) {
    if (plain(s)) {
        buf_puts(out, s);
        return;
    }
    buf_putc(out, '"');
    for (size_t len = strlen(s), n; len; s += n, len -= n) {
        uint32_t cp;
        n = utf8_decode(s, len, &cp);
        if (!n) { /* jansson's strings are UTF-8 */
            out->failed = true;
            return;
        }
        if (cp == '\n')
            buf_puts(out, "\\n");
        else if (cp == '"' || cp == '\\')
            buf_printf(out, "\\%c", (char)cp);
        else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029 ||
                 cp == 0xfeff || cp == 0xfffe || cp == 0xffff)
            buf_printf(out, "\\u%04x", (unsigned)cp);
        else
            buf_add(out, s, n);
    }
    buf_putc(out, '"');
}

static void put_value(const json_t *v, int depth, struct buf *out);

static void put_object(const json_t *object, int depth, struct buf *out) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        buf_printf(out, "%*s", 2 * depth, "");
        put_text(key, out);
        buf_putc(out, ':');
        put_value(value, depth, out);
    }
}

static void put_value(const json_t *v, int depth, struct buf *out) {
    const json_t *item;
    size_t i;
    if (json_is_object(v) && json_object_size(v)) {
        buf_putc(out, '\n');
        put_object(v, depth + 1, out);
        return;
    }
    buf_putc(out, ' ');
    if (json_is_string(v)) {
        put_text(json_string_value(v), out);
    } else if (json_is_integer(v)) {
        buf_printf(out, "%lld", (long long)json_integer_value(v));
    } else if (json_is_boolean(v)) {
        buf_puts(out, json_is_true(v) ? "true" : "false");
    } else if (json_is_object(v)) {
        buf_puts(out, "{}");
    } else {
        buf_putc(out, '[');
        json_array_foreach(v, i, item) {
            buf_puts(out, i ? ", " : "");
            put_text(json_string_value(item), out);
        }
        buf_putc(out, ']');
    }
    buf_putc(out, '\n');
}

int convert_yaml(const json_t *resource, struct buf *out) {
    put_object(resource, 0, out);
    return out->failed ? -1 : 0;
}
