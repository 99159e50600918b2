/* An error is a value: set once where it happened, prefixed on the way up, logged once at the top.
 * The caller owns it, zero it first (`struct err e = { 0 };`). Every function of ours that can fail
 * takes one as its last argument, returns -1 (or NULL) on failure and leaves its outputs alone. */
#ifndef GUAC_BASE_ERR_H
#define GUAC_BASE_ERR_H

#define ERR_TEXT_MAX 512

struct err {
    int status;              /* Guacamole status (proto/status.h); 0 while nothing went wrong */
    char text[ERR_TEXT_MAX]; /* a sentence for an operator, ASCII or UTF-8, never a secret */
};

/* Set `e` (which may be NULL). Returns -1, so `return err_set(e, …)` reads well. A text already
 * there is replaced. `status` 0 becomes 0x0200. */
int err_set(struct err *e, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set, with ": <strerror(errno)>" appended. */
int err_errno(struct err *e, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Put "<fmt>: " in front of what is there. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
