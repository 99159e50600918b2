/* guac-load: a Guacamole client that measures. It drives any daemon, ours or a peer's, over TCP or
 * a Unix socket, answers every sync at once and draws nothing.
 *
 *   guac-load WHERE [name=value …] -- MODE [ARGUMENT …]
 *
 * WHERE: host:port or a socket's path; name=value: `select=ssh` and connection parameters. Modes:
 *   first               from `select` to the first frame, and to the first that draws
 *   echo N              N keys 40 ms apart: key to the frame that follows it
 *   run COMMAND FILE    types COMMAND, waits until FILE appears and the picture rests
 *   interrupt COMMAND   types COMMAND (a flood), Ctrl-C after 2 s: to the last frame
 *   watch SECONDS       counts frames and bytes; "ready" on stdout before
 *   stall SECONDS       never reads; "ready" on stdout before
 *   selects N           N clients at once: until each is answered
 *   get PATH            downloads a file of the target
 *   put PATH BYTES AHEAD  uploads as much, AHEAD blobs before the first is acknowledged
 * One JSON object on stdout. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "guacd/base/buf.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/instr.h"

#include <time.h>

#define READ_MAX 262144
#define PARAMS_MAX 64
#define SETTLE_MS 400.0

static struct { const char *name, *value; } params[PARAMS_MAX];
static size_t param_count;
static const char *where, *protocol = "ssh";

struct client {
    int fd;
    struct buf in;
    double started; /* ms */
    double ready, first_sync, first_draw, last_sync;
    uint64_t bytes, frames;
    bool drew, busy, ended;
    char id[64], end[128];
    /* files: one at a time */
    struct buf answers; /* sent when what was read is through */
    char object[12], stream[12];
    uint64_t file_bytes, acks;
    int refused;
    bool file_ended;
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what) {
    fprintf(stderr, "guac-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int dial(void) {
    if (where[0] == '/') {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        snprintf(sa.sun_path, sizeof sa.sun_path, "%s", where);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
            die(where);
        return fd;
    }
    char host[256];
    snprintf(host, sizeof host, "%s", where);
    char *colon = strrchr(host, ':');
    if (!colon)
        die("WHERE is host:port");
    *colon = '\0';
    struct addrinfo *ai = NULL, hints = { .ai_socktype = SOCK_STREAM };
    if (getaddrinfo(host, colon + 1, &hints, &ai) != 0)
        die(where);
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
        die(where);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    freeaddrinfo(ai);
    return fd;
}

static void say(struct client *c, struct buf *b) {
    for (size_t at = 0; at < b->len;) {
        ssize_t n = send(c->fd, b->data + at, b->len - at, MSG_NOSIGNAL);
        if (n < 0) {
            c->ended = true;
            return;
        }
        at += (size_t)n;
    }
}

static void key(struct client *c, int keysym) {
    char sym[12];
    _buf_cleanup_ struct buf b;
    buf_init(&b, 256);
    snprintf(sym, sizeof sym, "%d", keysym);
    instr_put(&b, "key", sym, "1", NULL);
    instr_put(&b, "key", sym, "0", NULL);
    say(c, &b);
}

static void type_text(struct client *c, const char *text) {
    for (; *text; text++)
        key(c, (unsigned char)*text);
    key(c, 0xff0d);
}

static const char *param(struct slice name) {
    for (size_t i = 0; i < param_count; i++)
        if (slice_is(name, params[i].name))
            return params[i].value;
    return "";
}

static void answer_args(struct client *c, const struct instr *in) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 1 << 20);
    instr_put(&b, "size", "1024", "768", "96", NULL);
    instr_put(&b, "audio", NULL);
    instr_put(&b, "video", NULL);
    instr_put(&b, "image", "image/png", "image/jpeg", "image/webp", NULL);
    instr_put(&b, "timezone", "Etc/UTC", NULL);
    instr_begin(&b, "connect");
    for (size_t i = 0; i < in->argc; i++)
        if (i == 0)
            instr_str(&b, "VERSION_1_5_0");
        else
            instr_str(&b, param(in->argv[i]));
    instr_end(&b);
    say(c, &b);
}

static void on_sync(struct client *c, const struct instr *in) {
    double t = now_ms();
    char stamp[32];
    c->frames++;
    c->last_sync = t;
    if (!c->first_sync)
        c->first_sync = t;
    if (c->drew && !c->first_draw)
        c->first_draw = t;
    if (in->argc > 0 && instr_to_str(in->argv[0], stamp, sizeof stamp)) {
        _buf_cleanup_ struct buf b;
        buf_init(&b, 256);
        instr_put(&b, "sync", stamp, NULL);
        say(c, &b);
    }
}

static void on_file(struct client *c, const struct instr *in) {
    if (slice_is(in->opcode, "filesystem") && in->argc > 0) {
        instr_to_str(in->argv[0], c->object, sizeof c->object);
    } else if (slice_is(in->opcode, "body") && in->argc > 1) {
        instr_to_str(in->argv[1], c->stream, sizeof c->stream);
        instr_put(&c->answers, "ack", c->stream, "OK", "0", NULL);
    } else if (slice_is(in->opcode, "blob") && in->argc > 1 && slice_is(in->argv[0], c->stream)) {
        size_t n = in->argv[1].len, pad = 0;
        while (pad < n && in->argv[1].data[n - 1 - pad] == '=')
            pad++;
        c->file_bytes += n / 4 * 3 - pad;
        instr_put(&c->answers, "ack", c->stream, "OK", "0", NULL);
    } else if (slice_is(in->opcode, "end") && in->argc > 0 && slice_is(in->argv[0], c->stream)) {
        c->file_ended = true;
    } else if (slice_is(in->opcode, "ack") && in->argc > 2) {
        int64_t status = 0;
        instr_to_int(in->argv[2], 0, INT32_MAX, &status);
        c->acks++;
        if (status)
            c->refused = (int)status;
    }
}

static void on_instruction(struct client *c, const struct instr *in) {
    on_file(c, in);
    if (slice_is(in->opcode, "sync")) {
        on_sync(c, in);
    } else if (slice_is(in->opcode, "args")) {
        answer_args(c, in);
    } else if (slice_is(in->opcode, "ready")) {
        c->ready = now_ms();
        if (in->argc > 0)
            instr_to_str(in->argv[0], c->id, sizeof c->id);
    } else if (slice_is(in->opcode, "error")) {
        if (in->argc > 0)
            instr_to_str(in->argv[0], c->end, sizeof c->end);
        c->busy = in->argc > 1 && slice_is(in->argv[1], "513");
        c->ended = true;
    } else if (slice_is(in->opcode, "disconnect")) {
        c->ended = true;
    } else if (slice_is(in->opcode, "img") || slice_is(in->opcode, "copy") ||
               slice_is(in->opcode, "cfill")) {
        c->drew = true;
    }
}

static void take(struct client *c) {
    size_t at = 0;
    static struct instr in;
    while (at < c->in.len) {
        size_t used = 0;
        struct err e = { 0 };
        enum instr_result r =
            instr_parse(c->in.data + at, c->in.len - at, COUNT_CODE_POINTS, &in, &used, &e);
        if (r == INSTR_MORE)
            break;
        if (r == INSTR_BAD) {
            fprintf(stderr, "guac-load: malformed from the daemon: %s\n", e.text);
            c->ended = true;
            break;
        }
        on_instruction(c, &in);
        at += used;
    }
    buf_consume(&c->in, at);
    if (c->answers.len)
        say(c, &c->answers);
    buf_clear(&c->answers);
}

/* One read, at most `ms`. False when the session ended. */
static bool step(struct client *c, int ms) {
    if (c->ended)
        return false;
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    if (poll(&p, 1, ms) <= 0)
        return true;
    char *room = buf_reserve(&c->in, READ_MAX);
    if (!room)
        die("buffer");
    ssize_t n = recv(c->fd, room, READ_MAX, 0);
    if (n <= 0) {
        c->ended = true;
        return false;
    }
    c->bytes += (uint64_t)n;
    c->in.len += (size_t)n;
    take(c);
    return !c->ended;
}

/* Until no frame came for quiet_ms; some daemons send one each second for nothing, so not for ever.
 */
static void settle(struct client *c, double quiet_ms) {
    double since = now_ms();
    while (step(c, 20) && now_ms() - MAX_OF(since, c->last_sync) < quiet_ms &&
           now_ms() - since < 4 * quiet_ms)
        ;
}

static void open_client(struct client *c) {
    memset(c, 0, sizeof *c);
    buf_init(&c->in, 64u << 20);
    buf_init(&c->answers, 1u << 20);
    c->started = now_ms();
    c->fd = dial();
    _buf_cleanup_ struct buf b;
    buf_init(&b, 1024);
    instr_put(&b, "select", protocol, NULL);
    say(c, &b);
}

/* Until the target's first picture rests. */
static void open_session(struct client *c) {
    open_client(c);
    double limit = now_ms() + 20000;
    while (!c->first_draw && now_ms() < limit && step(c, 100))
        ;
    if (!c->first_draw) {
        fprintf(stderr, "guac-load: no picture: %s\n", c->end[0] ? c->end : "timed out");
        exit(1);
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double *v, size_t n, double q) {
    if (n == 0)
        return -1;
    size_t i = (size_t)(q * (double)(n - 1) + 0.5);
    return v[i];
}

/* ---- modes ----------------------------------------------------------------------------------- */

static int mode_first(char **a) {
    (void)a;
    struct client c;
    open_session(&c);
    printf("{\"ready_ms\":%.2f,\"first_frame_ms\":%.2f,\"first_drawn_ms\":%.2f}\n",
           c.ready - c.started, c.first_sync - c.started, c.first_draw - c.started);
    return 0;
}

static int mode_echo(char **a) {
    size_t n = (size_t)atol(a[0]), got = 0;
    double *ms = calloc(n, sizeof *ms);
    struct client c;
    open_session(&c);
    settle(&c, 800);
    for (size_t i = 0; ms && i < n && !c.ended; i++) {
        uint64_t frames = c.frames;
        double sent = now_ms();
        key(&c, 'a' + (int)(i % 26));
        while (c.frames == frames && now_ms() - sent < 1000 && step(&c, 50))
            ;
        if (c.frames > frames)
            ms[got++] = c.last_sync - sent;
        double next = sent + 40;
        while (now_ms() < next && step(&c, 1))
            ;
        if (i % 60 == 59)
            key(&c, 0xff0d);
    }
    if (ms)
        qsort(ms, got, sizeof *ms, by_value);
    printf("{\"keys\":%zu,\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f}\n", got,
           quantile(ms, got, 0.5), quantile(ms, got, 0.95), quantile(ms, got, 0.99));
    free(ms);
    return 0;
}

static int mode_run(char **a) {
    struct client c;
    open_session(&c);
    settle(&c, 700);
    unlink(a[1]);
    uint64_t bytes = c.bytes, frames = c.frames;
    double sent = now_ms(), done = 0, limit = sent + 300000;
    type_text(&c, a[0]);
    struct stat st;
    while (!done && now_ms() < limit && step(&c, 5))
        if (stat(a[1], &st) == 0)
            done = now_ms();
    settle(&c, SETTLE_MS);
    printf("{\"command_ms\":%.1f,\"last_frame_ms\":%.1f,\"behind_ms\":%.1f,\"bytes\":%llu,"
           "\"frames\":%llu,\"finished\":%s}\n",
           done - sent, c.last_sync - sent, c.last_sync - done,
           (unsigned long long)(c.bytes - bytes), (unsigned long long)(c.frames - frames),
           done > 0 ? "true" : "false");
    return done > 0 ? 0 : 1;
}

static int mode_interrupt(char **a) {
    struct client c;
    open_session(&c);
    settle(&c, 700);
    type_text(&c, a[0]);
    double until = now_ms() + 2000;
    while (now_ms() < until && step(&c, 5))
        ;
    _buf_cleanup_ struct buf b;
    buf_init(&b, 256);
    instr_put(&b, "key", "65507", "1", NULL); /* Control */
    instr_put(&b, "key", "99", "1", NULL);
    instr_put(&b, "key", "99", "0", NULL);
    instr_put(&b, "key", "65507", "0", NULL);
    double sent = now_ms();
    say(&c, &b);
    settle(&c, 1000);
    printf("{\"key_to_last_frame_ms\":%.1f}\n", c.last_sync - sent);
    return 0;
}

static int mode_watch(char **a) {
    struct client c;
    open_session(&c);
    printf("ready %s\n", c.id);
    fflush(stdout);
    uint64_t bytes = c.bytes, frames = c.frames;
    double began = now_ms(), until = began + atof(a[0]) * 1000, worst = 0, before = began;
    while (now_ms() < until && step(&c, 20)) {
        if (c.last_sync > before) {
            worst = MAX_OF(worst, c.last_sync - before);
            before = c.last_sync;
        }
    }
    double s = (now_ms() - began) / 1000;
    printf("{\"seconds\":%.2f,\"fps\":%.2f,\"kb_per_s\":%.1f,\"longest_gap_ms\":%.1f,"
           "\"ended\":%s}\n",
           s, (double)(c.frames - frames) / s, (double)(c.bytes - bytes) / s / 1000, worst,
           c.ended ? "true" : "false");
    return 0;
}

static int mode_stall(char **a) {
    struct client c;
    open_session(&c);
    printf("ready %s\n", c.id);
    fflush(stdout);
    usleep((useconds_t)(atof(a[0]) * 1e6));
    printf("{}\n");
    return 0;
}

static int mode_selects(char **a) {
    size_t n = (size_t)atol(a[0]), answered = 0, busy = 0, drawn = 0;
    struct client *all = calloc(n, sizeof *all);
    struct pollfd *p = calloc(n, sizeof *p);
    if (!all || !p)
        die("memory");
    double began = now_ms(), limit = began + 60000, last = began;
    for (size_t i = 0; i < n; i++)
        open_client(&all[i]);
    while (answered < n && now_ms() < limit) {
        for (size_t i = 0; i < n; i++) {
            bool waiting = !all[i].ended && !all[i].ready;
            p[i] = (struct pollfd){ .fd = waiting ? all[i].fd : -1, .events = POLLIN };
        }
        poll(p, n, 100);
        for (size_t i = 0; i < n; i++) {
            if (p[i].fd < 0 || !p[i].revents)
                continue;
            step(&all[i], 0);
            if (all[i].ready || all[i].ended) {
                answered++;
                last = now_ms();
                busy += all[i].busy;
                drawn += all[i].ready > 0;
            }
        }
    }
    printf("{\"clients\":%zu,\"answered\":%zu,\"ready\":%zu,\"busy\":%zu,\"hung\":%zu,"
           "\"all_answered_ms\":%.1f}\n",
           n, answered, drawn, busy, n - answered, last - began);
    return answered == n ? 0 : 1;
}

static void open_files(struct client *c) {
    open_session(c);
    double limit = now_ms() + 10000;
    while (!c->object[0] && now_ms() < limit && step(c, 20))
        ;
    if (!c->object[0]) {
        fprintf(stderr, "guac-load: no file system\n");
        exit(1);
    }
    settle(c, 500);
}

static int told_file(const struct client *c, double began, uint64_t bytes, bool good) {
    double s = (now_ms() - began) / 1000;
    printf("{\"bytes\":%llu,\"seconds\":%.3f,\"mb_per_s\":%.1f,\"whole\":%s,\"status\":%d}\n",
           (unsigned long long)bytes, s, (double)bytes / s / 1e6, good ? "true" : "false",
           c->refused);
    return !good;
}

static int mode_get(char **a) {
    struct client c;
    open_files(&c);
    double began = now_ms();
    _buf_cleanup_ struct buf b;
    buf_init(&b, 16384);
    instr_put(&b, "get", c.object, a[0], NULL);
    say(&c, &b);
    while (!c.file_ended && step(&c, 1000))
        ;
    return told_file(&c, began, c.file_bytes, c.file_ended);
}

static int mode_put(char **a) {
    struct client c;
    open_files(&c);
    uint64_t whole = strtoull(a[1], NULL, 10), sent = 0, blobs = 0,
             ahead = strtoull(a[2], NULL, 10);
    char data[BLOB_BYTES_MAX];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 131 >> 3);
    _buf_cleanup_ struct buf b, text;
    buf_init(&b, 4u << 20);
    buf_init(&text, 2 * sizeof data);
    double began = now_ms();
    instr_put(&b, "put", c.object, "7", "application/octet-stream", a[0], NULL);
    say(&c, &b);
    while (!c.refused && (sent < whole || c.acks < blobs + 1) && step(&c, 1000)) {
        buf_clear(&b);
        while (c.acks && sent < whole && blobs + 1 - c.acks < ahead) {
            size_t n = (size_t)MIN_OF(whole - sent, (uint64_t)sizeof data);
            buf_clear(&text);
            base64_add(&text, data, n);
            instr_put(&b, "blob", "7", buf_str(&text), NULL);
            sent += n;
            blobs++;
        }
        say(&c, &b);
    }
    buf_clear(&b);
    instr_put(&b, "end", "7", NULL);
    say(&c, &b);
    return told_file(&c, began, sent, sent == whole && !c.refused && c.acks == blobs + 1);
}

static const struct {
    const char *name;
    int args;
    int (*run)(char **);
} modes[] = {
    { "first", 0, mode_first },         { "echo", 1, mode_echo },   { "run", 2, mode_run },
    { "interrupt", 1, mode_interrupt }, { "watch", 1, mode_watch }, { "stall", 1, mode_stall },
    { "selects", 1, mode_selects },     { "get", 1, mode_get },     { "put", 3, mode_put },
};

int main(int argc, char **argv) {
    int i = 2;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char *eq = strchr(argv[i], '=');
        if (!eq || param_count == PARAMS_MAX)
            break;
        *eq = '\0';
        if (strcmp(argv[i], "select") == 0)
            protocol = eq + 1;
        else {
            params[param_count].name = argv[i];
            params[param_count++].value = eq + 1;
        }
    }
    if (argc > 3 && i < argc - 1 && strcmp(argv[i], "--") == 0) {
        where = argv[1];
        for (size_t m = 0; m < ARRAY_LEN(modes); m++)
            if (strcmp(argv[i + 1], modes[m].name) == 0 && argc - i - 2 == modes[m].args)
                return modes[m].run(argv + i + 2);
    }
    fprintf(stderr, "usage: guac-load WHERE [name=value …] -- MODE [ARGUMENT …]\n");
    return 2;
}
