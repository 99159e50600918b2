/* Keys as they come off the wire: modifiers, modes and any keysym. What is sent fits its buffer,
 * and a character comes out as UTF-8. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/term/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct key_state s = { 0 };
    for (; size >= 6; data += 6, size -= 6) {
        struct key_modes m = { .app_cursor = data[0] & 1,
                               .app_keypad = data[0] & 2,
                               .newline = data[0] & 4,
                               .vt100 = data[0] & 8,
                               .backspace = data[0] & 16 ? 8 : 127 };
        uint32_t keysym;
        memcpy(&keysym, data + 1, 4);
        if (data[0] & 32) /* most of the room is empty: come near the tables */
            keysym &= 0xFFFF;
        if (keys_modifier(&s, keysym, data[5] & 1))
            continue;
        char out[KEYS_MAX];
        size_t n = keys_encode(&s, &m, keysym, out);
        if (n > KEYS_MAX || utf8_count(out, n) < 0)
            abort();
        uint32_t cp = keys_unicode(keysym);
        if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000) || (cp && cp < 0x20))
            abort();
    }
    return 0;
}
