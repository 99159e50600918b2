/* Who may do what to somebody's session. */
#ifndef GUAC_AUTHD_SHARE_H
#define GUAC_AUTHD_SHARE_H

#include "proxy/authd/authd.h"

enum share_right {
    SHARE_RESUME = 1 << 0, /* come back as its owner */
    SHARE_VIEW = 1 << 1,
    SHARE_HELP = 1 << 2,
    SHARE_TAKEOVER = 1 << 3,
    SHARE_MESSAGE = 1 << 4,
    SHARE_END = 1 << 5,
    SHARE_PAUSE = 1 << 6,
    SHARE_ROLE = 1 << 7,
    SHARE_INVITE = 1 << 8,
};
/* Names of the rights, as the page knows them; a new array. */
json_t *share_names(unsigned rights);

struct share_ask {
    const struct identity *who;
    const char *owner;          /* sub */
    const struct connection *c; /* NULL: gone */
    const json_t *invites;      /* of the GuacamoleSession; NULL: none */
    bool moderates, audits;     /* by the configuration's roles */
};
/* Pure. 0: it is none of this person's business. */
unsigned share_rights(const struct share_ask *q);
/* Does this person count as the moderator that the connection asks for? Pure. */
bool share_moderates(const struct share_ask *q);

/* What one thread found out and the keeper writes down. Any thread; of this process's life. */
struct share *share_new(void);
void share_free(struct share *s);
/* Sessions whose seal was asked for, with the reason; the keeper writes it down. */
void share_ended(struct share *s, const char *session, const char *reason);
json_t *share_take_ended(struct share *s); /* {id: reason}, a new object */

#endif
