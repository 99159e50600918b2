/* Asking guac-evidence, for the handlers of recordings (api_recordings.c has them). */
#ifndef GUAC_AUTHD_EVIDENCE_ASK_H
#define GUAC_AUTHD_EVIDENCE_ASK_H

#include "proxy/authd/exchange.h"

/* Takes msg. The answer's first descriptor in *fd, or -1. */
json_t *evidence_ask(struct exchange *x, json_t *msg, int *fd, struct err *e);
/* The same with a deadline of its own, in ms. */
json_t *evidence_ask_within(struct exchange *x, json_t *msg, int ms, int *fd, struct err *e);
void evidence_refuse(struct exchange *x, const struct err *e);
/* Bytes that are known in number, or not (a pipe). Takes fd. */
void evidence_pass(struct exchange *x, const char *type, int fd, int64_t size);
/* Asks, and answers with what comes: small, or a document. Takes msg. */
void evidence_relay(struct exchange *x, json_t *msg);
/* person, connection, protocol, state, from and to of the query. */
json_t *evidence_filter(const struct exchange *x);
/* evidence_exports.c: does the reader make exports? */
bool evidence_exports_made(struct exchange *x);

#endif
