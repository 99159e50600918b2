/* Cleanup attributes and the few words everything uses. */
#ifndef GUAC_BASE_UTIL_H
#define GUAC_BASE_UTIL_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* Bytes owned by somebody else. */
struct slice {
    const char *data;
    size_t len;
};

static inline int slice_is(struct slice s, const char *text) {
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static inline void util_free(void *p) {
    free(*(void **)p);
}
/* A cleanup runs after the result is decided, so it must not change the errno that explains it. */
static inline void util_close(const int *fd) {
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}
static inline void util_fclose(FILE **f) {
    if (*f)
        fclose(*f);
}
#define _free_ __attribute__((cleanup(util_free)))
#define _close_ __attribute__((cleanup(util_close)))
#define _fclose_ __attribute__((cleanup(util_fclose)))

static inline int steal_fd(int *fd) {
    int r = *fd;
    *fd = -1;
    return r;
}
/* The pointer's value leaves, NULL stays: `return steal_ptr(p);` with a _free_ p. */
#define steal_ptr(p) \
    ({ \
        __typeof__(p) stolen_ = (p); \
        (p) = NULL; \
        stolen_; \
    })

#endif
