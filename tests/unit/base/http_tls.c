/* Whom the HTTP client trusts: the named CA file and no other, and the name in the certificate. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/base/http.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static char ca_file[] = "/tmp/guac-ca-XXXXXX";
static int listener;
static pthread_t thread;
static SSL_CTX *context;
static uint16_t port;

/* A certificate for "localhost" that signs itself. */
static X509 *make_certificate(EVP_PKEY *key) {
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    return x;
}

static void *serve(void *arg) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    int fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        char request[4096];
        if (SSL_accept(ssl) == 1)
            while (SSL_read(ssl, request, sizeof request) > 0)
                SSL_write(ssl, answer, sizeof answer - 1);
        SSL_free(ssl);
        close(fd);
    }
    return arg;
}

static void setup(void) {
    signal(SIGPIPE, SIG_IGN);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = make_certificate(key);
    FILE *f = fdopen(mkstemp(ca_file), "w");
    PEM_write_X509(f, x);
    fclose(f);
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, x);
    SSL_CTX_use_PrivateKey(context, key);
    X509_free(x);
    EVP_PKEY_free(key);
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof sa;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    getsockname(listener, (struct sockaddr *)&sa, &len);
    port = ntohs(sa.sin_port);
    pthread_create(&thread, NULL, serve, NULL);
}

static void teardown(void) {
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    SSL_CTX_free(context);
    unlink(ca_file);
}

static int get(const char *host, const char *ca, struct err *e) {
    char url[64];
    snprintf(url, sizeof url, "https://%s:%u/", host, port);
    struct http *h = http_new(e);
    struct http_request rq = { .method = "GET", .url = url, .ca_file = ca, .timeout_ms = 5000 };
    struct http_response rs = { 0 };
    int r = http_do(h, &rq, &rs, e);
    if (r == 0)
        ck_assert_str_eq(buf_str(&rs.body), "ok");
    http_response_fini(&rs);
    http_free(h);
    return r;
}

START_TEST(trusts_the_named_ca_alone) {
    struct err e = { 0 };
    ck_assert_msg(get("localhost", ca_file, &e) == 0, "%s", e.text);
    ck_assert_int_eq(get("localhost", NULL, &e), -1);
    ck_assert_int_eq(e.status, 0x0207);
    ck_assert_int_eq(get("127.0.0.1", ca_file, &e), -1); /* not in the certificate */
    ck_assert_int_eq(e.status, 0x0207);
    ck_assert_int_eq(get("localhost", "/no/such/file", &e), -1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/http_tls");
    TCase *c = tcase_create("http_tls");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, trusts_the_named_ca_alone);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
