/* Messages on a session's control socket: lines of JSON, each with or without a descriptor. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/session/control.h"
#include "guacd/session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct options options = { .mode = (char[]){ "stock" },
                                  .run = (char[]){ "/nonexistent" },
                                  .trusted_uids = (char[]){ "" },
                                  .backends = (char[]){ "/nonexistent" } };

static void one(struct session *s, const char *text, size_t len) {
    struct err e = { 0 };
    _json_ json_t *msg = json_parse(text, len, 65536, &e);
    int ends[2] = { -1, -1 };
    if (!msg)
        return;
    if (len % 2 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        abort();
    int fd = ends[0];
    json_t *answer = control_answer(s, msg, &fd);
    if (!answer || !json_is_boolean(json_object_get(answer, "ok")))
        abort();
    json_decref(answer);
    if (fd >= 0)
        close(fd);
    if (ends[1] >= 0)
        close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    log_init("fuzz", LOG_LEVEL_ERROR);
    struct err e = { 0 };
    struct session *s = session_new(&options, &e);
    if (!s)
        abort();
    s->protocol = protocol_find("demo");
    s->args = args_new(s->protocol);
    strcpy(s->id, "fuzz");
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end ? (size_t)(end - data) - at : size - at;
        one(s, (const char *)data + at, len);
        for (struct user *u = s->users; u; u = u->next)
            if (u->phase == USER_HANDSHAKE) { /* who joined is there at once */
                u->phase = USER_LIVE;
                u->number = ++s->last_number;
                u->ours = true;
            }
        at += len + 1;
    }
    session_free(s);
    return 0;
}
