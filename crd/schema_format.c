/* What texts must look like, for us as functions and for the API server as patterns. */
#include <string.h>

#include "crd/schema.h"
#include "guacd/base/util.h"

#define LABEL "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

static bool is_bucket(const char *s) {
    return strlen(s) >= 3 && strlen(s) <= 63 && field_is_subdomain(s);
}

static bool is_uuid(const char *s) {
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i;
    for (i = 0; form[i] && s[i]; i++) {
        bool hex = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f');
        if (form[i] == 'x' ? !hex : s[i] != '-')
            return false;
    }
    return !form[i] && !s[i];
}

/* "namespace/name" */
static bool is_reference(const char *s) {
    char namespace[64] = "";
    const char *slash = strchr(s, '/');
    if (!slash || slash - s > 63)
        return false;
    memcpy(namespace, s, (size_t)(slash - s));
    return field_is_label(namespace) && field_is_subdomain(slash + 1);
}

/* Placeholders are known ones: a slip would show braces to everybody instead of a name. */
static bool is_watermark(const char *s) {
    static const char *const known[] = { "{name}",    "{sub}",     "{connection}",
                                         "{session}", "{address}", "{time}" };
    while ((s = strchr(s, '{'))) {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            found |= strncmp(s, known[i], strlen(known[i])) == 0;
        if (!found)
            return false;
        s++;
    }
    return true;
}

/* Equality terms and bare keys, as in "app=shop,tier!=db,canary"; set terms are left to kubectl. */
static bool is_selector(const char *s) {
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
    for (;;) {
        size_t n = strspn(s, word);
        if (n == 0)
            return false;
        s += n;
        if (*s == '!' || *s == '=') {
            s += *s == '!' ? 1 : 0;
            n = strspn(s, "=");
            if (n < 1 || n > 2)
                return false;
            s += n;
            s += strspn(s, word);
        }
        if (*s == '\0')
            return true;
        if (*s++ != ',')
            return false;
    }
}

const struct schema_format schema_label = { field_is_label,
                                            "must be small letters, digits and hyphens, 63 at most",
                                            LABEL };
const struct schema_format schema_subdomain = { field_is_subdomain, "is no Kubernetes name",
                                                LABEL "(\\." LABEL ")*" };
const struct schema_format schema_host = {
    field_is_host, "is no host name and no address (no port, no brackets)",
    "[A-Za-z0-9_]([-A-Za-z0-9_]*\\.?)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
};
const struct schema_format schema_bucket = { is_bucket,
                                             "must be 3…63 small letters, digits, dots and hyphens",
                                             "[a-z0-9][-a-z0-9.]*[a-z0-9]" };
const struct schema_format schema_uuid = { is_uuid, "is no UUID in small letters",
                                           "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}" };
const struct schema_format schema_selector = {
    is_selector, "is no list of labels such as app=shop,tier!=db",
    "[-A-Za-z0-9_./]+(!?==?[-A-Za-z0-9_./]*)?(,[-A-Za-z0-9_./]+(!?==?[-A-Za-z0-9_./]*)?)*"
};

const struct schema_format schema_reference = { is_reference, "must be namespace/name",
                                                LABEL "/" LABEL "(\\." LABEL ")*" };
const struct schema_format schema_watermark = {
    is_watermark, "knows {name}, {sub}, {connection}, {session}, {address} and {time} only",
    "([^{]|\\{(name|sub|connection|session|address|time)\\})*"
};
