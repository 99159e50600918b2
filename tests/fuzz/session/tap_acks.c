/* What a recorder answers on the tap: a recorder gone mad must not take the session's memory along.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/base/log.h"
#include "guacd/session/tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_change(void *arg) {
    (void)tap_state(*(struct tap **)arg);
}

static void stop(void *arg) {
    loop_stop(arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    log_init("fuzz", LOG_LEVEL_ERROR);
    struct err e = { 0 };
    static const struct tap_limits limits = { 1000, 5000, 5000, 10000 };
    struct loop *loop = loop_new(&e);
    struct loop_timer *timer = loop ? loop_timer_new(loop, stop, loop) : NULL;
    static struct tap *tap;
    tap = timer ? tap_new(loop, &limits, on_change, &tap, &e) : NULL;
    int ends[2];
    if (!tap || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        abort();
    tap_attach(tap, ends[0], 0, &e);
    struct chunk *c = chunk_copy("7.example;", 10);
    for (size_t at = 0; at < size;) {
        tap_add(tap, TAP_DATA, at, c);
        size_t n = size - at < 48 ? size - at : 48;
        if (send(ends[1], data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
            break;
        at += n;
        loop_timer_set(timer, 0);
        loop_run(loop);
    }
    chunk_unref(c);
    tap_free(tap);
    close(ends[1]);
    loop_timer_free(timer);
    loop_free(loop);
    return 0;
}
