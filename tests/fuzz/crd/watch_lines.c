/* A watch's bytes, cut anywhere: in one piece and in pieces of the first byte's size the events are
 * the same, each is whole, and nothing is believed behind what is wrong. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crd/cluster_status.h"
#include "crd/resource.h"
#include "crd/watch_lines.h"
#include "guacd/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    size_t events;
    uint64_t mix; /* of what they said */
};

static void typed(const json_t *object) {
    struct resource *r = resource_read(RESOURCE_LOCK, object, "fuzz");
    resource_unref(r);
    struct connection *c = connection_read(object, "fuzz");
    struct cluster_status_seen seen;
    cluster_status_read(object, &seen);
    json_t *status = c ? cluster_status_make(c, &seen, 1, NULL, 1795312345000) : NULL;
    if (c && !status)
        abort();
    json_t *wrapped = json_pack("{s:O}", "status", status);
    struct cluster_status_seen written;
    cluster_status_read(wrapped, &written);
    if (status && !cluster_status_same(&written, status))
        abort(); /* it would be written again for ever */
    cluster_status_fini(&written);
    cluster_status_fini(&seen);
    json_decref(wrapped);
    json_decref(status);
    connection_unref(c);
}

static int on_event(void *arg, const struct watch_event *event) {
    struct told *t = arg;
    t->events++;
    t->mix = t->mix * 31 + (uint64_t)event->type + (uint64_t)event->code;
    if (!event->object || (event->type != WATCH_ERROR && !*event->version))
        abort();
    for (const char *p = event->version; p && *p; p++)
        t->mix = t->mix * 31 + (unsigned char)*p;
    typed(event->object);
    return event->type == WATCH_ERROR ? 7 : 0;
}

static int feed(const uint8_t *data, size_t size, size_t piece, struct told *t) {
    struct watch_lines w;
    struct err e = { 0 };
    int rc = 0;
    watch_lines_init(&w);
    for (size_t at = 0; rc == 0 && at < size; at += piece)
        rc =
            watch_lines_feed(&w, data + at, size - at < piece ? size - at : piece, on_event, t, &e);
    watch_lines_fini(&w);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct told whole = { 0 }, pieces = { 0 };
    if (size < 2)
        return 0;
    int a = feed(data + 1, size - 1, size, &whole);
    int b = feed(data + 1, size - 1, (size_t)data[0] + 1, &pieces);
    if (a != b || whole.events != pieces.events || whole.mix != pieces.mix)
        abort();
    return 0;
}
