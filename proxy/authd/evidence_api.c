/* What auditors ask beside the recordings themselves: search, proofs, verification. Answers come
 * from guac-evidence and pass through; a search is an audit event, since it shows what people
 * typed. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/evidence_ask.h"
#include "proxy/authd/route.h"

#define SEARCH_LIMIT 200
#define SEARCH_DEFAULT 50

void api_search(struct exchange *x) {
    const char *words = query_get(&x->query, "q", ""), *after = query_get(&x->query, "after", "");
    const char *kind = query_get(&x->query, "kind", "");
    long limit = strtol(query_get(&x->query, "limit", "0"), NULL, 10);
    limit = limit <= 0 ? SEARCH_DEFAULT : MIN_OF(limit, SEARCH_LIMIT);
    json_t *filter = evidence_filter(x);
    if (*kind)
        json_object_set_new(filter, "kind", json_string(kind));
    json_t *msg = json_pack("{s:s, s:s, s:o, s:i}", "op", "search", "query", words, "filter",
                            filter, "limit", (int)limit);
    if (msg && *after)
        json_object_set_new(msg, "after", json_string(after));
    struct audit_event ev = { .kind = AUDIT_SEARCH,
                              .success = true,
                              .who = x->who,
                              .peer = x->peer,
                              .message = "recordings were searched",
                              .detail = json_pack("{s:s}", "query", words) };
    audit_write(x->a->audit, &ev);
    evidence_relay(x, msg);
}

void api_recording_proof(struct exchange *x) {
    evidence_relay(x, json_pack("{s:s, s:s}", "op", "proof", "id", x->params[0]));
}

void api_recording_verify(struct exchange *x) {
    evidence_relay(x, json_pack("{s:s, s:s}", "op", "verify", "id", x->params[0]));
}
