/* Browser's bytes through the relay, in one piece and in two: the same comes out. */
#include <stdint.h>

#include "guacd/proto/instr.h"
#include "proxy/proxy/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct buf up, down, again;
    struct err e = { 0 };
    size_t used = 0;
    buf_init(&up, 1 << 20);
    buf_init(&down, 1 << 20);
    buf_init(&again, 1 << 20);
    if (relay_upstream(text, size, &used, &up, &down, &e) == 0) {
        if (used > size)
            __builtin_trap();
        /* What goes to guacd is well-formed there: lengths in code points. */
        bool bad = false;
        if (instr_whole(up.data ? up.data : "", up.len, COUNT_CODE_POINTS, &bad) != up.len || bad)
            __builtin_trap();
        if (relay_downstream(up.data ? up.data : "", up.len, &again, &e) == 0 &&
            relay_ambiguous(again.data ? again.data : "", again.len))
            __builtin_trap();
    }
    relay_said_goodbye(text, size);
    buf_fini(&up);
    buf_fini(&down);
    buf_fini(&again);
    return 0;
}
