/* The instruction codec: first byte chooses how characters are counted, the rest is what a peer
 * sent. What parses must be written and read back the same, and framing must agree with parsing. */
#include <stdlib.h>

#include "guacd/base/util.h"
#include "guacd/proto/instr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_) {
    if (!true_)
        abort();
}

static void check_rewrite(const struct instr *in) {
    struct buf b;
    buf_init(&b, 4 * INSTR_BYTES_MAX);
    size_t n = 0;
    for (; n <= in->argc; n++) {
        struct slice s = n ? in->argv[n - 1] : in->opcode;
        if (n) {
            must(instr_bytes(&b, s.data, s.len) == 0);
            continue;
        }
        _free_ char *opcode = strndup(s.data, s.len);
        if (!opcode || strlen(opcode) != s.len || instr_begin(&b, opcode) < 0)
            break; /* a NUL in an opcode is nothing we would write */
    }
    if (n > in->argc && instr_end(&b) == 0 && b.len <= INSTR_BYTES_MAX) {
        struct instr again;
        size_t used;
        must(instr_parse(b.data, b.len, COUNT_CODE_POINTS, &again, &used, NULL) == INSTR_OK);
        must(used == b.len && again.argc == in->argc);
        for (size_t i = 0; i < in->argc; i++)
            must(again.argv[i].len == in->argv[i].len &&
                 memcmp(again.argv[i].data, in->argv[i].data, in->argv[i].len) == 0);
    }
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    enum instr_count count = data[0] & 1 ? COUNT_EITHER : COUNT_CODE_POINTS;
    size_t len = size - 1, at = 0;
    _free_ char *bytes = malloc(len ? len : 1);
    if (!bytes)
        return 0;
    memcpy(bytes, data + 1, len);
    bool bad;
    size_t whole = instr_whole(bytes, len, count, &bad);
    must(whole <= len && (!whole || bytes[whole - 1] == ';'));
    for (;;) {
        struct instr in;
        struct err e = { 0 };
        size_t used = 0;
        enum instr_result r = instr_parse(bytes + at, len - at, count, &in, &used, &e);
        must((r == INSTR_BAD) == (e.status != 0));
        if (r != INSTR_OK)
            break;
        must(used > 0 && used <= len - at && used <= INSTR_BYTES_MAX);
        must(in.argc < INSTR_ELEMENTS_MAX);
        at += used;
        must(at <= whole);
        check_rewrite(&in);
        int64_t number;
        for (size_t i = 0; i < in.argc; i++)
            if (instr_to_int(in.argv[i], -5, 1000, &number))
                must(number >= -5 && number <= 1000);
    }
    return 0;
}
