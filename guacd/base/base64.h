/* Base64 (RFC 4648 section 4) and base64url without padding (section 5). Pure. */
#ifndef GUAC_BASE_BASE64_H
#define GUAC_BASE_BASE64_H

#include <stddef.h>

#include "guacd/base/buf.h"

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(len) bytes, no NUL. Returns that length. */
size_t base64_encode(const void *data, size_t len, char *out);
/* Strict, padded. Returns bytes written to out (room for len / 4 * 3), or -1. */
long base64_decode(const char *text, size_t len, void *out);
int base64_add(struct buf *b, const void *data, size_t len);
int base64url_add(struct buf *b, const void *data, size_t len);
long base64url_decode(const char *text, size_t len, void *out);

#endif
