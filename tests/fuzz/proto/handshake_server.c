/* The server's end of the handshake. First byte: 1 gateway, 2 the rest is not raw bytes but values,
 * separated by NUL, that a `connect` of the right length carries; 12 the protocol. Fed in one piece
 * and byte by byte, both must come to the same, unless there are characters that peers count in two
 * ways. */
#include <stdlib.h>

#include "guacd/base/util.h"
#include "guacd/proto/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_) {
    if (!true_)
        abort();
}

/* What came of it, to be compared. */
struct end {
    enum handshake_result result;
    int status;
    size_t used;
    struct handshake_info info;
    char color[64];
};

static void talk(bool gateway, const char *data, size_t len, size_t step, struct end *end) {
    struct handshake_server h;
    struct buf out;
    struct err e = { 0 };
    memset(end, 0, sizeof(*end));
    handshake_server_init(&h, gateway);
    buf_init(&out, INSTR_BYTES_MAX);
    while (end->used < len) {
        size_t used = 0, n = MIN_OF(step, len - end->used);
        end->result = handshake_server_feed(&h, data + end->used, n, &used, &e);
        must(used <= n && (used == n || end->result != HANDSHAKE_MORE));
        end->used += used;
        if (end->result == HANDSHAKE_SELECTED) {
            const struct protocol *p = protocol_find(h.select);
            must(h.select[0] && handshake_server_args(&h, p ? p : protocols[0], &out) == 0);
        } else if (end->result != HANDSHAKE_MORE) {
            break;
        }
    }
    must((end->result == HANDSHAKE_BAD) == (e.status != 0));
    must((end->result == HANDSHAKE_CONNECTED) == (h.args != NULL));
    end->status = e.status;
    if (end->result == HANDSHAKE_BAD)
        end->used = 0; /* seen sooner or later */
    if (end->result == HANDSHAKE_CONNECTED) {
        must(h.info.width >= 1 && h.info.width <= HANDSHAKE_PIXELS_MAX && h.info.height >= 1 &&
             h.info.height <= HANDSHAKE_PIXELS_MAX && h.info.dpi >= 1);
        must(h.info.version >= HANDSHAKE_1_0_0 && h.info.version <= HANDSHAKE_1_5_0);
        must(h.info.timezone[0] != '/' && h.info.timezone[0] != ':' &&
             !strstr(h.info.timezone, ".."));
        must(gateway || args_int(h.args, "grace") == 0);
        must(!gateway || !args_is_set(h.args, "recording-path"));
        end->info = h.info;
    }
    handshake_server_fini(&h);
    buf_fini(&out);
}

static void put_values(struct buf *b, const struct protocol *p, const char *data, size_t len) {
    instr_put(b, "select", p->name, NULL);
    instr_begin(b, "connect");
    for (size_t i = 0; !i || protocol_arg(p, i - 1); i++) {
        size_t n = strnlen(data, len);
        if (instr_bytes(b, data, n) < 0) {
            b->failed = false;
            instr_str(b, "");
        }
        data += MIN_OF(n + 1, len);
        len -= MIN_OF(n + 1, len);
    }
    instr_end(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    bool gateway = data[0] & 1, values = data[0] & 2;
    const struct protocol *p = protocols[(data[0] >> 2) % 5];
    struct buf b;
    buf_init(&b, 1 << 18);
    const char *text = (const char *)(data + 1);
    if (values)
        put_values(&b, p, text, size - 1);
    else
        buf_add(&b, text, size - 1);
    struct end whole, pieces;
    talk(gateway, b.data, b.len, b.len, &whole);
    talk(gateway, b.data, b.len, 1, &pieces);
    bool ambiguous = false;
    for (size_t i = 0; i < b.len; i++)
        ambiguous |= (uint8_t)b.data[i] >= 0xF0;
    must(ambiguous || memcmp(&whole, &pieces, sizeof(whole)) == 0);
    buf_fini(&b);
    return 0;
}
