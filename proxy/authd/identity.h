/* Who somebody is: what the sealed cookie holds, and nothing else knows. */
#ifndef GUAC_AUTHD_IDENTITY_H
#define GUAC_AUTHD_IDENTITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/err.h"

struct identity {
    char *sub, *sid; /* person, sign-in */
    char *name;      /* to show */
    char *login;     /* as the person signs in (preferred_username); NULL: not said */
    json_t *roles;   /* strings */
    json_t *groups;  /* strings, without a leading slash; they name approvers, not audiences */
    char *acr;       /* NULL: not said */
    char *id_token_sha256; /* hex; NULL for a development sign-in */
    char *refresh;         /* refresh token, opaque to us; NULL: none */
    int64_t auth_time;     /* Unix s: when the person proved who it is */
    int64_t issued_ms;     /* Unix ms: when this cookie was made */
    int64_t exp;           /* Unix s: until when the claims are believed */
    bool development;      /* signed in by a link: no identity provider behind it */
};

struct identity *identity_new(const char *sub, const char *sid, const char *name, json_t *roles);
void identity_free(struct identity *i); /* wipes the refresh token */
/* To and from the cookie's content. */
json_t *identity_write(const struct identity *i);
struct identity *identity_read(const json_t *content, struct err *e);
/* Has it any of these roles? */
bool identity_has_any(const struct identity *i, const json_t *roles);
/* The first role of `roles` that it has, or NULL; borrowed from `roles`. */
const char *identity_first_of(const struct identity *i, const json_t *roles);

static inline void identity_freep(struct identity **i) {
    identity_free(*i);
}
#define _identity_ __attribute__((cleanup(identity_freep)))

#endif
