/* The decoders: what they take must encode to the same text again. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
    if (!ok)
        abort();
}

static void base64(const char *text, size_t len) {
    uint8_t *out = malloc(len / 4 * 3 + 3);
    struct buf b;
    buf_init(&b, 4 * len + 4);
    long n = base64_decode(text, len, out);
    if (n >= 0) {
        must(base64_add(&b, out, (size_t)n) == 0);
        must(b.len == len && (len == 0 || memcmp(b.data, text, len) == 0));
    }
    buf_clear(&b);
    n = base64url_decode(text, len, out);
    if (n >= 0) {
        must(base64url_add(&b, out, (size_t)n) == 0);
        must(b.len == len && (len == 0 || memcmp(b.data, text, len) == 0));
    }
    buf_fini(&b);
    free(out);
}

static void utf8(const char *text, size_t len) {
    long count = utf8_count(text, len), seen = 0;
    for (size_t i = 0; i < len; seen++) {
        uint32_t cp;
        char again[4];
        size_t n = utf8_decode(text + i, len - i, &cp);
        if (n == 0) {
            must(count == -1);
            return;
        }
        must(utf8_encode(cp, again) == n && memcmp(again, text + i, n) == 0);
        i += n;
    }
    must(count == seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    base64(text, size);
    utf8(text, size);
    if (uuid_valid(text, size))
        must(uuid_v7_ms(text) < 1ull << 48);
    uint64_t ms;
    char again[32];
    if (clock_parse(text, &ms) == 0) {
        clock_format(ms, again, sizeof again);
        must(memcmp(again, text, 19) == 0);
    }
    free(text);
    return 0;
}
