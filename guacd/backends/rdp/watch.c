#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define LOOK_MS 100
#define STACK_BYTES (64u << 10)

static void *main_of_watch(void *arg) {
    struct watch *w = arg;
    struct pollfd stop = { .fd = w->stop, .events = POLLIN };
    while (poll(&stop, 1, LOOK_MS) <= 0) {
        uint64_t deadline = atomic_load(&w->deadline);
        bool ended = session_ending(w->session);
        bool late = deadline && clock_ms() >= deadline;
        if (!ended && !late)
            continue;
        atomic_store(ended ? &w->ended : &w->timed_out, true);
        freerdp_abort_connect_context(w->context);
        int fd = atomic_load(&w->fd);
        if (fd >= 0)
            shutdown(fd, SHUT_RDWR);
    }
    return NULL;
}

int watch_start(struct rdp *r, struct err *e) {
    struct watch *w = &r->watch;
    w->session = r->session;
    w->context = r->context;
    atomic_store(&w->fd, -1);
    atomic_store(&w->deadline, 0);
    w->stop = eventfd(0, EFD_CLOEXEC);
    if (w->stop < 0)
        return err_errno(e, STATUS_SERVER_BUSY, "no event descriptor");
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int failed = pthread_create(&w->thread, &attr, main_of_watch, w);
    pthread_attr_destroy(&attr);
    if (failed) {
        close(w->stop);
        return err_set(e, STATUS_SERVER_BUSY, "no thread to watch the connection");
    }
    w->runs = true;
    return 0;
}

void watch_stop(struct rdp *r) {
    struct watch *w = &r->watch;
    if (!w->runs)
        return;
    uint64_t one = 1;
    if (write(w->stop, &one, sizeof(one)) == sizeof(one))
        pthread_join(w->thread, NULL);
    w->runs = false;
    close(w->stop);
    int fd = atomic_exchange(&w->fd, -1);
    if (fd >= 0)
        close(fd);
}

void watch_socket(struct rdp *r, int fd) {
    int old = atomic_exchange(&r->watch.fd, fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (old >= 0)
        close(old);
}

void watch_allow(struct rdp *r, int ms) {
    atomic_store(&r->watch.deadline, ms ? clock_ms() + (uint64_t)ms : 0);
}
