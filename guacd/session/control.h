/* The part of the control socket that reads what came: apart, for its fuzzer. */
#ifndef GUAC_SESSION_CONTROL_H
#define GUAC_SESSION_CONTROL_H

#include <jansson.h>

struct session;

/* The answer to one message (a new reference, NULL without memory). *fd is the descriptor that came
 * with it, -1 for none; it is -1 afterwards if the session keeps it, else the caller closes it. */
json_t *control_answer(struct session *s, const json_t *msg, int *fd);

#endif
