/* The key passes through here as bytes: guacd does no TLS and parses no certificate. */
#include "guacd/daemon/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "guacd/base/buf.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"

static int read_file(struct buf *out, const char *path, struct err *e) {
    _fclose_ FILE *f = fopen(path, "re");
    if (!f)
        return err_errno(e, 0, "%s", path);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        buf_add(out, piece, n);
    secret_wipe(piece, sizeof(piece)); /* a file may hold the key as well */
    if (ferror(f))
        return err_errno(e, 0, "%s", path);
    return out->failed ? err_set(e, 0, "%s: larger than %d bytes", path, CHILD_TLS_MAX) : 0;
}

int tls_read(struct secret *pem, const char *certificate, const char *key, struct err *e) {
    struct buf b __attribute__((cleanup(buf_wipe)));
    buf_init(&b, CHILD_TLS_MAX);
    b.secret = true;
    if (read_file(&b, certificate, e) < 0)
        return -1;
    if (!b.len || !strstr(buf_str(&b), "-----BEGIN CERTIFICATE-----"))
        return err_set(e, 0, "%s holds no PEM certificate", certificate);
    _secret_ struct secret k = { 0 };
    if (secret_read_file(&k, key, e) < 0)
        return -1;
    if (!strstr(k.data, "PRIVATE KEY-----"))
        return err_set(e, 0, "%s holds no PEM private key", key);
    if (strstr(k.data, "ENCRYPTED"))
        return err_set(e, 0, "%s is protected by a passphrase, which nobody could type", key);
    if (buf_putc(&b, '\n') < 0 || buf_add(&b, k.data, k.len) < 0 || buf_putc(&b, '\n') < 0)
        return err_set(e, 0, "%s and %s together are larger than %d bytes", certificate, key,
                       CHILD_TLS_MAX);
    return secret_set(pem, b.data, b.len) < 0 ? err_errno(e, 0, "cannot keep %s", key) : 0;
}

int tls_pipe(const struct secret *pem, struct err *e) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_errno(e, 0, "cannot make a pipe");
    _close_ int from = ends[0], to = ends[1];
    ssize_t n = write(to, pem->data, pem->len);
    if (n != (ssize_t)pem->len) {
        if (n >= 0)
            errno = ENOSPC; /* too many pipes of this user: they shrink */
        return err_errno(e, 0, "cannot pass the TLS key on");
    }
    if (fcntl(from, F_SETFL, 0) < 0)
        return err_errno(e, 0, "cannot pass the TLS key on");
    return steal_fd(&from);
}
