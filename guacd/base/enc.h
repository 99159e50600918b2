/* Hex, SHA-256, UUIDs (RFC 9562), random bytes, UTF-8 checks; base64 by base64.h. All pure but the
 * random ones. */
#ifndef GUAC_BASE_ENC_H
#define GUAC_BASE_ENC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/base64.h"

#define UUID_LEN 36

/* 2 * len characters and a NUL. */
void hex_encode(const void *data, size_t len, char *out);
void sha256(const void *data, size_t len, uint8_t out[32]);
void sha256_hex(const void *data, size_t len, char out[65]);

void random_bytes(void *out, size_t len); /* getrandom; aborts if the kernel has none */
void uuid_v4(char out[UUID_LEN + 1]);
void uuid_v7(char out[UUID_LEN + 1], uint64_t wall_ms);
bool uuid_valid(const char *text, size_t len);
/* The time inside a version 7 UUID, Unix ms; 0 if it is none. */
uint64_t uuid_v7_ms(const char *text);

/* Code points in valid UTF-8 (no overlongs, no surrogates), -1 if it is not. */
long utf8_count(const char *text, size_t len);
/* Decode one code point; returns its length, or 0 (malformed or len == 0). */
size_t utf8_decode(const char *text, size_t len, uint32_t *cp);
size_t utf8_encode(uint32_t cp, char out[4]);

#endif
