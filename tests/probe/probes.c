/* Serving: a request at a time, in whatever thread and stage the caller is. */
#include "tests/probe/probes.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/probe/probes_parts.h"

#define WORDS 4

/* A handler has little stack, and one serves at a time. */
static char request[1024], words_said[1024], answer[2048];

static void say(int fd) {
    (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
}

static const struct probe *find(const char *name) {
    static const struct probe *const tables[] = { probes_files, probes_programs, probes_network,
                                                  probes_processes };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct probe *p = tables[i]; p->name; p++)
            if (strcmp(p->name, name) == 0)
                return p;
    return NULL;
}

/* False: no more is asked for. The end is answered too: on a stream the next request may only
 * follow when this serving is over, else two threads read the one channel. */
static bool serve_one(int fd, int (*other)(const char *, char **, long *)) {
    ssize_t n;
    do
        n = recv(fd, request, sizeof request - 1, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    request[n] = '\0';
    if (strcmp(request, "done") == 0) {
        strcpy(answer, "{\"probe\":\"done\"}");
        say(fd);
        return false;
    }
    char *words[WORDS + 1] = { 0 };
    int count = 0;
    for (char *tab = strchr(request, '\t'); tab && count < WORDS; tab = strchr(tab, '\t')) {
        *tab++ = '\0';
        words[count++] = tab;
    }
    words_said[0] = '\0';
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(words_said + len, sizeof words_said - len, "%s\"%s\"", i ? "," : "",
                                words[i]);
    const struct probe *p = find(request);
    long value = 0;
    int e = EINVAL;
    if (p && p->words == count)
        e = p->fn(words, &value);
    else if (!p && other)
        e = other(request, words, &value);
    const char *name = e ? strerrorname_np(e) : "";
    snprintf(answer, sizeof answer,
             "{\"probe\":\"%s\",\"words\":[%s],\"error\":\"%s\",\"value\":%ld}", request,
             words_said, name ? name : "?", value);
    say(fd);
    return true;
}

void probes_serve(int fd, const char *stage, int (*other)(const char *, char **, long *)) {
    snprintf(answer, sizeof answer, "{\"stage\":\"%s\",\"thread\":%ld}", stage,
             (long)syscall(SYS_gettid));
    say(fd);
    while (serve_one(fd, other))
        ;
}

static int armed = -1;

static void on_signal(int signo) {
    (void)signo;
    int saved = errno;
    probes_serve(armed, "signal", NULL);
    errno = saved;
}

void probes_arm(int fd) {
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigfillset(&act.sa_mask);
    armed = fd;
    sigaction(PROBE_SIGNAL, &act, NULL);
}
