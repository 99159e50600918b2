/* What a recording says in words: shown text, clipboards, titles, events, one JSON line each. */
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record_impl.h"

#define CLIP_TEXT_MAX (1u << 20) /* of a clipboard's text; its hash covers all of it */

void record_add_buf(struct session *s, enum tap_type type, struct buf *b) {
    struct chunk *c = chunk_steal(b);
    if (c)
        record_put(s, type, c);
    else
        life_end(s, STATUS_SERVER_ERROR, "no memory to record");
    chunk_unref(c);
}

void record_add_json(struct session *s, enum tap_type type, json_t *o) {
    _json_ json_t *owned = o;
    struct buf b;
    buf_init(&b, TAP_FRAME_MAX);
    if (owned && json_write(owned, &b) == 0 && buf_putc(&b, '\n') == 0)
        record_add_buf(s, type, &b);
    buf_fini(&b);
}

json_t *record_clean(const char *text, size_t len) {
    if (utf8_count(text, len) >= 0 && !memchr(text, 0, len))
        return json_stringn(text, len);
    _buf_cleanup_ struct buf b;
    buf_init(&b, len + 1);
    for (size_t at = 0, n; at < len; at += n) {
        uint32_t cp;
        n = text[at] ? utf8_decode(text + at, len - at, &cp) : 0;
        if (n)
            buf_add(&b, text + at, n);
        else
            buf_putc(&b, '?');
        n = n ? n : 1;
    }
    return json_stringn(b.data, b.len);
}

static json_t *line(const struct session *s, const char *kind, const char *by) {
    json_t *o = json_pack("{s:I,s:s}", "t", (json_int_t)session_now(s), "k", kind);
    if (o && by)
        json_object_set_new(o, "by", record_clean(by, strlen(by)));
    return o;
}

void record_text(struct session *s, const char *kind, const char *by, const char *text,
                 size_t len) {
    if (!record_tapped(s))
        return;
    json_t *o = line(s, kind, by);
    json_object_set_new(o, "s", record_clean(text, len));
    record_add_json(s, TAP_TEXT, o);
}

void record_event(struct session *s, json_t *event) {
    if (s->record && s->record->tap && !s->record->ended)
        record_add_json(s, TAP_EVENT, event);
    else
        json_decref(event);
}

void record_file(struct session *s, const char *by, json_t *members) {
    _json_ json_t *owned = members;
    if (!record_tapped(s)) {
        json_object_set_new(owned, "event", json_string("file"));
        json_object_set_new(owned, "by", record_clean(by, strlen(by)));
        record_event(s, json_incref(owned));
        return;
    }
    json_t *o = line(s, "file", by);
    json_object_update(o, owned);
    record_add_json(s, TAP_TEXT, o);
}

void record_clipboard(struct session *s, const struct user *from, const char *mimetype,
                      const char *data, size_t len) {
    struct record *r = record_full(s);
    if (r && r->file)
        record_file_clipboard(s, mimetype, data, len);
    if (!record_tapped(s))
        return;
    char by[160], hash[65];
    json_t *o = line(s, "clip", from ? user_by(from, by) : NULL);
    sha256_hex(data ? data : "", len, hash);
    json_object_set_new(o, "dir", json_string(from ? "in" : "out"));
    json_object_set_new(o, "type", record_clean(mimetype, strlen(mimetype)));
    json_object_set_new(o, "bytes", json_integer((json_int_t)len));
    json_object_set_new(o, "sha256", json_string(hash));
    if (strncmp(mimetype, "text/", 5) == 0)
        json_object_set_new(o, "s",
                            record_clean(data ? data : "", MIN_OF(len, (size_t)CLIP_TEXT_MAX)));
    record_add_json(s, TAP_TEXT, o);
}

void record_shown(struct session *s) {
    if (!record_tapped(s))
        return;
    struct buf text;
    pthread_mutex_lock(&s->shown_lock);
    size_t lost = s->shown_lost;
    text = s->shown;
    buf_init(&s->shown, text.max);
    s->shown_lost = 0;
    pthread_mutex_unlock(&s->shown_lock);
    if (text.len) {
        json_t *o = line(s, "out", NULL);
        json_object_set_new(o, "s", record_clean(text.data, text.len));
        if (lost)
            json_object_set_new(o, "lost", json_integer((json_int_t)lost));
        record_add_json(s, TAP_TEXT, o);
    }
    buf_fini(&text);
}
