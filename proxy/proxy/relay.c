/* See relay.h. */
#include "proxy/proxy/relay.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/proto/instr.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD: one code point, one UTF-16 unit */

bool relay_ambiguous(const char *data, size_t len) {
    unsigned char high = 0;
    for (size_t i = 0; i < len; i++)
        high |= (unsigned char)((unsigned char)data[i] >= 0xF0);
    return high != 0;
}

/* The instruction again, lengths in code points. */
static int put_again(struct buf *out, const struct instr *in) {
    char opcode[64];
    if (!instr_to_str(in->opcode, opcode, sizeof opcode))
        return -1;
    instr_begin(out, opcode);
    for (size_t i = 0; i < in->argc; i++)
        instr_bytes(out, in->argv[i].data, in->argv[i].len);
    return instr_end(out);
}

int relay_upstream(const char *data, size_t len, size_t *used, struct buf *up, struct buf *down,
                   struct err *e) {
    size_t at = 0;
    struct instr in;
    while (at < len) {
        size_t n = 0;
        enum instr_result r = instr_parse(data + at, len - at, COUNT_EITHER, &in, &n, e);
        if (r == INSTR_BAD)
            return err_prefix(e, "from the browser");
        if (r == INSTR_MORE)
            break;
        if (in.opcode.len == 0) {
            if (in.argc > 0 && slice_is(in.argv[0], "ping"))
                buf_add(down, data + at, n);
        } else if (relay_ambiguous(data + at, n)) {
            if (put_again(up, &in) < 0)
                return err_set(e, 0x0300, "from the browser: an opcode of %zu bytes",
                               in.opcode.len);
        } else {
            buf_add(up, data + at, n);
        }
        at += n;
    }
    if (up->failed || down->failed)
        return err_set(e, 0x030D, "the browser sends faster than the session takes");
    *used = at;
    return 0;
}

/* A plain element without code points above U+FFFF. */
static int put_plain(struct buf *out, struct slice s) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 3 * s.len + 1);
    for (size_t i = 0; i < s.len;) {
        uint32_t cp = 0;
        size_t n = utf8_decode(s.data + i, s.len - i, &cp);
        if (n == 0)
            return -1;
        if (cp > 0xFFFF)
            buf_puts(&b, REPLACEMENT);
        else
            buf_add(&b, s.data + i, n);
        i += n;
    }
    return b.failed ? -1 : instr_bytes(out, b.data ? b.data : "", b.len);
}

int relay_downstream(const char *data, size_t len, struct buf *out, struct err *e) {
    size_t at = 0;
    struct instr in;
    while (at < len) {
        size_t n = 0;
        if (instr_parse(data + at, len - at, COUNT_CODE_POINTS, &in, &n, e) != INSTR_OK)
            return err_set(e, 0x0203, "the session sent a malformed instruction");
        if (!relay_ambiguous(data + at, n)) {
            buf_add(out, data + at, n);
        } else {
            char opcode[64];
            if (!instr_to_str(in.opcode, opcode, sizeof opcode) ||
                relay_ambiguous(in.opcode.data, in.opcode.len))
                return err_set(e, 0x0203, "the session sent an opcode of %zu bytes", in.opcode.len);
            instr_begin(out, opcode);
            for (size_t i = 0; i < in.argc; i++)
                if (put_plain(out, in.argv[i]) < 0)
                    return err_set(e, 0x0203, "the session sent text that is not UTF-8");
            instr_end(out);
        }
        at += n;
    }
    return out->failed ? err_set(e, 0x0203, "the session's text is too long") : 0;
}

bool relay_said_goodbye(const char *data, size_t len) {
    static const char bye[] = "10.disconnect;", error[] = "5.error,";
    if (len >= sizeof bye - 1 && memcmp(data + len - (sizeof bye - 1), bye, sizeof bye - 1) == 0)
        return true;
    /* `error` carries a sentence of ours and a number: it stands within the last few hundred bytes.
     */
    size_t window = MIN_OF(len, (size_t)2048);
    return memmem(data + len - window, window, error, sizeof error - 1) != NULL;
}
