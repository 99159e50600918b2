/* What a person types to find something, as an expression of SQLite's FTS5. Pure. */
#ifndef GUAC_EVIDENCE_SEARCH_QUERY_H
#define GUAC_EVIDENCE_SEARCH_QUERY_H

#include <jansson.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"

#define SEARCH_QUERY_MAX 1024
#define SEARCH_WORDS_MAX 32

/* Words (all of them), "a phrase", -not, begin*; everything else is text to be found. */
int search_query(const char *text, struct buf *out, struct err *e);

#define SEARCH_MARK_ON '\x02'
#define SEARCH_MARK_OFF '\x03'
/* `text` with marks taken out: {text, marks [[first, count]… in code points]}. */
json_t *search_marks(const char *text);

#endif
