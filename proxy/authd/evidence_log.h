/* authd's side of the log over all sessions: it signs what is asked to be in it, and the tree's
 * checkpoints, but none that does not contain the one it signed before. Any thread. */
#ifndef GUAC_AUTHD_EVIDENCE_LOG_H
#define GUAC_AUTHD_EVIDENCE_LOG_H

#include "proxy/authd/authd.h"
#include "recording/leaf.h"

struct evidence_log;
struct evidence_log *evidence_log_new(void);
void evidence_log_free(struct evidence_log *l);
/* What an earlier life signed last; before any thread, with the key read. */
void evidence_log_load(struct authd *a);

/* Signs a leaf about `session` (NULL: none) and waits until it is in the log; `detail` is taken
 * over. -1: it is not, and what it stands for must not happen. */
int evidence_log_leaf(struct authd *a, enum leaf_kind kind, const char *session,
                      const struct identity *who, json_t *detail, struct err *e);
/* The recorder's question `checkpoint`: the answer to send. */
json_t *evidence_log_sign(struct authd *a, const json_t *msg);
/* A leaf's place, for the audit: with it the audit's reader holds an anchor of his own. */
void evidence_log_tell(struct authd *a, const char *session, const char *kind, const json_t *place);

#endif
