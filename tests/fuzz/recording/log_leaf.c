/* A leaf's text, and the statement that it may carry. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "recording/dsse.h"
#include "recording/leaf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct leaf l = { 0 };
    struct leaf_said said;
    struct err e = { 0 };
    if (leaf_parse((const char *)data, size, &l, &e) == 0) {
        struct buf again;
        buf_init(&again, LEAF_MAX);
        if (leaf_write(&l, &again, &e) < 0 || again.len != size ||
            memcmp(again.data, data, size) != 0)
            abort();
        buf_fini(&again);
        struct dsse d = { 0 };
        json_t *statement =
            l.envelope && dsse_read(l.envelope, &d, NULL) == 0 ? dsse_statement(&d, NULL) : NULL;
        if (statement)
            leaf_said(statement, &said, NULL);
        json_decref(statement);
        dsse_fini(&d);
    }
    leaf_fini(&l);
    json_t *o = json_parse((const char *)data, size, 65536, NULL);
    if (o)
        leaf_said(o, &said, NULL);
    json_decref(o);
    return 0;
}
