/* JSON of any bytes within the bounds; what is taken survives being written and read again. */
#include <stdlib.h>

#include "guacd/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err e = { 0 };
    _json_ json_t *o = json_parse((const char *)data, size, 4096, &e);
    if (!o) {
        if (!e.status || !e.text[0])
            abort();
        return 0;
    }
    struct buf b;
    buf_init(&b, 65536);
    if (json_write(o, &b) < 0)
        abort();
    _json_ json_t *again = json_parse(b.data, b.len, b.len, &e);
    if (!again || !json_equal(o, again))
        abort();
    buf_fini(&b);
    return 0;
}
