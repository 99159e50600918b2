/* The client's end of the handshake: what a daemon that lies could say. In one piece and byte by
 * byte both must come to the same (unless there are characters that peers count in two ways), and
 * nothing behind `ready` may be taken. */
#include <stdlib.h>

#include "guacd/base/util.h"
#include "guacd/proto/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_) {
    if (!true_)
        abort();
}

struct end {
    enum handshake_result result;
    struct err e;
    size_t used;
    char id[HANDSHAKE_ID_MAX];
};

static void talk(const struct args *args, const char *data, size_t len, size_t step,
                 struct end *end, struct buf *out) {
    struct handshake_info info;
    handshake_info_init(&info);
    strcpy(info.timezone, "UTC");
    struct handshake_client h;
    memset(end, 0, sizeof(*end));
    must(handshake_client_init(&h, "ssh", &info, args, out) == 0);
    while (end->used < len && end->result == HANDSHAKE_MORE) {
        size_t used = 0, n = MIN_OF(step, len - end->used);
        end->result = handshake_client_feed(&h, data + end->used, n, &used, out, &end->e);
        must(used <= n && (used == n || end->result != HANDSHAKE_MORE));
        end->used += used;
    }
    must((end->result == HANDSHAKE_BAD) == (end->e.status != 0));
    if (end->result == HANDSHAKE_BAD)
        end->used = 0; /* seen sooner or later */
    if (end->result == HANDSHAKE_CONNECTED) {
        must(h.id[0] && h.id[0] != ' ' && data[end->used - 1] == ';');
        memcpy(end->id, h.id, strlen(h.id));
    }
    handshake_client_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct args *args = args_new(protocol_find("ssh"));
    if (!args)
        return 0;
    args_set(args, "hostname", "target", 6, NULL);
    args_set(args, "password", "s;e,c", 5, NULL);
    args_set(args, "private-key", "line\nline\n", 10, NULL);
    _free_ char *bytes = malloc(size ? size : 1);
    struct end whole, pieces;
    struct buf a, b;
    buf_init(&a, 1 << 18);
    buf_init(&b, 1 << 18);
    if (bytes) {
        memcpy(bytes, data, size);
        talk(args, bytes, size, size, &whole, &a);
        talk(args, bytes, size, 1, &pieces, &b);
        bool ambiguous = false;
        for (size_t i = 0; i < size; i++)
            ambiguous |= data[i] >= 0xF0;
        must(ambiguous || memcmp(&whole, &pieces, sizeof(whole)) == 0);
        must(ambiguous || (a.len == b.len && memcmp(a.data, b.data, a.len) == 0));
    }
    buf_fini(&a);
    buf_fini(&b);
    args_free(args);
    return 0;
}
