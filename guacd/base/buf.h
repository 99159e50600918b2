/* A byte buffer with a hard maximum from birth. An append beyond it, or without memory, fails,
 * changes nothing and marks the buffer `failed`, so a run of appends is checked once at its end. */
#ifndef GUAC_BASE_BUF_H
#define GUAC_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* len bytes; buf_str() gives a terminated view. Not for free(): see buf_steal() */
    size_t len, cap, max;
    bool failed;
    bool secret; /* set after buf_init(): what it leaves behind when it grows or ends is wiped */
    size_t gone; /* bytes consumed in front of data, memory of ours still */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b); /* zeroed is valid */
void buf_wipe(struct buf *b); /* explicit_bzero, then as buf_fini */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Room for `len` more bytes at the end; the caller fills it and adds to b->len. NULL on failure. */
char *buf_reserve(struct buf *b, size_t len);
/* Drop the first `n` bytes (n <= len). Cheap: nothing moves until room is needed. */
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b); /* len 0, failed false, memory kept */
/* Terminated view of the content: "" when empty, NULL if failed. Valid until the next call. */
const char *buf_str(struct buf *b);
/* The data leaves (NUL-terminated, free() it), the buffer is empty. NULL if failed. */
char *buf_steal(struct buf *b, size_t *len);

#define _buf_cleanup_ __attribute__((cleanup(buf_fini)))

#endif
