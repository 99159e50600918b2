/* A token: any bytes. It never verifies under keys whose private halves nobody has; claims that
 * parse are checked without harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "proxy/authd/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Public keys made once by openssl; their private halves were thrown away. */
static const char jwks[] =
#include "tests/fuzz/authd/jwks.inc"
    ;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct keyset *keys;
    struct err e = { 0 };
    enum keyset_alg alg;
    bool unknown;
    if (!keys && !(keys = keyset_parse(jwks, strlen(jwks), &e)))
        abort();
    char *text = strndup((const char *)data, size);
    if (!text)
        return 0;
    struct token_expect x = {
        .issuer = "https://i", .client = "c", .nonce = "n", .now = 1000, .access_token = "a"
    };
    json_t *claims = token_open(text, keys, &alg, &unknown, &e);
    if (claims || !*e.text)
        abort();
    _json_ json_t *o = json_parse(text, strlen(text), TOKEN_MAX, &e);
    if (o) {
        _json_ json_t *roles = json_array();
        for (int a = KEYSET_RS256; a <= KEYSET_EDDSA; a++) {
            x.access = a == KEYSET_ES256;
            enum failure f = token_check(o, (enum keyset_alg)a, &x, &e);
            if (f == FAILURE_NONE && strcmp(json_str(o, "iss", ""), "https://i") != 0)
                abort();
        }
        if (token_check_logout(o, &x, &e) == FAILURE_NONE && !*json_str(o, "jti", ""))
            abort();
        token_roles(o, "realm_access.roles", roles);
        token_roles(o, json_str(o, "path", "a.b\\.c"), roles);
        if (json_array_size(roles) > 256)
            abort();
    }
    free(text);
    return 0;
}
