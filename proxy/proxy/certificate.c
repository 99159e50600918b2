/* See certificate.h. */
#include "proxy/proxy/certificate.h"

#include <openssl/err.h>

#include "guacd/base/util.h"
#include "proxy/proxy/tls.h"

static bool later(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static int newest(const struct certificate *c, struct timespec *out, struct err *e) {
    const char *const files[] = { c->chain, c->key };
    *out = (struct timespec){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct stat st;
        if (stat(files[i], &st) < 0)
            return err_errno(e, 0, "%s", files[i]);
        if (later(&st.st_mtim, out))
            *out = st.st_mtim;
    }
    return 0;
}

/* libwebsockets' own context; what was found good a moment ago. */
static int load(SSL_CTX *ctx, const struct certificate *c, struct err *e) {
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, c->chain) == 1 &&
        SSL_CTX_use_PrivateKey_file(ctx, c->key, SSL_FILETYPE_PEM) == 1)
        return 0;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return err_set(e, 0, "tls-cert %s with tls-key %s: %s", c->chain, c->key,
                   reason ? reason : "cannot be taken");
}

int certificate_renew(struct certificate *c, bool told, struct err *e) {
    struct timespec now;
    if (!c->chain || !c->ctx)
        return 0;
    if (newest(c, &now, e) < 0)
        return -1;
    bool first = !c->seen.tv_sec,
         changed = now.tv_sec != c->seen.tv_sec || now.tv_nsec != c->seen.tv_nsec;
    c->seen = now;
    if (!told && (first || !changed))
        return 0;
    return tls_check(c->chain, c->key, e) == 0 && load(c->ctx, c, e) == 0 ? 1 : -1;
}
