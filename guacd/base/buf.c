/* Byte buffers with a hard maximum. Memory is always one byte larger than `cap`, for buf_str()'s
 * NUL. Consumed bytes stay in front of `data` until room is needed, so that a queue read piece by
 * piece costs no memmove each. */
#include "guacd/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

static char *base_of(const struct buf *b) {
    return b->data ? b->data - b->gone : NULL;
}

void buf_init(struct buf *b, size_t max) {
    *b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b) {
    if (b->secret && b->data)
        explicit_bzero(base_of(b), b->cap + 1);
    free(base_of(b));
    *b = (struct buf){ .max = b->max, .secret = b->secret };
}

void buf_wipe(struct buf *b) {
    bool secret = b->secret;
    b->secret = true;
    buf_fini(b);
    b->secret = secret;
}

static int fail(struct buf *b) {
    b->failed = true;
    return -1;
}

/* Move what is held to the start of the memory. */
static void compact(struct buf *b) {
    if (b->gone == 0)
        return;
    char *base = base_of(b);
    memmove(base, b->data, b->len);
    if (b->secret)
        explicit_bzero(base + b->len, b->gone);
    b->data = base;
    b->gone = 0;
}

static int grow(struct buf *b, size_t need) {
    size_t cap = b->cap < FIRST_CAP / 2 ? FIRST_CAP : b->cap * 2;
    if (cap < need)
        cap = need;
    if (cap > b->max)
        cap = b->max;
    if (cap >= SIZE_MAX / 2)
        return -1;
    if (b->secret) { /* realloc would leave a copy behind */
        char *fresh = malloc(cap + 1);
        if (!fresh)
            return -1;
        if (b->len)
            memcpy(fresh, b->data, b->len);
        if (b->data)
            explicit_bzero(base_of(b), b->cap + 1);
        free(base_of(b));
        b->data = fresh;
        b->gone = 0;
    } else {
        compact(b);
        char *fresh = realloc(b->data, cap + 1);
        if (!fresh)
            return -1;
        b->data = fresh;
    }
    b->cap = cap;
    return 0;
}

char *buf_reserve(struct buf *b, size_t len) {
    if (b->failed || len > b->max || b->len > b->max - len) {
        fail(b);
        return NULL;
    }
    size_t need = b->len + len;
    if (b->data && need <= b->cap - b->gone)
        return b->data + b->len;
    /* Moving pays when at least as much is gone as is left; else grow, while that is allowed. */
    if (b->data && need <= b->cap && (b->gone >= b->len || b->cap >= b->max))
        compact(b);
    else if (grow(b, need) < 0) {
        fail(b);
        return NULL;
    }
    return b->data + b->len;
}

int buf_add(struct buf *b, const void *data, size_t len) {
    char *room = buf_reserve(b, len);
    if (!room)
        return -1;
    if (len)
        memcpy(room, data, len);
    b->len += len;
    return 0;
}

int buf_puts(struct buf *b, const char *s) {
    return buf_add(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c) {
    return buf_add(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap) {
    if (b->failed)
        return -1;
    size_t room = b->data ? b->cap - b->gone - b->len + 1 : 0;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, ap);
    if (n >= 0 && (size_t)n >= room) {
        char *end = buf_reserve(b, (size_t)n);
        n = end ? vsnprintf(end, (size_t)n + 1, fmt, again) : -1;
    }
    va_end(again);
    if (n < 0 || (size_t)n > b->max - b->len)
        return fail(b);
    b->len += (size_t)n;
    return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int r = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return r;
}

void buf_consume(struct buf *b, size_t n) {
    if (n > b->len)
        n = b->len;
    if (n == 0)
        return;
    b->data += n;
    b->gone += n;
    b->len -= n;
    if (b->len == 0) {
        b->data = base_of(b);
        b->gone = 0;
    }
}

void buf_clear(struct buf *b) {
    buf_consume(b, b->len);
    b->failed = false;
}

const char *buf_str(struct buf *b) {
    if (b->failed)
        return NULL;
    if (!b->data)
        return "";
    b->data[b->len] = '\0';
    return b->data;
}

char *buf_steal(struct buf *b, size_t *len) {
    if (b->failed)
        return NULL;
    if (!b->data && grow(b, 0) < 0) {
        fail(b);
        return NULL;
    }
    compact(b);
    char *data = b->data;
    data[b->len] = '\0';
    if (len)
        *len = b->len;
    *b = (struct buf){ .max = b->max, .secret = b->secret };
    return data;
}
