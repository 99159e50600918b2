/* One parameter's value: bytes 0 and 1 choose protocol and row. What is taken must be in its row's
 * bounds and come back as it was. */
#include <stdlib.h>

#include "guacd/base/util.h"
#include "guacd/proto/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_) {
    if (!true_)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    const struct protocol *p = protocols[data[0] % 5];
    const struct arg_spec *row = protocol_arg(p, data[1]);
    if (!row)
        return 0;
    struct args *a = args_new(p);
    size_t len = size - 2;
    _free_ char *value = malloc(len ? len : 1);
    if (a && value) {
        memcpy(value, data + 2, len);
        struct err e = { 0 };
        bool taken = args_set(a, row->name, value, len, &e);
        must(taken == (e.status == 0));
        must(args_is_set(a, row->name) == (taken && len));
        const char *text = args_str(a, row->name);
        if (taken && len)
            must(strlen(text) == len && memcmp(text, value, len) == 0);
        else
            must(strcmp(text, row->def) == 0);
        if (taken && len && row->type == ARG_INT)
            must(args_int(a, row->name) >= row->min && args_int(a, row->name) <= row->max);
        (void)args_bool(a, row->name);
        args_wipe_secrets(a);
        if (row->flags & ARG_SECRET)
            must(!*args_str(a, row->name));
    }
    args_free(a);
    return 0;
}
