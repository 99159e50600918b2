#include "guacd/backends/cert/certpin.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PREFIX "sha256:" /* whose "a", "2", "5" and "6" would be digits */
#define DIGITS 64

/* One word as 64 digits in lower case; out is empty when it is no fingerprint. Returns where the
 * next begins. */
static const char *next_print(const char *p, char out[DIGITS + 1]) {
    size_t n = 0;
    if (strncasecmp(p, PREFIX, strlen(PREFIX)) == 0)
        p += strlen(PREFIX);
    for (; *p && !isspace((unsigned char)*p) && *p != ','; p++)
        if (isxdigit((unsigned char)*p) && n++ < DIGITS)
            out[n - 1] = (char)tolower((unsigned char)*p);
    out[n == DIGITS ? n : 0] = '\0';
    while (isspace((unsigned char)*p) || *p == ',')
        p++;
    return p;
}

bool certpin_match(const char *pins, const char *print) {
    char one[DIGITS + 1];
    bool found = false;
    while (*pins) {
        pins = next_print(pins, one);
        found |= one[0] && strcmp(one, print) == 0;
    }
    return found;
}

bool certpin_accepts(const char *answer, const char *print) {
    return strcasecmp(answer, "yes") == 0 || certpin_match(answer, print);
}
