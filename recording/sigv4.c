/* SigV4 on OpenSSL. libcurl's own signs unsorted queries and valueless parameters wrongly. */
#include "recording/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"

#define CANONICAL_MAX 16384

void sigv4_date(uint64_t wall_ms, char out[SIGV4_DATE]) {
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm);
}

int sigv4_encode(const char *text, bool keep_slash, struct buf *out) {
    for (const char *p = text; *p; p++) {
        bool plain = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
                     (*p >= '0' && *p <= '9') || strchr("-._~", *p) || (keep_slash && *p == '/');
        if (plain)
            buf_putc(out, *p);
        else
            buf_printf(out, "%%%02X", (unsigned char)*p);
    }
    return out->failed ? -1 : 0;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct sigv4_pair *)a)->name, ((const struct sigv4_pair *)b)->name);
}

/* Pairs are encoded first and sorted then, as AWS says: byte order of the encoded text. '=' sorts
 * behind '-', '.', '%' and digits, so names and values are compared apart by a NUL-like 0x01. */
int sigv4_query(const struct sigv4_request *r, struct buf *out) {
    char *items[SIGV4_HEADERS_MAX];
    size_t count = 0;
    int result = -1;
    if (r->query_count > SIGV4_HEADERS_MAX)
        return -1;
    for (; count < r->query_count; count++) {
        struct buf b __attribute__((cleanup(buf_fini)));
        buf_init(&b, CANONICAL_MAX);
        sigv4_encode(r->query[count].name, false, &b);
        buf_putc(&b, '\x01');
        sigv4_encode(r->query[count].value, false, &b);
        items[count] = buf_steal(&b, NULL);
        if (!items[count])
            goto out;
    }
    qsort(items, count, sizeof *items, by_text);
    for (size_t i = 0; i < count; i++) {
        *strchr(items[i], '\x01') = '=';
        if (i > 0)
            buf_putc(out, '&');
        buf_puts(out, items[i]);
    }
    result = out->failed ? -1 : 0;
out:
    while (count > 0)
        free(items[--count]);
    return result;
}

/* Trimmed, runs of blanks made one. */
static void header_value(const char *value, struct buf *out) {
    value += strspn(value, " \t");
    for (size_t len; *value; value += len) {
        len = strcspn(value, " \t");
        buf_add(out, value, len);
        value += len;
        len = strspn(value, " \t");
        if (value[len] && len)
            buf_putc(out, ' ');
    }
}

static size_t sorted_headers(const struct sigv4_request *r,
                             struct sigv4_pair out[SIGV4_HEADERS_MAX]) {
    size_t n = MIN_OF(r->header_count, (size_t)SIGV4_HEADERS_MAX);
    if (n)
        memcpy(out, r->headers, n * sizeof *out);
    qsort(out, n, sizeof *out, by_name);
    return n;
}

static void signed_names(const struct sigv4_pair *headers, size_t n, struct buf *out) {
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_putc(out, ';');
        buf_puts(out, headers[i].name);
    }
}

int sigv4_canonical(const struct sigv4_request *r, struct buf *out) {
    struct sigv4_pair headers[SIGV4_HEADERS_MAX];
    if (r->header_count > SIGV4_HEADERS_MAX)
        return -1;
    size_t n = sorted_headers(r, headers);
    buf_printf(out, "%s\n", r->method);
    sigv4_encode(r->path, true, out);
    buf_putc(out, '\n');
    if (sigv4_query(r, out) < 0)
        return -1;
    buf_putc(out, '\n');
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s:", headers[i].name);
        header_value(headers[i].value, out);
        buf_putc(out, '\n');
    }
    buf_putc(out, '\n');
    signed_names(headers, n, out);
    buf_printf(out, "\n%s", r->payload_hash);
    return out->failed ? -1 : 0;
}

static int hmac(const void *key, size_t key_len, const char *text, size_t len, uint8_t out[32]) {
    unsigned n = 32;
    return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len, out, &n) ? 0
                                                                                            : -1;
}

/* AWS4<secret> -> date -> region -> service -> aws4_request */
static int signing_key(const struct sigv4_credentials *c, const char *date, uint8_t out[32]) {
    struct buf first __attribute__((cleanup(buf_wipe)));
    buf_init(&first, 1024);
    first.secret = true;
    buf_puts(&first, "AWS4");
    buf_add(&first, c->secret_key->data, c->secret_key->len);
    return first.failed || hmac(first.data, first.len, date, 8, out) < 0 ||
                   hmac(out, 32, c->region, strlen(c->region), out) < 0 ||
                   hmac(out, 32, c->service, strlen(c->service), out) < 0 ||
                   hmac(out, 32, "aws4_request", 12, out) < 0
               ? -1
               : 0;
}

int sigv4_sign(const struct sigv4_request *r, const struct sigv4_credentials *c,
               const char date[SIGV4_DATE], struct buf *out, struct err *e) {
    struct buf text __attribute__((cleanup(buf_fini)));
    struct sigv4_pair headers[SIGV4_HEADERS_MAX];
    uint8_t key[32], mac[32];
    char hash[65];
    buf_init(&text, CANONICAL_MAX);
    if (sigv4_canonical(r, &text) < 0)
        return err_set(e, 0, "request too large to sign");
    sha256_hex(text.data, text.len, hash);
    buf_clear(&text);
    buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", date, date, c->region,
               c->service, hash);
    int r1 = text.failed ? -1 : signing_key(c, date, key);
    if (r1 == 0)
        r1 = hmac(key, sizeof key, text.data, text.len, mac);
    secret_wipe(key, sizeof key);
    if (r1 < 0)
        return err_set(e, 0, "cannot sign the request");
    hex_encode(mac, sizeof mac, hash);
    size_t n = sorted_headers(r, headers);
    buf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request,SignedHeaders=",
               c->access_key, date, c->region, c->service);
    signed_names(headers, n, out);
    buf_printf(out, ",Signature=%s", hash);
    return out->failed ? err_set(e, 0, "request too large to sign") : 0;
}
