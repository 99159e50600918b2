/* Error values. The text is built aside, so that an error may quote the one it replaces, and errno
 * survives, so that a caller may still look at it (EAGAIN). */
#include "guacd/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STATUS_SERVER_ERROR 0x0200

/* The text goes into JSON and to browsers: a cut must not leave half a UTF-8 sequence. */
static void cut_clean(char *text, size_t len) {
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (len - (start - 1) < want)
        text[start - 1] = '\0';
}

static void store(struct err *e, int status, const char *text) {
    e->status = status ? status : STATUS_SERVER_ERROR;
    size_t len = strnlen(text, ERR_TEXT_MAX - 1);
    memcpy(e->text, text, len);
    e->text[len] = '\0';
    if (len == ERR_TEXT_MAX - 1)
        cut_clean(e->text, len);
}

int err_set(struct err *e, int status, const char *fmt, ...) {
    int saved = errno;
    if (e) {
        char text[ERR_TEXT_MAX];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        store(e, status, text);
    }
    errno = saved;
    return -1;
}

int err_errno(struct err *e, int status, const char *fmt, ...) {
    int saved = errno;
    if (e) {
        char text[ERR_TEXT_MAX], whole[2 * ERR_TEXT_MAX + 2], reason[128];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        snprintf(whole, sizeof whole, "%s: %s", text, strerror_r(saved, reason, sizeof reason));
        store(e, status, whole);
    }
    errno = saved;
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...) {
    int saved = errno;
    if (e) {
        char text[ERR_TEXT_MAX], whole[2 * ERR_TEXT_MAX + 2];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        snprintf(whole, sizeof whole, "%s: %s", text, e->text);
        store(e, e->status, whole);
    }
    errno = saved;
    return -1;
}
