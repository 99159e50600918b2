/* Archives and folders as a container tells them, cut at any place: the same pieces whatever the
 * cut, never a byte outside of the input, and what we write is read again. The first byte says
 * where to cut. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/kubernetes/archive.h"
#include "guacd/base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    enum tar_result end;
    size_t members, bytes;
    uint64_t sizes;
    uint32_t sum;
};

static struct seen read_all(const char *data, size_t size, size_t step) {
    struct seen s = { 0 };
    struct tar t = { 0 };
    size_t from = 0, to = 0;
    for (;;) {
        struct tar_piece p;
        struct err e = { 0 };
        s.end = tar_next(&t, data + from, to - from, &p, &e);
        if (p.used > to - from || (s.end == TAR_BAD) != (e.text[0] != '\0'))
            abort();
        if (s.end == TAR_DATA && (!p.len || p.data < data + from || p.data + p.len > data + to))
            abort();
        from += p.used;
        s.members += s.end == TAR_MEMBER;
        s.sizes += s.end == TAR_MEMBER ? p.size : 0;
        for (size_t i = 0; i < p.len; i++)
            s.sum = s.sum * 31 + (unsigned char)p.data[i];
        s.bytes += p.len;
        if (s.end == TAR_END || s.end == TAR_BAD)
            return s;
        if (s.end == TAR_MORE && to == size)
            return s;
        if (s.end == TAR_MORE)
            to = MIN_OF(to + step, size);
    }
}

static void entries(const char *data, size_t size) {
    for (size_t at = 0, used; at < size; at += used) {
        struct entry x;
        enum entry_result r = entry_next(data + at, size - at, &x, &used);
        if (r != ENTRY_OK)
            return;
        if (!used || at + used > size || x.name < data + at ||
            x.name + x.name_len > data + at + used || memchr(x.name, '/', x.name_len))
            abort();
    }
}

static void write_and_read(const uint8_t *data, size_t size) {
    char block[TAR_BLOCK];
    struct tar t = { 0 };
    struct tar_piece p;
    struct err e = { 0 };
    uint64_t wanted = 0;
    memcpy(&wanted, data, MIN_OF(size, (size_t)4));
    tar_header(block, "part", wanted);
    if (tar_next(&t, block, sizeof block, &p, &e) != TAR_MEMBER || p.size != wanted || !p.file)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    const char *bytes = (const char *)data + 1;
    struct seen whole = read_all(bytes, size - 1, size),
                cut = read_all(bytes, size - 1, 1 + data[0]);
    if (whole.end != cut.end || whole.members != cut.members || whole.bytes != cut.bytes ||
        whole.sizes != cut.sizes || whole.sum != cut.sum)
        abort();
    entries(bytes, size - 1);
    write_and_read(data, size);
    return 0;
}
