#include "guacd/backends/kubernetes/ws.h"

#include <openssl/evp.h>
#include <string.h>

#include "guacd/base/util.h"

struct head {
    bool fin;
    uint8_t op;
    uint64_t len;
    size_t size;
};

static enum ws_result bad(struct err *e, const char *what) {
    err_set(e, 0, "%s", what);
    return WS_BAD;
}

static enum ws_result read_head(const unsigned char *p, size_t len, struct head *h, struct err *e) {
    if (len < 2)
        return WS_MORE;
    if (p[0] & 0x70)
        return bad(e, "reserved bits are set in a frame");
    if (p[1] & 0x80)
        return bad(e, "a server's frame is masked");
    unsigned n = p[1] & 0x7f;
    size_t more = n == 126 ? 2 : n == 127 ? 8 : 0;
    *h = (struct head){ .fin = p[0] & 0x80, .op = p[0] & 0x0f, .len = n, .size = 2 + more };
    if (h->op >= WS_CLOSE && (!h->fin || n > WS_CONTROL_MAX))
        return bad(e, "a control frame is in pieces or too long");
    if ((h->op > WS_BINARY && h->op < WS_CLOSE) || h->op > WS_PONG)
        return bad(e, "a frame is of an unknown kind");
    if (len < h->size)
        return WS_MORE;
    if (more)
        h->len = 0;
    for (size_t i = 0; i < more; i++)
        h->len = h->len << 8 | p[2 + i];
    return h->len >> 63 ? bad(e, "a frame's length is negative") : WS_OK;
}

static enum ws_result control(const struct head *h, const char *data, size_t len,
                              struct ws_piece *out, struct err *e) {
    if (len < h->size + h->len)
        return WS_MORE;
    const unsigned char *p = (const unsigned char *)data + h->size;
    *out = (struct ws_piece){ .op = h->op,
                              .first = true,
                              .last = true,
                              .data = data + h->size,
                              .len = (size_t)h->len,
                              .used = h->size + (size_t)h->len };
    if (h->op != WS_CLOSE)
        return WS_OK;
    if (h->len == 1)
        return bad(e, "a close frame has half a status");
    out->code = h->len ? (unsigned)p[0] << 8 | p[1] : 1005;
    if (h->len) {
        out->data += 2;
        out->len -= 2;
    }
    return WS_OK;
}

static enum ws_result begin(struct ws *w, const struct head *h, struct err *e) {
    if (h->op == WS_CONTINUE && !w->message)
        return bad(e, "a frame continues no message");
    if (h->op != WS_CONTINUE && w->message)
        return bad(e, "a message begins within another");
    if (h->op != WS_CONTINUE) {
        w->op = h->op;
        w->begun = false;
    }
    w->message = w->in_frame = true;
    w->fin = h->fin;
    w->left = h->len;
    return WS_OK;
}

/* What is there of the frame under way. Nothing but its end is a piece too when it ends a message.
 */
static enum ws_result payload(struct ws *w, const char *data, size_t len, size_t skipped,
                              struct ws_piece *out) {
    size_t n = (size_t)MIN_OF((uint64_t)len, w->left);
    w->left -= n;
    w->in_frame = w->left > 0;
    bool last = !w->in_frame && w->fin;
    *out = (struct ws_piece){
        .op = w->op, .first = !w->begun, .last = last, .data = data, .len = n, .used = skipped + n
    };
    if (!n && !last)
        return WS_MORE;
    w->begun = true;
    if (last)
        w->message = false;
    return WS_OK;
}

enum ws_result ws_next(struct ws *w, const char *data, size_t len, struct ws_piece *out,
                       struct err *e) {
    size_t skipped = 0;
    out->used = 0;
    if (!len)
        return WS_MORE; /* and data may be NULL */
    while (!w->in_frame) {
        struct head h;
        enum ws_result r = read_head((const unsigned char *)data + skipped, len - skipped, &h, e);
        if (r != WS_OK)
            return r;
        if (h.op >= WS_CLOSE) {
            r = control(&h, data + skipped, len - skipped, out, e);
            if (r == WS_OK)
                out->used += skipped;
            return r;
        }
        r = begin(w, &h, e);
        if (r != WS_OK)
            return r;
        skipped += h.size;
        out->used = skipped;
        if (!w->left && !w->fin)
            w->in_frame = false; /* an empty frame within a message is nothing */
    }
    return payload(w, data + skipped, len - skipped, skipped, out);
}

int ws_put(struct buf *out, enum ws_op op, const void *head, size_t head_len, const void *data,
           size_t len, const uint8_t mask[4]) {
    size_t total = head_len + len;
    if (op >= WS_CLOSE && total > WS_CONTROL_MAX)
        return -1;
    size_t size = total < 126 ? 6 : total <= 0xffff ? 8 : 14;
    unsigned char *p = (unsigned char *)buf_reserve(out, size + total);
    if (!p)
        return -1;
    *p++ = (unsigned char)(0x80 | op);
    if (total < 126) {
        *p++ = (unsigned char)(0x80 | total);
    } else {
        int bytes = total <= 0xffff ? 2 : 8;
        *p++ = bytes == 2 ? 0xfe : 0xff;
        for (int i = bytes - 1; i >= 0; i--)
            *p++ = (unsigned char)((uint64_t)total >> (8 * i));
    }
    memcpy(p, mask, 4);
    p += 4;
    if (head_len)
        memcpy(p, head, head_len);
    if (len)
        memcpy(p + head_len, data, len);
    for (size_t i = 0; i < total; i++)
        p[i] ^= mask[i & 3];
    out->len += size + total;
    return 0;
}

void ws_accept(const char *key, char out[29]) {
    unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
    unsigned n = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (c && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 &&
        EVP_DigestUpdate(c, key, strlen(key)) == 1 &&
        EVP_DigestUpdate(c, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36) == 1)
        EVP_DigestFinal_ex(c, digest, &n);
    EVP_MD_CTX_free(c);
    EVP_EncodeBlock((unsigned char *)out, digest, 20);
}
