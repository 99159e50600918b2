#include "guacd/session/typescript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/sink.h"

struct typescript {
    struct sink *data, *timing;
    uint64_t last_us;
    bool broken;
};

/* scriptreplay leaves out the first line, whatever it says. */
static int put_line(struct typescript *t, const char *before, const char *what) {
    char when[64], line[128];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%F %T+00:00", &tm);
    int n = snprintf(line, sizeof(line), "%sScript %s on %s\n", before, what, when);
    return sink_add(t->data, line, (size_t)n);
}

int typescript_open(struct session *s, struct err *e) {
    int fds[2];
    if (s->gateway || !protocol_arg_find(s->protocol, "typescript-path", NULL) ||
        !args_is_set(s->args, "typescript-path"))
        return 0;
    if (channel_files(s, "typescript", true, fds, e) < 0)
        return -1;
    struct typescript *t = s->typescript = calloc(1, sizeof(*t));
    if (!t) {
        close(fds[0]);
        close(fds[1]);
        return err_set(e, STATUS_SERVER_BUSY, "no memory for a typescript");
    }
    t->data = sink_new(fds[0], e);
    t->timing = t->data ? sink_new(fds[1], e) : NULL;
    if (!t->data)
        close(fds[1]);
    if (!t->timing)
        return err_prefix(e, "the typescript that this connection asks for cannot be made"), -1;
    t->last_us = clock_us();
    if (put_line(t, "", "started") < 0)
        return err_set(e, STATUS_SERVER_ERROR, "the typescript cannot be written: %s",
                       sink_why(t->data));
    return 0;
}

static void on_broken(void *arg) {
    struct session *s = arg;
    life_end(s, STATUS_SERVER_ERROR,
             "The typescript could not be written, so the session was ended.");
}

static void tell_broken(struct session *s, int written) {
    if (written >= 0)
        return;
    s->typescript->broken = true;
    loop_post(s->loop, on_broken, s);
}

/* Backend thread. */
void session_typescript(struct session *s, const void *data, size_t len) {
    struct typescript *t = s->typescript;
    if (!t || t->broken)
        return;
    if (!len) {
        tell_broken(s, sink_flush(t->data) | sink_flush(t->timing));
        return;
    }
    uint64_t now = clock_us();
    char line[64];
    int n = snprintf(line, sizeof(line), "%.6f %zu\n", (double)(now - t->last_us) / 1e6, len);
    t->last_us = now;
    int r = sink_add(t->data, data, len) | sink_add(t->timing, line, (size_t)n);
    tell_broken(s, r);
}

void typescript_free(struct session *s) {
    struct typescript *t = s->typescript;
    if (!t)
        return;
    if (t->timing)
        put_line(t, "\n", "done");
    sink_free(t->data);
    sink_free(t->timing);
    free(t);
    s->typescript = NULL;
}
