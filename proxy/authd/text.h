/* Sentences are put together from other people's words and cut to size; what leaves must be UTF-8,
 * or no JSON can carry it. */
#ifndef GUAC_AUTHD_TEXT_H
#define GUAC_AUTHD_TEXT_H

#include <stddef.h>

/* In place: every byte that belongs to no whole UTF-8 sequence becomes '?'. Returns s. */
char *text_clean(char *s);
void text_clean_bytes(char *data, size_t len);

#endif
