/* One line an event, one write(2) a line. A line never exceeds PIPE_BUF, so lines of several
 * processes on one pipe do not mix; a longer message is cut with "…". No memory is allocated, so
 * it works where nothing else does. What the message quotes may be hostile: it is escaped in both
 * forms, the plain one against terminal escape sequences. */
#include "guacd/base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"

#define LINE_MAX_BYTES PIPE_BUF
#define TEXT_MAX 4096

static const char *const NAMES[] = { "error", "warning", "info", "debug", "trace" };

static const char *const PRIORITIES[] = { "<3>", "<4>", "<6>", "<7>", "<7>" }; /* syslog's */

static const char *_Atomic program = "guac";
static atomic_int threshold = LOG_LEVEL_INFO;
static atomic_bool plain, journal;
static pthread_mutex_t session_lock = PTHREAD_MUTEX_INITIALIZER;
static char session[64];

struct line {
    char data[LINE_MAX_BYTES];
    size_t len;
};

/* Ours may have been redirected after the journal's was told, so the file itself is compared. */
static bool stderr_is_journal(void) {
    const char *told = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    return told && sscanf(told, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *name, enum log_level level) {
    atomic_store(&program, name);
    atomic_store(&threshold, (int)level);
    atomic_store(&plain, isatty(STDERR_FILENO) == 1);
    atomic_store(&journal, stderr_is_journal());
}

int log_level_parse(const char *name) {
    for (size_t i = 0; name && i < ARRAY_LEN(NAMES); i++)
        if (strcmp(name, NAMES[i]) == 0)
            return (int)i;
    return -1;
}

void log_set_session(const char *id) {
    pthread_mutex_lock(&session_lock);
    snprintf(session, sizeof session, "%s", id ? id : "");
    pthread_mutex_unlock(&session_lock);
}

/* Append if `room` bytes stay free behind it. */
static bool put(struct line *l, const char *s, size_t n, size_t room) {
    if (l->len + n + room > sizeof l->data)
        return false;
    memcpy(l->data + l->len, s, n);
    l->len += n;
    return true;
}

static void puts_to(struct line *l, const char *s) {
    put(l, s, strlen(s), 0);
}

/* One code point as it may stand in the line: JSON escapes, or \u00xx against terminals. */
static size_t escape(uint32_t cp, bool json, char out[8]) {
    if (json && (cp == '"' || cp == '\\')) {
        out[0] = '\\';
        out[1] = (char)cp;
        return 2;
    }
    if (json && cp == '\n') {
        memcpy(out, "\\n", 2);
        return 2;
    }
    if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
        return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)cp);
    return utf8_encode(cp, out);
}

static void put_escaped(struct line *l, const char *s, size_t n, bool json, size_t room) {
    static const char more[] = "…";
    while (n > 0) {
        uint32_t cp;
        char out[8];
        size_t used = utf8_decode(s, n, &cp);
        if (used == 0) { /* not UTF-8: U+FFFD for each bad byte */
            cp = 0xfffd;
            used = 1;
        }
        size_t len = escape(cp, json, out);
        if (!put(l, out, len, room + sizeof more - 1)) {
            put(l, more, sizeof more - 1, room);
            return;
        }
        s += used;
        n -= used;
    }
}

static void write_line(const struct line *l) {
    size_t done = 0;
    while (done < l->len) {
        ssize_t n = write(STDERR_FILENO, l->data + done, l->len - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) { /* somebody made our stderr non-blocking */
            struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
            poll(&p, 1, 1000);
        } else if (errno != EINTR) {
            return; /* nobody left to tell */
        }
    }
}

void log_at(enum log_level level, const char *fmt, ...) {
    if ((int)level > atomic_load(&threshold))
        return;
    int saved = errno;
    char text[TEXT_MAX], id[sizeof session], stamp[32];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : MIN_OF((size_t)n, sizeof text - 1);
    pthread_mutex_lock(&session_lock);
    memcpy(id, session, sizeof id);
    pthread_mutex_unlock(&session_lock);
    clock_format(clock_wall_ms(), stamp, sizeof stamp);

    struct line l;
    l.len = 0;
    bool json = !atomic_load(&plain);
    const char *name = NAMES[MIN_OF((size_t)level, ARRAY_LEN(NAMES) - 1)];
    if (atomic_load(&journal))
        puts_to(&l, PRIORITIES[MIN_OF((size_t)level, ARRAY_LEN(PRIORITIES) - 1)]);
    puts_to(&l, json ? "{\"ts\":\"" : "");
    puts_to(&l, json ? stamp : stamp + 11); /* the day is on the wall of who sits there */
    puts_to(&l, json ? "\",\"level\":\"" : " ");
    puts_to(&l, name);
    puts_to(&l, json ? "\",\"program\":\"" : " ");
    puts_to(&l, atomic_load(&program));
    if (id[0]) {
        puts_to(&l, json ? "\",\"session\":\"" : " ");
        put_escaped(&l, id, strlen(id), json, 64);
    }
    puts_to(&l, json ? "\",\"msg\":\"" : ": ");
    put_escaped(&l, text, len, json, 3);
    puts_to(&l, json ? "\"}\n" : "\n");
    write_line(&l);
    errno = saved;
}
