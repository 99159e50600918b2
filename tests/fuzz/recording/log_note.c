/* Checkpoints: what is read is what was signed, byte by byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recording/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct sign_key *k;
    struct note n;
    struct err e = { 0 };
    if (!k)
        k = sign_key_from_seed((const uint8_t[SIGN_KEY_LEN]){ 1 }, NULL);
    if (note_parse((const char *)data, size, &n, &e) == 0) {
        if (!note_name_valid(n.origin) || n.count == 0 || n.text.len >= size)
            abort();
        struct buf again;
        struct note second;
        buf_init(&again, NOTE_MAX);
        if (note_sign(n.origin, n.size, n.root, k, &again, &e) < 0 ||
            note_parse(again.data, again.len, &second, &e) < 0 || note_verify(&second, k, &e) < 0 ||
            second.size != n.size)
            abort();
        buf_fini(&again);
        note_verify(&n, k, &e);
    } else if (!*e.text) {
        abort();
    }
    return 0;
}
