/* A backend that is an attacker: it takes the place of a protocol's .so in a folder of its own, and
 * serves probes in each stage of guacd-session's sandbox, on the session's own threads. It reaches
 * the test by TCP, at the port that `probe.port` beside its .so names, while stage A still lets it
 * connect; a descriptor that it has from then on is all it needs later.
 *
 * Requests of its own: `port P` in warm() (what ports() answers), `needs N` (SANDBOX_NEED_*), `dial
 * HOST PORT` and `lock` in open(). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "guacd/session/backend.h"
#include "tests/probe/probes.h"

#define PATIENCE_S 30
#define STACK_BYTES (256u << 10)

static int channel = -1, dialled = -1;
static uint16_t port;
static struct session *session;

extern struct backend backend;

static int connect_to_test(void) {
    Dl_info self;
    char path[256], text[16] = "";
    if (!dladdr(&backend, &self))
        return -1;
    const char *slash = strrchr(self.dli_fname, '/');
    int folder = slash ? (int)(slash - self.dli_fname) : 0;
    snprintf(path, sizeof path, "%.*s/probe.port", folder, self.dli_fname);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (n <= 0)
        return -1;
    close(file);
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(text)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval limit = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
        return -1;
    return fd;
}

static int on_warm(const char *name, char **words, long *value) {
    (void)value;
    if (strcmp(name, "port") == 0)
        port = (uint16_t)atoi(words[0]);
    else if (strcmp(name, "needs") == 0)
        backend.sandbox_needs = (unsigned)atoi(words[0]);
    else
        return EINVAL;
    return 0;
}

static int on_open(const char *name, char **words, long *value) {
    (void)value;
    struct err e = { 0 };
    errno = 0;
    int r = -1;
    if (strcmp(name, "lock") == 0)
        r = session_lock(session, &e);
    else if (strcmp(name, "dial") == 0)
        r = session_dial(session, words[0], (uint16_t)atoi(words[1]), 3000, &dialled, &e);
    return r == 0 ? 0 : errno ? errno : EINVAL;
}

static int probe_warm(void *state, struct err *e) {
    (void)state;
    channel = connect_to_test();
    if (channel < 0)
        return err_errno(e, 0x0200, "the probe does not reach its test");
    probes_serve(channel, "warm", on_warm);
    probes_arm(channel);
    return 0;
}

static size_t probe_ports(const struct args *args, uint16_t *out, size_t max) {
    (void)args;
    if (!port || !max)
        return 0;
    out[0] = port;
    return 1;
}

static int probe_open(struct session *s, void *state, const struct args *args, struct err *e) {
    (void)state;
    (void)args;
    session = s;
    probes_serve(channel, "open", on_open);
    return session_lock(s, e);
}

static void *further_thread(void *arg) {
    (void)arg;
    probes_serve(channel, "thread", NULL);
    return NULL;
}

static int probe_run(struct session *s, void *state, struct err *e) {
    (void)state;
    pthread_t thread;
    pthread_attr_t attr;
    probes_serve(channel, "run", NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int r = pthread_create(&thread, &attr, further_thread, NULL);
    pthread_attr_destroy(&attr);
    if (r)
        return err_set(e, 0x0200, "no further thread: %s", strerror(r));
    pthread_join(thread, NULL);
    for (;;) {
        struct event ev;
        struct pollfd p = { .fd = session_event_fd(s), .events = POLLIN };
        poll(&p, 1, 1000);
        while (session_next_event(s, &ev)) {
            enum event_type type = ev.type;
            event_fini(&ev);
            if (type == EVENT_END)
                return 0;
        }
    }
}

static void probe_close(struct session *s, void *state) {
    (void)s;
    (void)state;
    if (dialled >= 0)
        close(dialled);
    close(channel);
}

/* Not const as a real one is: its needs are said by the test. */
__attribute__((visibility("default"))) struct backend backend = {
    .name = "demo",
    .state_size = 1,
    .warm = probe_warm,
    .ports = probe_ports,
    .open = probe_open,
    .run = probe_run,
    .close = probe_close,
};
