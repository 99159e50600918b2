/* One-letter member names: the whole has to fit into a cookie. */
#include "proxy/authd/identity.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/secret.h"
#include "guacd/proto/status.h"

struct identity *identity_new(const char *sub, const char *sid, const char *name, json_t *roles) {
    struct identity *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->sub = strdup(sub);
    i->sid = strdup(sid);
    i->name = strdup(name);
    i->roles = json_incref(roles);
    i->groups = json_array();
    if (i->sub && i->sid && i->name && i->roles && i->groups)
        return i;
    identity_free(i);
    return NULL;
}

void identity_free(struct identity *i) {
    if (!i)
        return;
    if (i->refresh)
        secret_wipe(i->refresh, strlen(i->refresh));
    free(i->sub);
    free(i->sid);
    free(i->name);
    free(i->login);
    free(i->acr);
    free(i->id_token_sha256);
    free(i->refresh);
    json_decref(i->roles);
    json_decref(i->groups);
    free(i);
}

static void put(json_t *o, const char *key, const char *value) {
    if (value)
        json_object_set_new(o, key, json_string(value));
}

json_t *identity_write(const struct identity *i) {
    json_t *o = json_pack("{s:s, s:s, s:s, s:O, s:I, s:I, s:I}", "s", i->sub, "i", i->sid, "n",
                          i->name, "r", i->roles, "t", (json_int_t)i->auth_time, "m",
                          (json_int_t)i->issued_ms, "e", (json_int_t)i->exp);
    if (!o)
        return NULL;
    put(o, "a", i->acr);
    put(o, "l", i->login);
    put(o, "h", i->id_token_sha256);
    put(o, "f", i->refresh);
    if (json_array_size(i->groups))
        json_object_set(o, "g", i->groups);
    if (i->development)
        json_object_set_new(o, "d", json_true());
    return o;
}

static char *copy(const json_t *o, const char *key) {
    const char *s = json_str(o, key, NULL);
    return s ? strdup(s) : NULL;
}

/* It was sealed by us, but an older version's or a mistake must not become half an identity. */
struct identity *identity_read(const json_t *o, struct err *e) {
    const char *sub = json_str(o, "s", ""), *sid = json_str(o, "i", "");
    json_t *roles = json_object_get(o, "r"), *groups = json_object_get(o, "g"), *name;
    size_t n;
    bool ok = *sub && *sid && json_is_array(roles) && json_num(o, "e", 0) > 0;
    json_array_foreach(roles, n, name) ok = ok && json_is_string(name);
    json_array_foreach(groups, n, name) ok = ok && json_is_string(name);
    struct identity *i = ok ? identity_new(sub, sid, json_str(o, "n", sub), roles) : NULL;
    if (!i) {
        err_set(e, STATUS_CLIENT_UNAUTHORIZED, "the cookie's content is of another version");
        return NULL;
    }
    if (json_is_array(groups))
        json_array_extend(i->groups, groups);
    i->acr = copy(o, "a");
    i->login = copy(o, "l");
    i->id_token_sha256 = copy(o, "h");
    i->refresh = copy(o, "f");
    i->auth_time = json_num(o, "t", 0);
    i->issued_ms = json_num(o, "m", 0);
    i->exp = json_num(o, "e", 0);
    i->development = json_flag(o, "d", false);
    return i;
}

const char *identity_first_of(const struct identity *i, const json_t *roles) {
    size_t n;
    json_t *role;
    json_array_foreach(roles, n, role) {
        const char *s = json_string_value(role);
        if (s && json_has_string(i->roles, s))
            return s;
    }
    return NULL;
}

bool identity_has_any(const struct identity *i, const json_t *roles) {
    return identity_first_of(i, roles) != NULL;
}
