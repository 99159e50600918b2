/* A file of a connections folder: any bytes. Whatever comes in, each connection is whole (no NULL a
 * reader would trip over), errors are bounded, and what was read again is the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crd/folder_file.h"
#include "guacd/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void whole(const struct connection *c) {
    char target[400];
    if (!c->namespace || !c->name || !c->uid || !c->version || !c->title || !c->source ||
        !c->roles || !c->jit.approvers || !c->host_key.keys || !c->parameters || !c->spec ||
        !c->recording.bucket || json_array_size(c->errors) > 66)
        abort();
    connection_target(c, target, sizeof target);
    if (connection_usable(c) && (!c->protocol || json_array_size(c->roles) == 0 || !*c->name ||
                                 strlen(c->spec_sha256) != 64))
        abort();
    if (c->credentials.from == CREDENTIALS_SECRET && connection_usable(c) && !c->credentials.secret)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct folder_file *f = folder_file_new("fuzz.yaml");
    if (!f)
        return 0;
    folder_file_parse(f, (const char *)data, size);
    size_t count = f->connection_count;
    for (size_t i = 0; i < count; i++)
        whole(f->connections[i]);
    folder_file_parse(f, (const char *)data, size);
    for (size_t i = 0; i < f->connection_count; i++)
        whole(f->connections[i]);
    folder_file_free(f);
    return 0;
}
