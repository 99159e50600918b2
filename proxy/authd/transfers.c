/* See transfers.h. */
#include "proxy/authd/transfers.h"

#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define ROUNDS_MAX 64 /* of 8 each: more than a session keeps */

/* OCSF's file object. */
static json_t *file_of(const json_t *t) {
    const char *path = json_str(t, "s", ""), *name = strrchr(path, '/');
    const char *hash = json_str(t, "sha256", NULL);
    json_t *file = json_pack("{s:s, s:s, s:i}", "path", path, "name", name ? name + 1 : path,
                             "type_id", json_flag(t, "folder", false) ? 2 : 1);
    if (json_is_integer(json_object_get(t, "bytes")))
        json_object_set(file, "size", json_object_get(t, "bytes"));
    if (hash)
        json_object_set_new(file, "hashes",
                            json_pack("[{s:i, s:s, s:s}]", "algorithm_id", 3, "algorithm",
                                      "SHA-256", "value", hash));
    return file;
}

static void tell(struct authd *a, const struct session *s, const json_t *t) {
    char message[400];
    bool up = strcmp(json_str(t, "dir", ""), "in") == 0;
    const char *state = json_str(t, "state", ""), *error = json_str(t, "error", "");
    snprintf(message, sizeof message, "%s of %.200s: %s%s%.100s", up ? "upload" : "download",
             json_str(t, "s", ""), state, *error ? ": " : "", error);
    struct audit_event ev = { .kind = up ? AUDIT_UPLOAD : AUDIT_DOWNLOAD,
                              .success = strcmp(state, "done") == 0,
                              .session = s->id,
                              .number = json_num(t, "n", 0),
                              .message = message,
                              .file = file_of(t),
                              .detail = json_pack("{s:s, s:s, s:s, s:s, s:s}", "connection",
                                                  s->connection, "owner", s->sub, "by",
                                                  json_str(t, "by", ""), "filesystem",
                                                  json_str(t, "fs", ""), "state", state) };
    audit_write(a->audit, &ev);
}

void transfers_audit(struct authd *a, const struct session *s, int64_t *last) {
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct err e = { 0 };
        _json_ json_t *answer = sessions_call(
            a->sessions, s->id,
            json_pack("{s:s, s:I}", "op", "transfers", "after", (json_int_t)*last), NULL, 0, &e);
        const json_t *list = json_object_get(answer, "transfers");
        if (json_array_size(list) == 0)
            return;
        size_t i;
        json_t *t;
        json_array_foreach(list, i, t) {
            int64_t n = json_num(t, "n", 0);
            if (n > *last + 1)
                log_warning("session %s: %lld transfers were forgotten before they were audited; "
                            "its recording has them",
                            s->id, (long long)(n - *last - 1));
            tell(a, s, t);
            *last = MAX_OF(*last, n);
        }
    }
}
