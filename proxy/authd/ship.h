/* Audit events on their way out: to OpenSearch and to syslog. The audit file is the spool: each
 * sink reads it at its own pace and remembers how far it came, so that nothing is lost while one is
 * away, or while authd is. Each has a thread of its own; events never wait for it. */
#ifndef GUAC_AUTHD_SHIP_H
#define GUAC_AUTHD_SHIP_H

#include <stdatomic.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/base/metrics.h"
#include "proxy/authd/config.h"

#define SHIP_LINES_MAX 1000
#define SHIP_BYTES_MAX (1u << 20)

struct ship;

/* Starts a thread for each sink that is configured; NULL with e: one cannot be. */
struct ship *ship_new(const struct config *c, struct err *e);
void ship_free(struct ship *s); /* what is not sent yet is sent after the next start */
/* An event was written. Any thread. */
void ship_wake(struct ship *s);
/* Both sinks' metrics. */
int ship_metrics(struct buf *out);

/* A sink. send: whole lines (each ends in a newline); 0 when all of them were taken for good, and
 * *rejected those that never will be; -1 with e: try again later. One thread. */
struct ship_sink {
    const char *name;
    void *(*open)(const struct config *c, struct err *e); /* NULL without e: not configured */
    void (*close)(void *state);
    int (*send)(void *state, const char *lines, size_t len, size_t *rejected, struct err *e);
};
extern const struct ship_sink ship_opensearch, ship_syslog;

/* Pure. RFC 5424 of one event (a line without its newline), framed by octet counting (RFC 6587
 * section 3.4.1). -1: that is no event. */
int ship_syslog_format(const char *line, size_t len, const char *host, struct buf *out);
/* Pure. Body of a _bulk of these lines, with fixed ids; *count: events in it. Lines that are no
 * events are left out. */
int ship_bulk_format(const char *lines, size_t len, struct buf *out, size_t *count);
/* Pure. What a _bulk's answer says of `count` events. 0: taken, *rejected of them never will be;
 * -1: some have to be sent again. */
int ship_bulk_answer(const char *text, size_t len, size_t count, size_t *rejected, struct err *e);

#endif
