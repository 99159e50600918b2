/* What an identity provider publishes: key set and discovery, any bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/authd/keyset.h"
#include "proxy/authd/oidc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct err e = { 0 };
    struct oidc_endpoints ep;
    struct config_url u;
    struct keyset *k = keyset_parse(text, size, &e);
    if (!k && !*e.text)
        abort();
    for (size_t i = 0; k && i < k->count; i++)
        if (!k->keys[i].key || !*k->keys[i].kid)
            abort();
    keyset_unref(k);
    if (oidc_discovery(text, size, "https://sso.example/r", &ep, &e) == 0 &&
        (strncmp(ep.token, "https://", 8) != 0 || strncmp(ep.jwks, "https://", 8) != 0))
        abort();
    char *copy = strndup(text, size);
    if (copy && config_url(copy, &u, &e) == 0 && (!*u.host || !u.port || u.path_at > strlen(copy)))
        abort();
    free(copy);
    return 0;
}
