/* A server's WebSocket frames, cut at any place: the same pieces whatever the cut, never a byte
 * outside of the input; and what we write is read again as it was. The first byte says where to
 * cut. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/kubernetes/ws.h"
#include "guacd/base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    enum ws_result end;
    size_t messages, bytes, controls;
    uint32_t sum;
};

static void note(struct seen *s, const struct ws_piece *p) {
    if (p->op >= WS_CLOSE) {
        if (p->len > WS_CONTROL_MAX || !p->first || !p->last)
            abort();
        s->controls++;
        return;
    }
    s->messages += p->last;
    s->bytes += p->len;
    for (size_t i = 0; i < p->len; i++)
        s->sum = s->sum * 31 + (unsigned char)p->data[i];
}

/* Whole in pieces of `step` bytes: the bytes that are done with go. */
static struct seen read_all(const char *data, size_t size, size_t step) {
    struct seen s = { 0 };
    struct ws w = { 0 };
    size_t from = 0, to = 0;
    for (;;) {
        struct ws_piece p = { 0 };
        struct err e = { 0 };
        s.end = ws_next(&w, data + from, to - from, &p, &e);
        if (s.end == WS_BAD) {
            if (!e.text[0])
                abort();
            return s;
        }
        if (p.used > to - from ||
            (s.end == WS_OK && p.len && (p.data < data + from || p.data + p.len > data + to)))
            abort();
        from += p.used;
        if (s.end == WS_OK)
            note(&s, &p);
        else if (to == size)
            return s;
        else
            to = MIN_OF(to + step, size);
    }
}

static void write_and_read(const uint8_t *data, size_t size) {
    _buf_cleanup_ struct buf out = { 0 };
    static const uint8_t mask[4] = { 1, 2, 3, 4 };
    buf_init(&out, size + 64);
    if (ws_put(&out, WS_BINARY, "\x01", 1, data, size, mask))
        abort();
    /* Unmask it, as a server does, and make a server's frame of it. */
    unsigned char *p = (unsigned char *)out.data;
    unsigned n = p[1] & 0x7f;
    size_t head = n == 126 ? 4 : n == 127 ? 10 : 2;
    p[1] &= 0x7f;
    for (size_t i = 0; i < size + 1; i++)
        p[head + 4 + i] ^= mask[i & 3];
    memmove(p + head, p + head + 4, size + 1);
    struct ws w = { 0 };
    struct ws_piece got = { 0 };
    struct err e = { 0 };
    if (ws_next(&w, out.data, head + size + 1, &got, &e) != WS_OK || !got.first || !got.last ||
        got.len != size + 1 || got.data[0] != 1 || (size && memcmp(got.data + 1, data, size) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    const char *bytes = (const char *)data + 1;
    struct seen whole = read_all(bytes, size - 1, size),
                cut = read_all(bytes, size - 1, 1 + data[0]);
    if (whole.end != cut.end || whole.messages != cut.messages || whole.bytes != cut.bytes ||
        whole.controls != cut.controls || whole.sum != cut.sum)
        abort();
    write_and_read(data, size);
    return 0;
}
