/* Durations run on CLOCK_BOOTTIME; wall time only stamps. */
#ifndef GUAC_BASE_CLOCK_H
#define GUAC_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_us(void);      /* CLOCK_BOOTTIME, microseconds */
uint64_t clock_ms(void);      /* CLOCK_BOOTTIME, milliseconds */
uint64_t clock_wall_ms(void); /* Unix time, milliseconds */
/* So many milliseconds from now on CLOCK_MONOTONIC, for conditions that were made to wait by it. */
struct timespec clock_deadline(uint64_t ms);
/* "2026-11-21T22:08:26.123Z" into out (>= 25 bytes). */
void clock_format(uint64_t wall_ms, char *out, size_t size);
/* The reverse; accepts seconds with or without a fraction, Z only. -1 when malformed. */
int clock_parse(const char *text, uint64_t *wall_ms);

#endif
