/* Verified claims become an identity: who, and which roles. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/proto/status.h"
#include "proxy/authd/oidc.h"
#include "proxy/authd/token.h"

#define LOGIN_MAX 128
#define REFRESH_MAX 1500 /* longer ones would not fit into the cookie */

/* The first of these that can be shown. */
static const char *name_of(const json_t *claims) {
    static const char *const keys[] = { "name", "preferred_username", "email", "sub" };
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const char *s = json_str(claims, keys[k], "");
        size_t n = strlen(s), i = 0;
        while (i < n && (unsigned char)s[i] >= 0x20 && s[i] != 0x7f)
            i++;
        if (n && i == n && n <= 128)
            return s;
    }
    return "somebody";
}

/* In a form that may stand in files and headers. */
void oidc_sid(const char *sid, char out[65]) {
    if (strlen(sid) <= 64 &&
        strspn(sid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
            strlen(sid))
        strcpy(out, sid);
    else
        sha256_hex(sid, strlen(sid), out);
}

/* The provider's id of the sign-in; one of our own where it has none. */
static void sid_of(const json_t *claims, char out[65]) {
    const char *sid = json_str(claims, "sid", json_str(claims, "session_state", ""));
    uint8_t raw[24];
    if (*sid) {
        oidc_sid(sid, out);
    } else {
        random_bytes(raw, sizeof raw);
        hex_encode(raw, sizeof raw, out);
    }
}

static json_t *roles_of(const struct config *conf, const json_t *id_claims,
                        const json_t *access_claims) {
    json_t *roles = json_array(), *path;
    size_t i;
    json_array_foreach(conf->role_paths, i, path)
        token_roles(id_claims, json_string_value(path), roles);
    /* A stock Keycloak client has its roles in the access token alone. */
    if (json_array_size(roles) == 0 && access_claims)
        json_array_foreach(conf->role_paths, i, path)
            token_roles(access_claims, json_string_value(path), roles);
    return roles;
}

/* Keycloak writes a group as its path or as its name: "/team-platform", "team-platform". */
static void groups_of(const struct config *conf, const json_t *id_claims,
                      const json_t *access_claims, json_t *out) {
    _json_ json_t *found = json_array();
    size_t i;
    json_t *group;
    if (!conf->groups_claim || !*conf->groups_claim)
        return;
    token_roles(id_claims, conf->groups_claim, found);
    if (json_array_size(found) == 0 && access_claims)
        token_roles(access_claims, conf->groups_claim, found);
    json_array_foreach(found, i, group) {
        const char *name = json_string_value(group);
        name += *name == '/';
        if (*name && !json_has_string(out, name))
            json_array_append_new(out, json_string(name));
    }
}

struct identity *oidc_identity(const struct config *conf, const json_t *id_claims,
                               const json_t *access_claims, const char *id_token,
                               const char *refresh, int64_t now, struct err *e) {
    char sid[65], hash[65];
    sid_of(id_claims, sid);
    _json_ json_t *roles = roles_of(conf, id_claims, access_claims);
    struct identity *i =
        roles ? identity_new(json_str(id_claims, "sub", ""), sid, name_of(id_claims), roles) : NULL;
    if (!i) {
        err_set(e, STATUS_SERVER_ERROR, "no memory for an identity");
        return NULL;
    }
    groups_of(conf, id_claims, access_claims, i->groups);
    const char *acr = json_str(id_claims, "acr", NULL);
    const char *login = json_str(id_claims, "preferred_username", NULL);
    sha256_hex(id_token, strlen(id_token), hash);
    i->id_token_sha256 = strdup(hash);
    i->login = login && strlen(login) <= LOGIN_MAX ? strdup(login) : NULL;
    i->acr = acr && strlen(acr) <= 64 ? strdup(acr) : NULL;
    i->refresh = refresh && strlen(refresh) <= REFRESH_MAX ? strdup(refresh) : NULL;
    i->auth_time = json_num(id_claims, "auth_time", json_num(id_claims, "iat", now));
    i->issued_ms = (int64_t)clock_wall_ms();
    i->exp = now + conf->claims_minutes * 60;
    return i;
}
