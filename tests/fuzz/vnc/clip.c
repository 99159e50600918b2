/* A clipboard of any bytes in any encoding: valid UTF-8 comes out, within its bounds, and going
 * there and back keeps what the encoding can say. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/clip/clip.h"
#include "guacd/base/enc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every line ends as asked, nothing else changes, and it cannot be done twice. */
static void lines(const struct buf *text, bool with_cr) {
    struct buf one, two;
    buf_init(&one, 2 * text->len);
    buf_init(&two, 2 * text->len);
    if (clip_lines(text->data, text->len, with_cr, &one) < 0 ||
        clip_lines(one.data, one.len, with_cr, &two) < 0 || one.len != two.len ||
        (one.len && memcmp(one.data, two.data, one.len) != 0))
        abort();
    for (size_t i = 0; i < one.len; i++)
        if (one.data[i] == '\n' && (i > 0 && one.data[i - 1] == '\r') != with_cr)
            abort();
    buf_fini(&one);
    buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    enum clip_encoding kind = (enum clip_encoding)(data[0] % 4);
    struct buf text, back, again;
    buf_init(&text, 3 * size);
    buf_init(&back, 3 * size);
    buf_init(&again, 6 * size);
    if (clip_to_utf8(kind, data + 1, size - 1, &text) < 0 ||
        utf8_count(text.data ? text.data : "", text.len) < 0)
        abort();
    if (clip_from_utf8(kind, text.data, text.len, &back) < 0 ||
        clip_to_utf8(kind, back.data, back.len, &again) < 0)
        abort();
    /* What looks like a byte order mark at the beginning is one, the second time. */
    bool marked = text.len >= 2 && (uint8_t)text.data[0] == 0xEF;
    if ((kind == CLIP_UTF8 || kind == CLIP_UTF16) && !marked && again.len > text.len)
        abort();
    lines(&text, true);
    lines(&text, false);
    clip_is_latin1((const char *)data, size);
    buf_fini(&text);
    buf_fini(&back);
    buf_fini(&again);
    return 0;
}
