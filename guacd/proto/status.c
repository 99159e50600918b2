/* Status codes in words for logs, and as HTTP for refusals before a tunnel exists: one row each. */
#include "guacd/proto/status.h"

#include <stddef.h>

#include "guacd/base/util.h"

static const struct status_row {
    int status, http;
    const char *name;
} rows[] = {
    { STATUS_SUCCESS, 200, "success" },
    { STATUS_UNSUPPORTED, 501, "unsupported" },
    { STATUS_SERVER_ERROR, 500, "server error" },
    { STATUS_SERVER_BUSY, 503, "server busy" },
    { STATUS_UPSTREAM_TIMEOUT, 504, "upstream timeout" },
    { STATUS_UPSTREAM_ERROR, 502, "upstream error" },
    { STATUS_RESOURCE_NOT_FOUND, 404, "resource not found" },
    { STATUS_RESOURCE_CONFLICT, 409, "resource conflict" },
    { STATUS_RESOURCE_CLOSED, 410, "resource closed" },
    { STATUS_UPSTREAM_NOT_FOUND, 502, "upstream not found" },
    { STATUS_UPSTREAM_UNAVAILABLE, 502, "upstream unavailable" },
    { STATUS_SESSION_CONFLICT, 409, "session conflict" },
    { STATUS_SESSION_TIMEOUT, 408, "session timeout" },
    { STATUS_SESSION_CLOSED, 410, "session closed" },
    { STATUS_CLIENT_BAD_REQUEST, 400, "bad request" },
    { STATUS_CLIENT_UNAUTHORIZED, 401, "unauthorized" },
    { STATUS_CLIENT_FORBIDDEN, 403, "forbidden" },
    { STATUS_CLIENT_TIMEOUT, 408, "client timeout" },
    { STATUS_CLIENT_OVERRUN, 413, "client overrun" },
    { STATUS_CLIENT_BAD_TYPE, 415, "bad type" },
    { STATUS_CLIENT_TOO_MANY, 429, "too many" },
};

static const struct status_row *find(int status) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return &rows[i];
    return NULL;
}

const char *status_name(int status) {
    const struct status_row *r = find(status);
    return r ? r->name : "unknown status";
}

int status_http(int status) {
    const struct status_row *r = find(status);
    if (r)
        return r->http;
    return status >= 0x0300 && status < 0x0400 ? 400 : 500;
}
