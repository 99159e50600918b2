/* Who used which connection last: for "recents" in the list. Of this process's life only; the
 * persons' own GuacamoleSessions will say it for good. Any thread. */
#ifndef GUAC_AUTHD_USED_H
#define GUAC_AUTHD_USED_H

#include <stdint.h>

struct used;

struct used *used_new(void);
void used_free(struct used *u);
void used_note(struct used *u, const char *sub, const char *connection, int64_t at_ms);
/* Unix ms, 0: never. */
int64_t used_last(struct used *u, const char *sub, const char *connection);

#endif
