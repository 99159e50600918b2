/* A session's terminal without a transport: what SSH and Kubernetes exec have in common. Between
 * the session's events and guacd/term on one side and a queue of bytes for the target on the other;
 * it is compiled into each backend that shows a terminal. Everything runs on the backend thread. */
#ifndef GUAC_BACKENDS_CONSOLE_CONSOLE_H
#define GUAC_BACKENDS_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/proto/args.h"
#include "guacd/session/backend.h"
#include "guacd/term/term.h"

#define CONSOLE_OUT_LIMIT (256u << 10) /* bytes for the target beyond which no event is served */
#define CONSOLE_OUT_MAX (4u << 20)
#define CONSOLE_HELD_MAX 256 /* events that wait behind a paste */

struct console {
    struct session *s;
    struct term *term;
    /* Live parameters that are not the terminal's. false: not mine. May be NULL. */
    bool (*option)(void *arg, const char *name, const char *value, size_t len);
    void *option_arg;
    struct buf out; /* typed, answered: for the target, which takes it by buf_consume() */
    char *clip;     /* text to paste */
    size_t clip_len, paste_at;
    bool pasting;
    struct event held[CONSOLE_HELD_MAX];
    size_t held_count;
    bool early;   /* the picture is there, who reads it is not yet: what is typed waits for him */
    bool paused;  /* read nothing from the target */
    bool resized; /* the target has not been told cols, rows (and pixels) yet */
    int cols, rows, width, height;
    uint64_t shown_ms, text_ms;
    bool shown_due, text_due, text_whole;
};

/* The terminal, by the connection's parameters and the browser's size. fini after a failed init is
 * fine too, and a zeroed console. */
int console_init(struct console *c, struct session *s, const struct args *a, struct err *e);
void console_fini(struct console *c);

/* What the target printed. */
void console_feed(struct console *c, const char *data, size_t len);
/* Serves what waits, in order, as far as the queue for the target has room. false: END. */
bool console_events(struct console *c);
/* The terminal is shown from here on. What is typed now is typed ahead: it waits in order for
 * console_events(), as it waits in the terminal of a native client. */
void console_show(struct console *c);
/* While connecting: until console_show() sizes, clipboards and the end are all that counts, as keys
 * may be meant for a prompt that was not there yet. false: END. */
bool console_early_events(struct console *c);
/* The session's descriptor to poll for POLLIN, -1: no room for events now; and whether
 * console_events() has to be called without it. */
int console_event_fd(const struct console *c);
bool console_waiting(const struct console *c);
/* Goes on with a paste as far as there is room: call it when `out` got shorter. */
void console_paste_pump(struct console *c);
/* Tells the session what changed; idle: the target printed nothing just now. */
void console_tell(struct console *c, uint64_t now, bool idle);
/* The same for the last time: nothing waits for its turn any more. */
void console_tell_last(struct console *c);
/* ms until console_tell() has something to do, -1: nothing. */
int console_wait_ms(struct console *c, uint64_t now);

#endif
