/* Sign-ins that were ended before their cookie's time: a copied cookie must not outlive the
 * sign-out. Kept until the cookie would have expired anyway, in a file of the run folder so that a
 * restart forgets none. (GuacamoleLock takes this over when resources are shared by replicas.) Any
 * thread. */
#ifndef GUAC_AUTHD_REVOKED_H
#define GUAC_AUTHD_REVOKED_H

#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/err.h"

#define REVOKED_MAX 100000

struct revoked;

struct revoked *revoked_new(const char *path, struct err *e);
void revoked_free(struct revoked *r);
/* Cookies of this sign-in made up to now are void. They expire at `exp` (Unix s) at the latest. */
int revoked_add(struct revoked *r, const char *sid, int64_t now_ms, int64_t exp, struct err *e);
/* True for the first to say this key; it is remembered until `exp`. */
bool revoked_once(struct revoked *r, const char *key, int64_t now_ms, int64_t exp);
/* The key that stands for all sign-ins of a person. */
#define REVOKED_KEY 80
void revoked_person(const char *sub, char key[REVOKED_KEY]);
/* Was this cookie (its sign-in, when it was made) ended? */
bool revoked_has(struct revoked *r, const char *sid, int64_t issued_ms);
/* Forget what has expired. */
void revoked_sweep(struct revoked *r, int64_t now_s);

#endif
