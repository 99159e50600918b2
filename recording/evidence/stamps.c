/* By OpenSSL's TS. */
#include "recording/evidence/stamps.h"

#include <openssl/err.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <time.h>

#include "guacd/base/util.h"

#if OPENSSL_VERSION_NUMBER < 0x30400000L /* the newer names say who owns them */
#define TS_VERIFY_CTX_set0_data TS_VERIFY_CTX_set_data
#define TS_VERIFY_CTX_set0_store TS_VERIFY_CTX_set_store
#endif

static int verify(TS_RESP *rs, const void *data, size_t len, const char *ca_file) {
    TS_VERIFY_CTX *ctx = TS_VERIFY_CTX_new();
    X509_STORE *roots = X509_STORE_new();
    BIO *bytes = BIO_new_mem_buf(data, (int)len);
    int ok = 0;
    if (ctx && roots && bytes && X509_STORE_load_file(roots, ca_file) == 1) {
        TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_DATA | TS_VFY_SIGNATURE);
        TS_VERIFY_CTX_set0_data(ctx, bytes); /* both are the context's from here on */
        TS_VERIFY_CTX_set0_store(ctx, roots);
        roots = NULL;
        bytes = NULL;
        ok = TS_RESP_verify_response(ctx, rs);
    }
    BIO_free(bytes);
    X509_STORE_free(roots);
    TS_VERIFY_CTX_free(ctx);
    return ok == 1;
}

int stamps_check(const void *tsr, size_t tsr_len, const void *data, size_t len, const char *ca_file,
                 uint64_t *ms, struct err *e) {
    const unsigned char *p = tsr;
    TS_RESP *rs = d2i_TS_RESP(NULL, &p, (long)tsr_len);
    struct tm tm = { 0 };
    int r = rs && p == (const unsigned char *)tsr + tsr_len && verify(rs, data, len, ca_file)
                ? 0
                : err_set(e, 0, "the time stamp does not fit it, or is not the authority's");
    if (r == 0 && ASN1_TIME_to_tm(TS_TST_INFO_get_time(TS_RESP_get_tst_info(rs)), &tm) != 1)
        r = err_set(e, 0, "the time stamp has no time");
    if (r == 0)
        *ms = (uint64_t)timegm(&tm) * 1000;
    ERR_clear_error();
    TS_RESP_free(rs);
    return r;
}
