/* A user-mapping.xml: any bytes. Whatever comes in, each resource that comes out is one that the
 * gateway takes without an error, is the same after it was written as YAML and read again, and
 * holds no secret. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crd/connection.h"
#include "crd/parameters.h"
#include "crd/yamldoc.h"
#include "deploy/import/convert.h"
#include "deploy/import/usermap.h"
#include "guacd/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(void *arg, json_t *doc, int line) {
    (void)line;
    if (!json_equal(doc, arg))
        abort();
    return 0;
}

static void check(const json_t *one) {
    const json_t *resource = json_object_get(one, "resource");
    struct connection *c = connection_read(resource, "fuzz");
    struct err e = { 0 };
    struct buf yaml;
    if (!c || !connection_usable(c) || strcmp(c->name, json_str(one, "name", "")) != 0)
        abort();
    const json_t *secrets = json_object_get(one, "secrets");
    if ((c->credentials.secret != NULL) != (json_object_size(secrets) > 0))
        abort();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)secrets, key,
                        value) if (!parameters_secret_may(c->protocol, key) ||
                                   json_object_get(c->parameters, key)) abort();
    buf_init(&yaml, 4u << 20);
    if (convert_yaml(resource, &yaml) ||
        yamldoc_each(yaml.data, yaml.len, same, (void *)(uintptr_t)resource, &e))
        abort();
    buf_fini(&yaml);
    connection_unref(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err e = { 0 };
    static const struct convert_options o = { "relay", NULL, "recordings", 30, true };
    json_t *map = usermap_parse((const char *)data, size, &e), *one;
    if (!map) {
        if (!*e.text)
            abort();
        return 0;
    }
    json_t *plan = convert(map, &o, &e);
    size_t i;
    json_array_foreach(json_object_get(plan, "connections"), i, one) check(one);
    json_decref(plan);
    json_decref(map);
    return 0;
}
