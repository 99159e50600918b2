/* What a recorder says of itself in the store, as others read it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recording/heartbeat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct heartbeat h = { 0 }, again = { 0 };
    struct err e = { 0 };
    struct buf b;
    buf_init(&b, HEARTBEAT_MAX);
    if (heartbeat_parse((const char *)data, size, &h, &e) == 0) {
        for (size_t i = 0; i < heartbeat_count(&h); i++) {
            uint64_t from;
            const char *prefix = heartbeat_get(&h, i, &from);
            if (!prefix || !heartbeat_has(&h, strrchr(prefix, '/') + 1))
                abort();
        }
        if (heartbeat_write(&h, &b, &e) < 0 ||
            heartbeat_parse(buf_str(&b), b.len, &again, &e) < 0 ||
            heartbeat_count(&again) != heartbeat_count(&h) || strcmp(again.by, h.by) != 0)
            abort();
    }
    heartbeat_fini(&h);
    heartbeat_fini(&again);
    buf_fini(&b);
    return 0;
}
