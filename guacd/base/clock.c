/* Clocks, and the one spelling of a time (RFC 3339, UTC, milliseconds). */
#include "guacd/base/clock.h"

#include <stdio.h>
#include <string.h>

static uint64_t read_us(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t clock_us(void) {
    return read_us(CLOCK_BOOTTIME);
}

uint64_t clock_ms(void) {
    return read_us(CLOCK_BOOTTIME) / 1000u;
}

uint64_t clock_wall_ms(void) {
    return read_us(CLOCK_REALTIME) / 1000u;
}

struct timespec clock_deadline(uint64_t ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t ns = (uint64_t)t.tv_nsec + ms % 1000u * 1000000u;
    t.tv_sec += (time_t)(ms / 1000u + ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    return t;
}

void clock_format(uint64_t wall_ms, char *out, size_t size) {
    time_t seconds = (time_t)(wall_ms / 1000u);
    struct tm tm = { 0 };
    gmtime_r(&seconds, &tm);
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(wall_ms % 1000u));
}

/* `n` digits at *p as a number between lo and hi, followed by `end`; -1 otherwise. */
static int field(const char **p, int n, int lo, int hi, char end) {
    int v = 0;
    for (; n > 0; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        v = v * 10 + (**p - '0');
    }
    if (v < lo || v > hi)
        return -1;
    if (end && *(*p)++ != end)
        return -1;
    return v;
}

int clock_parse(const char *text, uint64_t *wall_ms) {
    const char *p = text;
    int year = field(&p, 4, 1970, 9999, '-');
    int month = year < 0 ? -1 : field(&p, 2, 1, 12, '-');
    int day = month < 0 ? -1 : field(&p, 2, 1, 31, 'T');
    int hour = day < 0 ? -1 : field(&p, 2, 0, 23, ':');
    int minute = hour < 0 ? -1 : field(&p, 2, 0, 59, ':');
    int second = minute < 0 ? -1 : field(&p, 2, 0, 59, 0);
    if (second < 0)
        return -1;
    unsigned ms = 0;
    if (*p == '.') {
        unsigned scale = 100;
        const char *digits = ++p;
        for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
            ms += (unsigned)(*p - '0') * scale;
        if (p == digits || p - digits > 9)
            return -1;
    }
    if (p[0] != 'Z' || p[1] != '\0')
        return -1;
    struct tm tm = { .tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute,
                     .tm_sec = second };
    time_t seconds = timegm(&tm);
    if (seconds < 0 || tm.tm_mday != day) /* 31 June became 1 July */
        return -1;
    *wall_ms = (uint64_t)seconds * 1000u + ms;
    return 0;
}
