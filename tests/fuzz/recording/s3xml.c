/* A store's answers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recording/s3xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_key(void *arg, const char *key, uint64_t size, bool prefix) {
    (void)size, (void)prefix;
    if (!*key)
        abort();
    return ++*(int *)arg == 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int count = 0;
    struct s3_listing l = { .fn = on_key, .arg = &count };
    struct err e = { 0 };
    char said[200];
    if (s3_listing_parse((const char *)data, size, &l, &e) < 0 && !l.stopped && !*e.text)
        abort();
    s3_listing_fini(&l);
    s3_error_parse((const char *)data, size, said, sizeof said);
    for (const char *p = said; *p; p++)
        if ((unsigned char)*p < ' ')
            abort();
    return 0;
}
