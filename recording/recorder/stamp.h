/* RFC 3161 time stamps, over HTTP (section 3.4): a request for the SHA-256 of some bytes, and the
 * response as it came, which is what `openssl ts -verify` reads. One thread at a time. */
#ifndef GUAC_RECORDER_STAMP_H
#define GUAC_RECORDER_STAMP_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define STAMP_MAX 65536

struct stamper;
/* `ca_file`: of the authority's own TLS; "" or NULL: the system's. */
struct stamper *stamper_new(const char *url, const char *ca_file, struct err *e);
void stamper_free(struct stamper *s);
uint16_t stamper_port(const char *url); /* for the sandbox; 0: no URL of http or https */
/* Appends the response; only one that was granted, is about these bytes and repeats our nonce.
 * Whose certificate signed it is the verifier's question. */
int stamp_get(struct stamper *s, const void *data, size_t len, struct buf *out, struct err *e);

#endif
