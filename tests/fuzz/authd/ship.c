/* Lines of the audit file on their way out, and what a _bulk is answered. */
#include <stdint.h>
#include <string.h>

#include "proxy/authd/ship.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct buf out;
    struct err e = { 0 };
    size_t count = 0, rejected = 0;
    buf_init(&out, 4u << 20);
    if (ship_bulk_format(text, size, &out, &count) == 0) {
        size_t lines = 0; /* two a event, whatever the events hold */
        for (size_t i = 0; i < out.len; i++)
            lines += out.data[i] == '\n';
        if (lines != 2 * count || (out.len && out.data[out.len - 1] != '\n'))
            __builtin_trap();
    }
    buf_clear(&out);
    if (!memchr(text, '\n', size) && ship_syslog_format(text, size, "a b", &out) == 0) {
        size_t told = 0, at = 0;
        while (at < out.len && out.data[at] >= '0' && out.data[at] <= '9')
            told = told * 10 + (size_t)(out.data[at++] - '0');
        if (at + 1 + told != out.len || out.data[at] != ' ' || out.data[at + 1] != '<')
            __builtin_trap();
    }
    for (size_t n = 0; n < 3; n++)
        if (ship_bulk_answer(text, size, n, &rejected, &e) == 0 && rejected > n)
            __builtin_trap();
    buf_fini(&out);
    return 0;
}
