/* base/enc decodes strictly; what it refuses is replaced. */
#include "proxy/authd/text.h"

#include <stdint.h>
#include <string.h>

#include "guacd/base/enc.h"

void text_clean_bytes(char *data, size_t len) {
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = utf8_decode(data + i, len - i, &cp);
        if (n == 0)
            data[i] = '?';
        i += n ? n : 1;
    }
}

char *text_clean(char *s) {
    text_clean_bytes(s, strlen(s));
    return s;
}
