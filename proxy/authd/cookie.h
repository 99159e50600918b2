/* Sealed cookies: AES-256-GCM under a key that every replica has, so that any of them serves any
 * request and none keeps a session table. The purpose is authenticated with the content: a
 * pre-login cookie never passes for a signed-in one. Text: base64url of key id (4 bytes) · nonce
 * (12) · ciphertext · tag (16). */
#ifndef GUAC_AUTHD_COOKIE_H
#define GUAC_AUTHD_COOKIE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/util.h"

#define COOKIE_TEXT_MAX 3072 /* of a sealed value; browsers take 4096 with name and attributes */
#define COOKIE_KEYS_MAX 8
#define COOKIE_CSRF_LEN 43

#define COOKIE_SESSION "session" /* purposes */
#define COOKIE_PRELOGIN "prelogin"
#define COOKIE_RELAY "relay" /* no cookie: a ticket between replicas, sealed the same way */

struct cookie_keys; /* immutable once made; any thread */

/* Base64 keys of 32 bytes, one a line, the newest first; # comments and empty lines are skipped. */
struct cookie_keys *cookie_keys_parse(const char *text, size_t len, struct err *e);
struct cookie_keys *cookie_keys_read(const char *path, struct err *e);
/* Make a file with one new key, mode 0600; one that exists is an error. */
int cookie_keys_create(const char *path, struct err *e);
void cookie_keys_free(struct cookie_keys *k); /* wipes */

/* Seal with the newest key. Fails when the text would be longer than COOKIE_TEXT_MAX. */
int cookie_seal(const struct cookie_keys *k, const char *purpose, const json_t *content,
                struct buf *out, struct err *e);
/* A new object; NULL when it is not ours, not for this purpose, or changed. */
json_t *cookie_open(const struct cookie_keys *k, const char *purpose, const char *text, size_t len,
                    struct err *e);

/* What the page sends back as X-CSRF: an HMAC of the sign-in's id under a key of its own. */
void cookie_csrf(const struct cookie_keys *k, const char *sid, char out[COOKIE_CSRF_LEN + 1]);
bool cookie_csrf_check(const struct cookie_keys *k, const char *sid, const char *token);

/* Value of the named cookie in a Cookie header; data NULL when it is not there. A name given twice
 * yields nothing: somebody is tossing cookies. Pure. */
struct slice cookie_find(const char *header, size_t len, const char *name);
/* "__Host-guac=…; Path=/; …" (secure), else "guac=…; …" for http on loopback. value NULL: delete
 * it. name is without prefix. */
int cookie_format(struct buf *out, const char *name, const char *value, bool secure, long max_age);
/* The name as the browser knows it. */
void cookie_name(const char *name, bool secure, char *out, size_t size);

#endif
