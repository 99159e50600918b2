/* A recording's text may hold sequences that rewrite a terminal's title, or its screen. */
#include "recording/evidence/print.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/base/json.h"

#define LINE_MAX_BYTES ((size_t)16 << 20)

void print_clean(const char *text, int width) {
    int n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++, n++) {
        /* U+0080 to U+009F are control characters, too: C2 80 to C2 9F. */
        if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            p++;
        else if (*p >= ' ' && *p != 0x7f) {
            putchar(*p);
            continue;
        }
        putchar('?');
    }
    for (; n < width; n++)
        putchar(' ');
}

int print_json(const json_t *o, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, LINE_MAX_BYTES);
    if (!o || json_write(o, &b) < 0)
        return err_set(e, 0, "no memory for the answer");
    printf("%s\n", buf_str(&b));
    return 0;
}
