/* A Cookie header and what stands in it: nothing opens that we did not seal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/authd/cookie.h"
#include "proxy/authd/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEYS \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cookie_keys *keys;
    static const char *const names[] = { "guac", "__Host-guac", "guac-pre0", "" };
    const char *text = (const char *)data;
    struct err e = { 0 };
    if (!keys)
        keys = cookie_keys_parse(KEYS, strlen(KEYS), &e);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct slice s = cookie_find(text, size, names[i]);
        if (!s.data)
            continue;
        if (s.data < text || s.data + s.len > text + size)
            abort();
        if (cookie_open(keys, COOKIE_SESSION, s.data, s.len, &e) ||
            cookie_open(keys, COOKIE_PRELOGIN, s.data, s.len, &e))
            abort();
    }
    if (cookie_open(keys, COOKIE_SESSION, text, size, &e))
        abort();
    char *copy = strndup(text, size);
    if (copy && cookie_csrf_check(keys, "sid", copy))
        abort();
    free(copy);
    struct cookie_keys *k = cookie_keys_parse(text, size, &e);
    cookie_keys_free(k);
    return 0;
}
