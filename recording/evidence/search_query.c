/* Every word is quoted, so that none is an operator. */
#include "recording/evidence/search_query.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct word {
    struct slice text;
    bool not, begin;
};

static bool blank(char c) {
    return (unsigned char)c <= ' ';
}

/* The next word behind *p; false at the end. */
static bool next(const char **p, struct word *w) {
    const char *s = *p;
    while (*s && blank(*s))
        s++;
    *w = (struct word){ .not = *s == '-' && s[1] && !blank(s[1]) };
    s += w->not ;
    const bool quoted = *s == '"';
    const char *start = s + quoted;
    const char *end = start;
    while (*end && (quoted ? *end != '"' : !blank(*end) && *end != '"'))
        end++;
    w->text = (struct slice){ start, (size_t)(end - start) };
    *p = end + (quoted && *end == '"');
    if (!quoted && w->text.len > 1 && end[-1] == '*') {
        w->begin = true;
        w->text.len--;
    }
    return *s != '\0';
}

/* A word of nothing but signs is no token, and FTS5 takes it for an error. */
static bool has_token(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            return true;
    }
    return false;
}

static void put(const struct word *w, struct buf *out) {
    buf_putc(out, '"');
    buf_add(out, w->text.data, w->text.len); /* holds no quote */
    buf_puts(out, w->begin ? "\"*" : "\"");
}

int search_query(const char *text, struct buf *out, struct err *e) {
    struct word w;
    size_t count = 0, nots = 0;
    if (strlen(text) > SEARCH_QUERY_MAX || utf8_count(text, strlen(text)) < 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "search: at most %d bytes of UTF-8",
                       SEARCH_QUERY_MAX);
    for (int round = 0; round < 2; round++) /* what must be there, then what must not */
        for (const char *p = text; next(&p, &w);) {
            if (!has_token(w.text) || w.not != (round == 1))
                continue;
            if (count + nots == SEARCH_WORDS_MAX)
                return err_set(e, STATUS_CLIENT_BAD_REQUEST, "search: at most %d words",
                               SEARCH_WORDS_MAX);
            if (w.not &&count == 0)
                return err_set(e, STATUS_CLIENT_BAD_REQUEST, "search: say what to find, too");
            if (w.not &&nots == 0)
                buf_puts(out, ")");
            if (!w.not &&count == 0)
                buf_puts(out, "(");
            buf_puts(out, w.not ? " NOT " : count ? " AND " : "");
            put(&w, out);
            count += !w.not ;
            nots += w.not ;
        }
    if (count == 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "search: no word to find");
    if (nots == 0)
        buf_puts(out, ")");
    return out->failed ? err_set(e, 0, "search: no memory") : 0;
}

json_t *search_marks(const char *text) {
    struct buf plain __attribute__((cleanup(buf_fini)));
    json_t *marks = json_array();
    json_int_t at = 0, start = -1;
    buf_init(&plain, strlen(text) + 1);
    for (const char *p = text; *p; p++) {
        if (*p == SEARCH_MARK_ON) {
            start = at;
        } else if (*p == SEARCH_MARK_OFF) {
            if (start >= 0)
                json_array_append_new(marks, json_pack("[I, I]", start, at - start));
            start = -1;
        } else {
            at += ((unsigned char)*p & 0xC0) != 0x80;
            buf_putc(&plain, *p);
        }
    }
    json_t *s = json_stringn(buf_str(&plain), plain.len);
    return json_pack("{s:o, s:o}", "text", s ? s : json_string(""), "marks", marks);
}
