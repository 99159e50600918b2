/* Pinned certificates: SHA-256 fingerprints as people write them. Pure; compiled into the backends
 * that check certificates themselves (VNC, RDP). */
#ifndef GUAC_BACKENDS_CERT_CERTPIN_H
#define GUAC_BACKENDS_CERT_CERTPIN_H

#include <stdbool.h>

/* Whether `print` (64 hex digits in lower case) is among the pins: words separated by blanks or
 * commas, each a SHA-256 fingerprint in any case, with or without colons, with or without
 * "sha256:" before it. What is no fingerprint matches nothing. */
bool certpin_match(const char *pins, const char *print);
/* A person's answer to an unknown certificate: "yes", or its fingerprint repeated. */
bool certpin_accepts(const char *answer, const char *print);

#endif
