/* An HTTP answer of any bytes, cut at any place: the same head and body whatever the cut. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/kubernetes/http1.h"
#include "guacd/base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX 4096u

static enum http1_result read_body(const struct http1_head *h, const char *data, size_t size,
                                   size_t step, struct buf *body) {
    struct http1_body b;
    struct err e = { 0 };
    size_t from = 0, to = 0;
    http1_body_init(&b, h);
    for (;;) {
        size_t used = 0;
        enum http1_result r = http1_body(&b, data + from, to - from, to == size, &used, body, &e);
        if (used > to - from || body->len > BODY_MAX || (r == HTTP1_BAD && !e.text[0]))
            abort();
        from += used;
        if (r != HTTP1_MORE || to == size)
            return r;
        to = MIN_OF(to + step, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    const char *bytes = (const char *)data + 1;
    size--;
    struct http1_head h = { 0 };
    struct err e = { 0 };
    size_t used = 0;
    enum http1_result r = http1_head(bytes, size, &h, &used, &e);
    if (r == HTTP1_BAD && !e.text[0])
        abort();
    if (r != HTTP1_OK)
        return 0;
    if (used > size || h.status < 100 || h.status > 999)
        abort();
    _buf_cleanup_ struct buf one = { 0 }, two = { 0 };
    buf_init(&one, BODY_MAX);
    buf_init(&two, BODY_MAX);
    enum http1_result a = read_body(&h, bytes + used, size - used, size + 1, &one);
    enum http1_result b = read_body(&h, bytes + used, size - used, 1 + data[0], &two);
    /* Too long a body fails at the piece that is too long, so only good ends can be compared. */
    if ((a == HTTP1_OK && b == HTTP1_OK) &&
        (one.len != two.len || (one.len && memcmp(one.data, two.data, one.len) != 0)))
        abort();
    return 0;
}
