/* libssh2's memory. It holds passwords, passphrases and session keys in plain blocks and frees them
 * as they are, so every block is wiped when it is freed. Blocks are malloc's own: in some places
 * (ECDSA keys) libssh2 frees by free() what it allocated by these. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/ssh/ssh.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"

void *ssh_alloc(size_t size, void **arg) {
    (void)arg;
    return malloc(size);
}

void ssh_free(void *p, void **arg) {
    (void)arg;
    if (p)
        secret_wipe(p, malloc_usable_size(p));
    free(p);
}

void *ssh_realloc(void *p, size_t size, void **arg) {
    void *fresh = malloc(size);
    if (fresh && p) {
        memcpy(fresh, p, MIN_OF(malloc_usable_size(p), size));
        ssh_free(p, arg);
    }
    return fresh;
}
