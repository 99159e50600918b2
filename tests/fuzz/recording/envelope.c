/* Envelopes and statements as authd, or somebody in its place, may have made them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/dsse.h"
#include "recording/name.h"
#include "recording/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_statement(const json_t *s) {
    struct open_record o;
    struct seal_record r;
    struct name_prefix p;
    struct err e = { 0 };
    if (open_read(s, &o, &e) == 0) {
        if (!name_prefix_parse(o.prefix, &p) || strcmp(p.session, o.session) != 0)
            abort();
        _sign_key_ struct sign_key *k = sign_key_from_base64(o.session_public_key, &e);
        if (!k)
            abort();
    } else if (!*e.text) {
        abort();
    }
    if (seal_read(s, &r, &e) == 0 && (r.count < 0 || !r.chains[CHAIN_TEXT].head))
        abort();
    _json_ json_t *again = seal_statement(json_object_get(s, "predicate"), "x", "y", NULL, &e);
    if (again)
        abort(); /* of no such session */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsse d = { 0 };
    struct err e = { 0 };
    if (dsse_parse((const char *)data, size, &d, &e) == 0) {
        static struct sign_key *key;
        static const uint8_t seed[SIGN_KEY_LEN] = { 1 };
        key = key ? key : sign_key_from_seed(seed, NULL);
        _json_ json_t *s = dsse_statement(&d, &e);
        dsse_verify(&d, key, &e);
        if (s)
            read_statement(s);
    } else if (!*e.text) {
        abort();
    }
    dsse_fini(&d);
    /* Most of what is found lies behind the base64. */
    _json_ json_t *bare = json_parse((const char *)data, size, DSSE_MAX, NULL);
    if (json_is_object(bare))
        read_statement(bare);
    return 0;
}
