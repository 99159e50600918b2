/* What another replica's proxy sends in front: a length and as many bytes, in any pieces; and the
 * address that a session's resource names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/proxy/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct {
        unsigned width;
        size_t max;
    } kinds[] = { { 2, CHANNEL_TICKET_MAX }, { 4, CHANNEL_MESSAGE_MAX } };
    for (size_t i = 0; i < 2; i++) {
        size_t len = 0;
        int whole = channel_whole(data, size, kinds[i].width, kinds[i].max, &len);
        if (len > kinds[i].max || (whole > 0 && (len == 0 || kinds[i].width + len > size)))
            __builtin_trap();
        for (size_t part = 0; part < size && part < 64; part++) {
            size_t early = 0;
            int then = channel_whole(data, part, kinds[i].width, kinds[i].max, &early);
            if (then < 0 ? whole >= 0 : then > 0 && (whole <= 0 || early != len))
                __builtin_trap(); /* more bytes never make good what was bad, nor change a whole */
        }
    }
    struct sockaddr_storage sa;
    struct err e = { 0 };
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (channel_address(text, &sa, &e) == 0 && sa.ss_family != AF_INET && sa.ss_family != AF_INET6)
        __builtin_trap();
    free(text);
    return 0;
}
