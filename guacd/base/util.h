/* Cleanup attributes and the few words everything uses. */
#ifndef GUAC_BASE_UTIL_H
#define GUAC_BASE_UTIL_H

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
static inline void util_close(const int *fd) {
    if (*fd >= 0)
        close(*fd);
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
static inline void *steal_ptr_(void **p) {
    void *r = *p;
    *p = NULL;
    return r;
}
#define steal_ptr(p) ((__typeof__(p))steal_ptr_((void **)&(p)))

#endif
