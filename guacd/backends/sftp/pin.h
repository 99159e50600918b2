/* Pinned host keys, and what a private key needs. Pure. */
#ifndef GUAC_BACKENDS_SFTP_PIN_H
#define GUAC_BACKENDS_SFTP_PIN_H

#include <stdbool.h>
#include <stddef.h>

enum pin_result { PIN_MATCH, PIN_OTHER, PIN_BAD };
/* Is this key (raw) the pinned one? `pin`: lines of known_hosts with or without names, bare base64,
 * or SHA256:fingerprint. BAD: there is no key in it. */
enum pin_result pin_check(const char *pin, const unsigned char *key, size_t len);
/* Type name of the first key in `pin` ("ssh-rsa"), "" when it cannot be told. */
void pin_type(const char *pin, char *out, size_t size);
/* "SHA256:…" without padding, as ssh-keygen prints it. out >= 52 bytes. */
void pin_fingerprint(const unsigned char *key, size_t len, char *out);
/* Does a private key in memory want a passphrase? */
bool key_encrypted(const char *pem);

#endif
