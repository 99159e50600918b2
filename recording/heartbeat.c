/* Its one spelling, read and written. */
#include "recording/heartbeat.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/proto/status.h"
#include "recording/name.h"

#define FENCE_MAX_MS 86400000

int heartbeat_init(struct heartbeat *h, const char *gateway, uint64_t fence_ms) {
    *h = (struct heartbeat){ .fence_ms = fence_ms, .sessions = json_array() };
    snprintf(h->gateway, sizeof h->gateway, "%s", gateway);
    return h->sessions ? 0 : -1;
}

void heartbeat_fini(struct heartbeat *h) {
    json_decref(h->sessions);
    *h = (struct heartbeat){ 0 };
}

void heartbeat_key(const char *log_bucket, const char *gateway, char out[HEARTBEAT_KEY]) {
    snprintf(out, HEARTBEAT_KEY, "%.64s-head/" HEARTBEAT_FOLDER "%s%.40s", log_bucket,
             *gateway ? "/" : "", gateway);
}

int heartbeat_add(struct heartbeat *h, const char *prefix, uint64_t from) {
    return json_array_append_new(h->sessions, json_pack("[s, I]", prefix, (json_int_t)from));
}

size_t heartbeat_count(const struct heartbeat *h) {
    return json_array_size(h->sessions);
}

const char *heartbeat_get(const struct heartbeat *h, size_t i, uint64_t *from) {
    const json_t *pair = json_array_get(h->sessions, i);
    if (from)
        *from = (uint64_t)json_integer_value(json_array_get(pair, 1));
    return json_string_value(json_array_get(pair, 0));
}

bool heartbeat_has(const struct heartbeat *h, const char *id) {
    for (size_t i = 0; i < heartbeat_count(h); i++) {
        const char *slash = strrchr(heartbeat_get(h, i, NULL), '/');
        if (slash && strcmp(slash + 1, id) == 0)
            return true;
    }
    return false;
}

int heartbeat_write(const struct heartbeat *h, struct buf *out, struct err *e) {
    _json_ json_t *o = json_pack("{s:s, s:I, s:O}", "gateway", h->gateway, "fenceMs",
                                 (json_int_t)h->fence_ms, "sessions", h->sessions);
    if (o && *h->by)
        json_object_set_new(o, "by", json_string(h->by));
    if (o && h->taken)
        json_object_set_new(o, "taken", json_true());
    return o && json_write(o, out) == 0 ? 0 : err_set(e, 0, "no memory for a list of sessions");
}

static bool good(const json_t *pair) {
    struct name_prefix p;
    const char *prefix = json_string_value(json_array_get(pair, 0));
    const json_t *from = json_array_get(pair, 1);
    return json_array_size(pair) == 2 && prefix && strlen(prefix) < NAME_PREFIX_SIZE &&
           name_prefix_parse(prefix, &p) && json_is_integer(from) && json_integer_value(from) >= 0;
}

int heartbeat_parse(const char *text, size_t len, struct heartbeat *out, struct err *e) {
    _json_ json_t *o = json_parse(text, len, HEARTBEAT_MAX, e);
    const char *gateway = json_str(o, "gateway", ""), *by = json_str(o, "by", "");
    json_t *sessions = json_object_get(o, "sessions");
    int64_t fence = json_num(o, "fenceMs", 0);
    if (!o)
        return err_prefix(e, "alive");
    if (!uuid_valid(gateway, strlen(gateway)) || (*by && !uuid_valid(by, strlen(by))) ||
        fence <= 0 || fence > FENCE_MAX_MS || !json_is_array(sessions))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "alive: a member is missing or malformed");
    for (size_t i = 0; i < json_array_size(sessions); i++)
        if (!good(json_array_get(sessions, i)))
            return err_set(e, STATUS_CLIENT_BAD_REQUEST, "alive: session %zu is malformed", i);
    *out = (struct heartbeat){ .fence_ms = (uint64_t)fence,
                               .taken = json_flag(o, "taken", false),
                               .sessions = json_incref(sessions) };
    snprintf(out->gateway, sizeof out->gateway, "%s", gateway);
    snprintf(out->by, sizeof out->by, "%s", by);
    return 0;
}
