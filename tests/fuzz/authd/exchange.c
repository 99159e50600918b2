/* A whole request of a browser as the proxy passes it on: six lines (method, path, query, cookie,
 * origin, body). Nobody is signed in, so nothing of value is answered, whatever is asked. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "proxy/authd/limits.h"
#include "proxy/authd/route.h"
#include "proxy/authd/used.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct authd a;

static void on_change(void *arg) {
    (void)arg;
}

static bool trust(void *arg, unsigned uid) {
    (void)arg;
    return uid == geteuid();
}

static void begin(void) {
    static char dir[] = "/tmp/authd-fuzz-XXXXXX";
    struct err e = { 0 };
    const char *key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    char path[64];
    log_init("fuzz", LOG_LEVEL_ERROR);
    if (!mkdtemp(dir))
        abort();
    a.conf.run = dir;
    a.conf.oidc_issuer = strdup("http://127.0.0.1:1/r");
    a.conf.oidc_client = strdup("guacamole");
    snprintf(a.conf.origin, sizeof a.conf.origin, "http://127.0.0.1:8080");
    a.conf.auditors = json_pack("[s]", "auditor");
    a.conf.operators = a.conf.moderators = json_array();
    pthread_rwlock_init(&a.keys_lock, NULL);
    a.keys = cookie_keys_parse(key, strlen(key), &e);
    snprintf(path, sizeof path, "%s/resources", dir);
    a.resources = resources_folder_new(path, &e);
    a.locks = a.resources ? locks_new(a.resources, "guacamole", &e) : NULL;
    a.audit = audit_new(NULL, "g", &e);
    a.catalog = catalog_folder_new(dir, &e);
    a.sessions = sessions_new(dir, on_change, trust, NULL, &e);
    a.links = links_new(a.conf.origin);
    a.used = used_new();
    a.replays = used_new();
    a.limits = limits_new(&a.conf);
    if (!a.limits || !a.keys || !a.locks || !a.audit || !a.catalog || !a.sessions)
        abort();
    rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = { "method", "path", "query", "cookie", "origin", "body" };
    const char *text = (const char *)data, *end = text + size;
    struct exchange x;
    struct err e = { 0 };
    if (!a.keys)
        begin();
    _json_ json_t *msg = json_object();
    _json_ json_t *headers = json_object();
    for (size_t i = 0; i < 6 && text <= end; i++) {
        const char *nl = i < 5 ? memchr(text, '\n', (size_t)(end - text)) : NULL;
        json_t *value = json_stringn(text, (size_t)((nl ? nl : end) - text));
        if (value)
            json_object_set_new(i == 3 || i == 4 ? headers : msg, names[i], value);
        text = nl ? nl + 1 : end + 1;
    }
    json_object_set_new(headers, "x-csrf", json_string("A"));
    json_object_set(msg, "headers", headers);
    if (exchange_init(&x, &a, NULL, msg, &e) == 0) {
        /* the one route that would go out to the identity provider */
        if (strcmp(x.path, "/auth/login") != 0) {
            route_run(&x);
            bool open = strcmp(x.path, "/auth/methods") == 0;
            if (x.status < 200 || x.status > 599 || (x.status < 400 && !open) || x.park_until)
                abort();
        }
    } else if (!*e.text) {
        abort();
    }
    exchange_fini(&x);
    return 0;
}
