/* Frames of the tap, as they come from a process that parses hostile bytes. */
#include "recording/recorder/frame.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/proto/status.h"

#define EVENT_MAX 65536

enum frame_result frame_parse(const uint8_t *data, size_t len, uint64_t last, struct frame *out,
                              size_t *used, struct err *e) {
    struct frame f = { 0 };
    if (len < TAP_HEADER)
        return FRAME_MORE;
    if (tap_unpack(data, &f.h) < 0 || f.h.type > TAP_EVENT || f.h.ms > INT64_MAX) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "tap: no frame of a session");
        return FRAME_BAD;
    }
    f.again = f.h.sequence <= last;
    if (f.h.sequence == 0 || f.h.sequence > last + 1) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "tap: frame %llu came after frame %llu",
                (unsigned long long)f.h.sequence, (unsigned long long)last);
        return FRAME_BAD;
    }
    if (f.h.length > len - TAP_HEADER)
        return FRAME_MORE;
    f.data = data + TAP_HEADER;
    *out = f;
    *used = TAP_HEADER + f.h.length;
    return FRAME_OK;
}

enum chain_kind frame_chain(uint8_t type) {
    return type == TAP_DATA ? CHAIN_DATA : type == TAP_KEYFRAME ? CHAIN_KEYFRAME : CHAIN_TEXT;
}

/* Any bytes as a JSON string: what is not UTF-8 becomes U+FFFD. */
static json_t *lossy(const char *s, size_t len) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 4 * EVENT_MAX);
    while (len > 0) {
        uint32_t cp;
        size_t n = utf8_decode(s, len, &cp);
        buf_add(&b, n && cp ? s : "\xEF\xBF\xBD", n && cp ? n : 3);
        n = n ? n : 1;
        s += n;
        len -= n;
    }
    return json_stringn(b.data ? b.data : "", b.len);
}

bool frame_event(const struct frame *f, struct buf *line, struct frame_end *end) {
    const char *text = (const char *)f->data;
    size_t len = f->h.length < EVENT_MAX ? f->h.length : EVENT_MAX;
    _json_ json_t *o = json_parse(text, f->h.length, EVENT_MAX, NULL);
    bool last = false;
    if (!json_is_object(o)) {
        json_decref(o);
        o = json_pack("{s:o}", "s", lossy(text, len));
    } else if (strcmp(json_str(o, "event", ""), "ended") == 0) {
        int64_t status = json_num(o, "status", STATUS_SERVER_ERROR);
        last = true;
        end->status = status >= 0 && status <= 0xffff ? (int)status : STATUS_SERVER_ERROR;
        snprintf(end->reason, sizeof end->reason, "%s", json_str(o, "reason", "ended"));
        if (utf8_count(end->reason, strlen(end->reason)) < 0) /* cut inside a character */
            snprintf(end->reason, sizeof end->reason, "ended");
    }
    json_object_set_new(o, "t", json_integer((json_int_t)f->h.ms));
    json_object_set_new(o, "k", json_string("event"));
    json_write(o, line);
    buf_putc(line, '\n');
    return last;
}
