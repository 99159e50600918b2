/* Syslog over TCP has no answers: a batch counts as taken when the other machine's kernel has
 * acknowledged all of it and the connection still stands. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/base/version.h"
#include "proxy/authd/ship.h"

#define FACILITY_AUDIT 13 /* RFC 5424 section 6.2.1: log audit */
#define TIMEOUT_S 10

struct syslog {
    char host[254], port[8], name[256];
    int fd; /* -1: not connected */
};

/* OCSF's severity (1 informational … 4 high) as syslog's. */
static int severity_of(const json_t *event) {
    static const int rows[] = { 6, 6, 5, 4, 3 };
    int64_t n = json_num(event, "severity_id", 0);
    return n >= 0 && n < (int64_t)ARRAY_LEN(rows) ? rows[n] : 2;
}

static void put_time(struct buf *out, int64_t ms) {
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[32] = "-";
    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(out, "%s.%03dZ", text, (int)(ms % 1000));
}

/* A header's word: printable ASCII without blanks, so many at most. */
static void put_word(struct buf *out, const char *word, size_t max) {
    size_t n = 0;
    for (; *word && n < max; word++, n++)
        buf_putc(out, *word > 0x20 && *word < 0x7f ? *word : '_');
    if (n == 0)
        buf_putc(out, '-');
}

int ship_syslog_format(const char *line, size_t len, const char *host, struct buf *out) {
    struct err ignored = { 0 };
    _json_ json_t *event = json_parse(line, len, SHIP_BYTES_MAX, &ignored);
    int64_t time_ms = json_num(event, "time", -1);
    const char *kind = json_str(event, "activity_name", NULL);
    struct buf m;
    if (!kind || time_ms < 0 || time_ms > 253402300799999)
        return -1;
    buf_init(&m, SHIP_BYTES_MAX + 1024);
    buf_printf(&m, "<%d>1 ", FACILITY_AUDIT * 8 + severity_of(event));
    put_time(&m, time_ms);
    buf_putc(&m, ' ');
    put_word(&m, host, 255);
    buf_printf(&m, " guac-authd - ");
    put_word(&m, kind, 32);
    buf_printf(&m, " [origin software=\"guac-authd\" swVersion=\"%s\"] ", guac_version);
    buf_add(&m, line, len);
    int rc = m.failed || buf_printf(out, "%zu ", m.len) || buf_add(out, m.data, m.len) ? -1 : 0;
    buf_fini(&m);
    return rc;
}

static void hang_up(struct syslog *s) {
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static int connect_to(struct syslog *s, struct err *e) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    const struct timeval patience = { .tv_sec = TIMEOUT_S };
    int r = getaddrinfo(s->host, s->port, &hints, &found);
    if (r != 0)
        return err_set(e, 0, "%s: %s", s->host, gai_strerror(r));
    for (const struct addrinfo *a = found; a && s->fd < 0; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            s->fd = fd;
        else
            close(fd);
    }
    freeaddrinfo(found);
    return s->fd >= 0 ? 0 : err_errno(e, 0, "%s:%s", s->host, s->port);
}

/* A syslog server says nothing; when it does hang up, that is all there is to read. */
static bool stands(const struct syslog *s) {
    char c;
    ssize_t n = recv(s->fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static int send_all(struct syslog *s, const struct buf *b, struct err *e) {
    uint64_t until = clock_ms() + TIMEOUT_S * 1000;
    for (size_t at = 0; at < b->len;) {
        ssize_t n = send(s->fd, b->data + at, b->len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return err_errno(e, 0, "%s:%s", s->host, s->port);
        at += (size_t)n;
    }
    for (int left = 1; left > 0;) {
        if (ioctl(s->fd, SIOCOUTQ, &left) < 0 || !stands(s) || clock_ms() > until)
            return err_set(e, 0, "%s:%s went away, or takes nothing", s->host, s->port);
        if (left > 0)
            poll(NULL, 0, 5);
    }
    return 0;
}

static int syslog_send(void *state, const char *lines, size_t len, size_t *rejected,
                       struct err *e) {
    struct syslog *s = state;
    struct buf out;
    buf_init(&out, 2 * SHIP_BYTES_MAX);
    for (const char *at = lines, *end = lines + len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (ship_syslog_format(at, n, s->name, &out) < 0)
            ++*rejected;
        at += n + 1;
    }
    if (s->fd >= 0 && !stands(s))
        hang_up(s);
    int rc = out.failed ? err_set(e, 0, "no memory for a batch") : 0;
    if (rc == 0 && s->fd < 0)
        rc = connect_to(s, e);
    if (rc == 0 && send_all(s, &out, e) < 0) {
        hang_up(s);
        rc = -1;
    }
    buf_fini(&out);
    return rc;
}

static void syslog_close(void *state) {
    hang_up(state);
    free(state);
}

static void *syslog_open(const struct config *c, struct err *e) {
    struct config_url u;
    char url[300];
    if (!c->audit_syslog || !*c->audit_syslog)
        return NULL;
    snprintf(url, sizeof url, "http://%s", c->audit_syslog);
    if (config_url(url, &u, e)) {
        err_set(e, 0, "audit-syslog: '%.200s' is no host:port", c->audit_syslog);
        return NULL;
    }
    struct syslog *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, 0, "no memory for audit-syslog");
        return NULL;
    }
    s->fd = -1;
    snprintf(s->host, sizeof s->host, "%s", u.host);
    snprintf(s->port, sizeof s->port, "%u", u.port);
    snprintf(s->name, sizeof s->name, "%s", c->gateway_name);
    return s;
}

const struct ship_sink ship_syslog = { "syslog", syslog_open, syslog_close, syslog_send };
