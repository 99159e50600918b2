/* Pins and answers of any bytes: they accept a certificate only when its 64 digits are written
 * there, one after the other but for what is between digits. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/cert/certpin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PRINT "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), *digits = malloc(size + 1);
    size_t n = 0;
    if (!text || !digits)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    for (const char *p = text; *p; p++)
        if (isxdigit((unsigned char)*p))
            digits[n++] = (char)tolower((unsigned char)*p);
    digits[n] = '\0';
    if (certpin_match(text, PRINT) && !strstr(digits, PRINT))
        abort();
    if (certpin_accepts(text, PRINT) && strcasecmp(text, "yes") != 0 && !certpin_match(text, PRINT))
        abort();
    free(text);
    free(digits);
    return 0;
}
