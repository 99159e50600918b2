/* Escapes are those of RFC 8259, section 7. */
#include "proxy/authd/jsontext.h"

#include <inttypes.h>
#include <string.h>

static void quote(struct buf *b, const char *text) {
    buf_putc(b, '"');
    while (*text) {
        size_t n = 0; /* a run that needs no escape */
        while ((unsigned char)text[n] >= 0x20 && text[n] != '"' && text[n] != '\\')
            n++;
        buf_add(b, text, n);
        text += n;
        if (*text == '"' || *text == '\\') {
            buf_putc(b, '\\');
            buf_putc(b, *text++);
        } else if (*text) {
            buf_printf(b, "\\u%04x", (unsigned char)*text++);
        }
    }
    buf_putc(b, '"');
}

static void lead(struct buf *b, const char *key) {
    char last = b->len ? b->data[b->len - 1] : '{';
    if (last != '{' && last != '[')
        buf_putc(b, ',');
    if (key) {
        quote(b, key);
        buf_putc(b, ':');
    }
}

void jsontext_open(struct buf *b, const char *key, char bracket) {
    lead(b, key);
    buf_putc(b, bracket);
}

void jsontext_close(struct buf *b, char bracket) {
    buf_putc(b, bracket == '{' ? '}' : ']');
}

void jsontext_str(struct buf *b, const char *key, const char *value) {
    lead(b, key);
    if (value)
        quote(b, value);
    else
        buf_puts(b, "null");
}

void jsontext_int(struct buf *b, const char *key, int64_t value) {
    lead(b, key);
    buf_printf(b, "%" PRId64, value);
}

void jsontext_bool(struct buf *b, const char *key, bool value) {
    lead(b, key);
    buf_puts(b, value ? "true" : "false");
}

void jsontext_strings(struct buf *b, const char *key, const json_t *strings) {
    size_t i;
    json_t *s;
    jsontext_open(b, key, '[');
    json_array_foreach(strings, i, s) jsontext_str(b, NULL, json_string_value(s));
    jsontext_close(b, '[');
}
