/* AWS Signature Version 4 for the Authorization header ("Signature Calculations for the
 * Authorization Header: Transferring Payload in a Single Chunk", Amazon S3 API reference). Pure. */
#ifndef GUAC_RECORDING_SIGV4_H
#define GUAC_RECORDING_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/secret.h"

#define SIGV4_HEADERS_MAX 24
#define SIGV4_DATE 17 /* "20130524T000000Z" and NUL */

struct sigv4_pair {
    const char *name, *value;
};

struct sigv4_request {
    const char *method;
    const char *path;               /* decoded; encoded here, slashes kept */
    const struct sigv4_pair *query; /* decoded, any order */
    size_t query_count;
    const struct sigv4_pair *headers; /* lower-case names, any order; all are signed; host,
                                         x-amz-date and x-amz-content-sha256 among them */
    size_t header_count;
    const char *payload_hash; /* the value of x-amz-content-sha256 */
};
struct sigv4_credentials {
    const char *access_key;
    const struct secret *secret_key;
    const char *region, *service;
};

void sigv4_date(uint64_t wall_ms, char out[SIGV4_DATE]);
/* RFC 3986 percent-encoding as AWS wants it: A-Z a-z 0-9 - . _ ~ stay. */
int sigv4_encode(const char *text, bool keep_slash, struct buf *out);
/* "a=1&b=" sorted and encoded: part of what is signed, and to be sent as it is. */
int sigv4_query(const struct sigv4_request *r, struct buf *out);
int sigv4_canonical(const struct sigv4_request *r, struct buf *out);
/* Appends the value of the Authorization header. */
int sigv4_sign(const struct sigv4_request *r, const struct sigv4_credentials *c,
               const char date[SIGV4_DATE], struct buf *out, struct err *e);

#endif
