/* An address policy and an address: the first 18 bytes are an IPv6 address and a port, the next
 * line is the allow list, the rest the deny list. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/dial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sockaddr_in6 in = { .sin6_family = AF_INET6 };
    if (size < 18)
        return 0;
    memcpy(&in.sin6_addr, data, 16);
    memcpy(&in.sin6_port, data + 16, 2);
    size -= 18;
    char *allow = malloc(size + 1);
    memcpy(allow, data + 18, size);
    allow[size] = '\0';
    char *deny = strchr(allow, '\n');
    if (deny)
        *deny++ = '\0';
    struct err e = { 0 };
    const struct dial_policy p = { .allow = allow, .deny = deny };
    const struct dial_policy denied = { .deny = allow, .any = true }, open = { .allow = allow };
    const struct dial_policy any = { .deny = deny, .any = true };
    const struct sockaddr *address = (const struct sockaddr *)&in;
    int r = dial_check(&p, address, &e);
    if (r < 0 && e.status != 0x0303)
        abort();
    if (r == 0 && dial_check(&any, address, NULL) < 0)
        abort(); /* `any` never refuses more */
    if (dial_allowed_by_name(&open, address) && dial_check(&denied, address, NULL) == 0)
        abort(); /* what a list allows by name, the same list denies */
    dial_listed(deny, allow);
    e = (struct err){ 0 };
    if (dial_policy_check(&p, &e) < 0 && !e.text[0])
        abort();
    free(allow);
    return 0;
}
