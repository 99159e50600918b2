/* A tunnel's or callback's query, and paths: any bytes. What comes out is text that may stand in
 * files, headers and protocol elements, and encoding it again gives the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crd/field.h"
#include "guacd/base/enc.h"
#include "proxy/authd/display.h"
#include "proxy/authd/query.h"
#include "proxy/authd/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct handshake_list *l) {
    if (l->count > HANDSHAKE_LIST_MAX)
        abort();
    for (size_t i = 0; i < l->count; i++)
        for (const char *p = l->items[i]; *p; p++)
            if (*p <= ' ' || *p >= 0x7f)
                abort();
}

static void check_display(const struct query *q) {
    struct display d;
    struct err e = { 0 };
    if (display_read(q, &d, &e)) {
        if (!*e.text)
            abort();
        return;
    }
    if (d.info.width < 1 || d.info.width > HANDSHAKE_PIXELS_MAX || d.info.height < 1 ||
        d.info.height > HANDSHAKE_PIXELS_MAX || d.info.dpi < 1 || d.info.image.count == 0)
        abort();
    if (*d.name && (!field_is_label(d.namespace) || !field_is_subdomain(d.name)))
        abort();
    if (*d.session && !uuid_valid(d.session, strlen(d.session)))
        abort();
    if (strstr(d.info.timezone, "..") || d.info.timezone[0] == '/')
        abort();
    check_list(&d.info.image);
    check_list(&d.info.audio);
    check_list(&d.info.video);
    check_list(&d.info.features);
}

static void check_again(const struct query *q) {
    struct buf b;
    struct query r = { 0 };
    struct err e = { 0 };
    buf_init(&b, 3 * QUERY_BYTES_MAX + 4 * QUERY_ITEMS_MAX);
    for (size_t i = 0; i < q->count; i++)
        query_add(&b, q->items[i].name, q->items[i].value);
    if (b.len <= QUERY_BYTES_MAX && !b.failed) {
        if (query_parse(b.data ? b.data : "", b.len, &r, &e) || r.count != q->count)
            abort();
        for (size_t i = 0; i < q->count; i++)
            if (strcmp(q->items[i].name, r.items[i].name) != 0 ||
                strcmp(q->items[i].value, r.items[i].value) != 0)
                abort();
        query_fini(&r);
    }
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct query q = { 0 };
    struct err e = { 0 };
    char params[EXCHANGE_PARAMS][254];
    if (query_parse((const char *)data, size, &q, &e) == 0) {
        check_display(&q);
        check_again(&q);
        const char *to = query_get(&q, "to", "/");
        if (query_is_local(to) && (to[0] != '/' || to[1] == '/' || strchr(to, '\\')))
            abort();
        query_fini(&q);
    }
    char *path = strndup((const char *)data, size);
    if (path && route_match("/api/recordings/:id/objects/:name", path, params) &&
        (strlen(params[0]) > 253 || strlen(params[1]) > 253))
        abort();
    free(path);
    return 0;
}
