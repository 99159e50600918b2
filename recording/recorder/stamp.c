/* OpenSSL's TS does the ASN.1. */
#include "recording/recorder/stamp.h"

#include <openssl/err.h>
#include <openssl/ts.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/http.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define TIMEOUT_MS 10000

struct stamper {
    char *url, *ca_file;
    struct http *http;
};

uint16_t stamper_port(const char *url) {
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!tls && strncmp(url, "http://", 7) != 0)
        return 0;
    const char *host = url + (tls ? 8 : 7), *end = host + strcspn(host, "/?#");
    const char *colon = memrchr(host, ':', (size_t)(end - host));
    long port = colon && !memchr(colon, ']', (size_t)(end - colon)) ? strtol(colon + 1, NULL, 10)
                                                                    : (tls ? 443 : 80);
    return port > 0 && port <= 65535 ? (uint16_t)port : 0;
}

struct stamper *stamper_new(const char *url, const char *ca_file, struct err *e) {
    struct stamper *s = calloc(1, sizeof *s);
    if (!s || stamper_port(url) == 0) {
        free(s);
        err_set(e, 0, "tsa-url: '%.100s' is no http:// or https:// URL", url);
        return NULL;
    }
    s->url = strdup(url);
    s->ca_file = ca_file && *ca_file ? strdup(ca_file) : NULL;
    s->http = http_new(e);
    if (s->url && s->http)
        return s;
    stamper_free(s);
    return NULL;
}

void stamper_free(struct stamper *s) {
    if (!s)
        return;
    free(s->url);
    free(s->ca_file);
    http_free(s->http);
    free(s);
}

static TS_REQ *request(const void *data, size_t len) {
    uint8_t hash[32], nonce[8];
    TS_REQ *rq = TS_REQ_new();
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    X509_ALGOR *algorithm = X509_ALGOR_new();
    ASN1_INTEGER *number = NULL;
    BIGNUM *n = NULL;
    sha256(data, len, hash);
    random_bytes(nonce, sizeof nonce);
    nonce[0] = (uint8_t)(nonce[0] >> 1 | 0x40);
    bool ok = rq && imprint && algorithm && (n = BN_bin2bn(nonce, sizeof nonce, NULL)) &&
              (number = BN_to_ASN1_INTEGER(n, NULL)) && TS_REQ_set_version(rq, 1) &&
              X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) &&
              TS_MSG_IMPRINT_set_algo(imprint, algorithm) &&
              TS_MSG_IMPRINT_set_msg(imprint, hash, sizeof hash) &&
              TS_REQ_set_msg_imprint(rq, imprint) && TS_REQ_set_nonce(rq, number) &&
              TS_REQ_set_cert_req(rq, 1);
    ASN1_INTEGER_free(number);
    BN_free(n);
    X509_ALGOR_free(algorithm);
    TS_MSG_IMPRINT_free(imprint);
    if (ok)
        return rq;
    TS_REQ_free(rq);
    return NULL;
}

/* Granted, with our imprint and nonce. */
static bool answers(TS_RESP *rs, TS_REQ *rq) {
    TS_TST_INFO *info = TS_RESP_get_tst_info(rs);
    TS_STATUS_INFO *status = TS_RESP_get_status_info(rs);
    if (!info || !status)
        return false;
    long granted = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(status));
    const ASN1_OCTET_STRING *theirs = TS_MSG_IMPRINT_get_msg(TS_TST_INFO_get_msg_imprint(info)),
                            *ours = TS_MSG_IMPRINT_get_msg(TS_REQ_get_msg_imprint(rq));
    const ASN1_INTEGER *nonce = TS_TST_INFO_get_nonce(info);
    return (granted == 0 || granted == 1) && ASN1_OCTET_STRING_cmp(theirs, ours) == 0 && nonce &&
           ASN1_INTEGER_cmp(nonce, TS_REQ_get_nonce(rq)) == 0;
}

int stamp_get(struct stamper *s, const void *data, size_t len, struct buf *out, struct err *e) {
    static const char *const headers[] = { "Content-Type: application/timestamp-query",
                                           "Accept: application/timestamp-reply", NULL };
    TS_REQ *rq = request(data, len);
    unsigned char *der = NULL;
    int der_len = rq ? i2d_TS_REQ(rq, &der) : -1;
    struct http_response rs = { 0 };
    TS_RESP *reply = NULL;
    int r = der_len > 0 ? 0 : err_set(e, 0, "time stamp: no memory");
    const struct http_request http = { .method = "POST",
                                       .url = s->url,
                                       .headers = headers,
                                       .body = der,
                                       .body_len = r == 0 ? (size_t)der_len : 0,
                                       .timeout_ms = TIMEOUT_MS,
                                       .max_body = STAMP_MAX,
                                       .ca_file = s->ca_file };
    if (r == 0 && (r = http_do(s->http, &http, &rs, e)) == 0) {
        const unsigned char *p = (const unsigned char *)rs.body.data;
        reply = rs.status == 200 && rs.body.len ? d2i_TS_RESP(NULL, &p, (long)rs.body.len) : NULL;
        if (!reply || !answers(reply, rq) || p != (const unsigned char *)rs.body.data + rs.body.len)
            r = err_set(e, STATUS_UPSTREAM_ERROR,
                        "time stamp: the authority did not grant one (HTTP %d)", rs.status);
        else if (buf_add(out, rs.body.data, rs.body.len) < 0)
            r = err_set(e, 0, "time stamp: no memory");
    }
    ERR_clear_error();
    TS_RESP_free(reply);
    TS_REQ_free(rq);
    OPENSSL_free(der);
    http_response_fini(&rs);
    return r;
}
