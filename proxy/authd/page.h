/* The small pages of the sign-in: one sentence what happened, one what to do, an id to quote. No
 * script, no inline style; the look comes from the page's own /error.css. */
#ifndef GUAC_AUTHD_PAGE_H
#define GUAC_AUTHD_PAGE_H

#include "guacd/base/buf.h"
#include "proxy/authd/failure.h"

struct page_link {
    const char *href, *text; /* href NULL: none */
};

/* Append the page. detail (may be NULL) is anybody's text: it is escaped. */
int page_error(struct buf *out, enum failure f, const char *detail, const char *id,
               struct page_link again, struct page_link other);
/* Append with & < > " ' escaped. */
int page_escape(struct buf *out, const char *text);

#endif
