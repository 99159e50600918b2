/* What a tunnel's query asks for: which connection or session, and what the browser can show. Pure;
 * the query is hostile. */
#ifndef GUAC_AUTHD_DISPLAY_H
#define GUAC_AUTHD_DISPLAY_H

#include "guacd/base/enc.h"
#include "guacd/proto/handshake.h"
#include "proxy/authd/pods.h"
#include "proxy/authd/query.h"

struct display {
    char namespace[64], name[254]; /* of a connection, or "" */
    char session[UUID_LEN + 1];    /* of a running session, or "" */
    char role[8];                  /* "", "owner", "helper" or "viewer" */
    struct handshake_info info;    /* clamped */
    struct pods_choice kube;       /* the pod a person chose */
};

/* -1 with e: neither a connection nor a session is named, or both. Sizes, lists and names that make
 * no sense fall to their defaults, unknown keys are ignored. Apache's names (GUAC_ID, GUAC_TYPE,
 * GUAC_WIDTH …) mean the same as ours. */
int display_read(const struct query *q, struct display *out, struct err *e);

#endif
