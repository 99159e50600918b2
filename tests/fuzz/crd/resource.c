/* A file of the gateway's own kinds: any bytes. The first one chooses the kind. Whatever comes in,
 * the resource is whole; what is usable is the same after it was written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crd/resources_file.h"
#include "guacd/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void whole(const struct resource *r) {
    if (!r->namespace || !r->name || !r->source || !r->metadata ||
        json_array_size(r->errors) > FIELD_ERRORS_MAX + 1)
        abort();
    if (!resource_usable(r))
        return;
    if (!*r->name)
        abort();
    if (r->kind == RESOURCE_LOCK &&
        !!r->lock.sid + !!r->lock.sub + !!r->lock.connection + !!r->lock.session != 1)
        abort();
    if (r->kind == RESOURCE_REQUEST && (!r->request.connection || r->request.minutes < 1))
        abort();
    if (r->kind == RESOURCE_APPROVAL && (!r->approval.request || !r->approval.request_uid))
        abort();
    if (r->kind == RESOURCE_SESSION && strlen(r->name) != 36)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err e = { 0 };
    json_t *doc = NULL;
    if (size < 1 || resources_file_parse((const char *)data + 1, size - 1, &doc, &e))
        return 0;
    struct resource *r = resource_read((enum resource_kind)(data[0] % RESOURCE_KINDS), doc, "fuzz");
    json_decref(doc);
    if (!r)
        return 0;
    whole(r);
    if (resource_usable(r)) {
        json_t *written = resource_write(r);
        struct resource *again = written ? resource_read(r->kind, written, "again") : NULL;
        json_t *twice = again ? resource_write(again) : NULL;
        if (!again || !resource_usable(again) || !twice || !json_equal(written, twice))
            abort();
        json_decref(twice);
        json_decref(written);
        resource_unref(again);
    }
    resource_unref(r);
    return 0;
}
