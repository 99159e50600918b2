#include "crd/cluster_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"

#define MESSAGE_MAX 32000 /* bytes of a condition's message; the API takes 32768 */

static const json_t *ready_of(const json_t *status) {
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(status, "conditions"), i,
                       c) if (strcmp(json_str(c, "type", ""), "Ready") == 0) return c;
    return NULL;
}

/* What counts, as a digest: times do not. */
static void facts_of(const json_t *status, char out[65]) {
    const json_t *ready = ready_of(status), *errors = json_object_get(status, "errors");
    struct buf text;
    buf_init(&text, 262144);
    _json_ json_t *facts = json_pack(
        "{s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:O?}", "generation",
        (json_int_t)json_num(status, "observedGeneration", -1), "status",
        json_str(ready, "status", ""), "reason", json_str(ready, "reason", ""), "message",
        json_str(ready, "message", ""), "of", (json_int_t)json_num(ready, "observedGeneration", -1),
        "active", (json_int_t)json_num(status, "activeSessions", -1), "recording",
        json_str(status, "lastRecording", ""), "errors",
        json_array_size(errors) ? (json_t *)(uintptr_t)errors : NULL);
    if (facts && json_write(facts, &text) == 0)
        sha256_hex(text.data, text.len, out);
    else
        out[0] = '\0';
    buf_fini(&text);
}

void cluster_status_read(const json_t *object, struct cluster_status_seen *out) {
    const json_t *status = json_object_get(object, "status"), *ready = ready_of(status);
    size_t i;
    json_t *c;
    *out = (struct cluster_status_seen){ 0 };
    out->generation = json_num(json_object_get(object, "metadata"), "generation", 0);
    facts_of(status, out->facts);
    snprintf(out->ready, sizeof out->ready, "%s", json_str(ready, "status", ""));
    snprintf(out->since, sizeof out->since, "%s", json_str(ready, "lastTransitionTime", ""));
    json_array_foreach(json_object_get(status, "conditions"), i, c) {
        if (c == ready)
            continue;
        if (!out->others)
            out->others = json_array();
        json_array_append(out->others, c);
    }
    const char *recording = json_str(status, "lastRecording", NULL);
    out->recording = recording ? strdup(recording) : NULL;
}

void cluster_status_fini(struct cluster_status_seen *s) {
    json_decref(s->others);
    free(s->recording);
    *s = (struct cluster_status_seen){ 0 };
}

static json_t *message_of(const struct connection *c) {
    struct buf text _buf_cleanup_;
    size_t i;
    json_t *error;
    buf_init(&text, MESSAGE_MAX);
    if (connection_usable(c))
        buf_puts(&text, "All fields are valid.");
    json_array_foreach(c->errors, i, error)
        buf_printf(&text, "%s%s", i ? "; " : "", json_string_value(error));
    text.failed = false; /* cut at an error's end */
    return json_string(buf_str(&text));
}

json_t *cluster_status_make(const struct connection *c, const struct cluster_status_seen *seen,
                            long active, const char *recording, uint64_t wall_ms) {
    char now[32];
    const char *ready = connection_usable(c) ? "True" : "False", *since = now;
    clock_format(wall_ms / 1000 * 1000, now, sizeof now);
    now[19] = 'Z'; /* the API's form: no fraction */
    now[20] = '\0';
    if (strcmp(ready, seen->ready) == 0 && *seen->since)
        since = seen->since;
    json_t *conditions = seen->others ? json_copy(seen->others) : json_array();
    json_array_append_new(conditions,
                          json_pack("{s:s, s:s, s:s, s:o, s:s, s:I}", "type", "Ready", "status",
                                    ready, "reason", connection_usable(c) ? "Valid" : "Invalid",
                                    "message", message_of(c), "lastTransitionTime", since,
                                    "observedGeneration", (json_int_t)seen->generation));
    json_t *status = json_pack("{s:I, s:o, s:I, s:O}", "observedGeneration",
                               (json_int_t)seen->generation, "conditions", conditions,
                               "activeSessions", (json_int_t)active, "errors", c->errors);
    if (!recording)
        recording = seen->recording;
    if (recording)
        json_object_set_new(status, "lastRecording", json_string(recording));
    return status;
}

bool cluster_status_same(const struct cluster_status_seen *seen, const json_t *status) {
    char facts[65];
    facts_of(status, facts);
    return strcmp(facts, seen->facts) == 0;
}
