/* One row a field. The commit that builds it removes its row. */
#include "proxy/authd/notyet.h"

#include "guacd/base/util.h"

static bool by_certificate(const struct connection *c) {
    return c->credentials.from == CREDENTIALS_CERTIFICATE;
}

static bool watermark(const struct connection *c) {
    return c->watermark.there;
}

static const struct {
    const char *field;
    bool (*asked)(const struct connection *c);
} rows[] = {
    { "spec.credentials.from: certificate", by_certificate },
    { "spec.watermark", watermark },
};

const char *notyet_first(const struct connection *c) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].asked(c))
            return rows[i].field;
    return NULL;
}
