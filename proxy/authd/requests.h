/* Requests for access in the store: who has which, and what becomes of a yes or a no. Several
 * replicas may work on one at a moment: the request's version decides who was first. */
#ifndef GUAC_AUTHD_REQUESTS_H
#define GUAC_AUTHD_REQUESTS_H

#include "crd/catalog.h"
#include "crd/resources.h"
#include "proxy/authd/identity.h"

struct authd;

#define REQUESTS_ID 320 /* "namespace.name" */
void requests_id(const struct resource *r, char out[REQUESTS_ID]);
/* The request of that id in the view; borrowed, NULL: none. */
struct resource *requests_find(const struct resources_view *v, const char *id);

/* One person's requests. Holds its view until finished. */
struct requests_own {
    struct resources_view *view;
    struct resource **list;
    size_t count;
};
void requests_own_init(struct requests_own *o, struct resources *store, const struct identity *who);
void requests_own_fini(struct requests_own *o);
/* The newest for this connection, or the one approved longest; NULL: none. */
const struct resource *requests_newest(const struct requests_own *o, const struct connection *c,
                                       bool approved);

/* Let an approval (stored already) work on its request, and write down whether it counted.
 * RESOURCES_INVALID: it does not, e says why. *out (may be NULL): the request as it is now. */
enum resources_result requests_apply(struct authd *a, const struct resource *approval,
                                     struct resource **out, struct err *e);
/* The requester takes it back. */
enum resources_result requests_withdraw(struct authd *a, const struct resource *request,
                                        struct resource **out, struct err *e);
/* Approvals that came by other ways (kubectl), requests that lapsed, and what is too old to keep.
 */
void requests_sweep(struct authd *a, int64_t now);

#endif
