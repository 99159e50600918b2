/* Shared by the files of record.h: frames and limits (record.c), input lines (record_input.c), JSON
 * lines (record_text.c), stock mode's file (record_file.c). */
#ifndef GUAC_SESSION_RECORD_IMPL_H
#define GUAC_SESSION_RECORD_IMPL_H

#include "guacd/session/keys.h"
#include "guacd/session/record.h"
#include "guacd/session/sink.h"
#include "guacd/session/tap.h"

#define RECORD_LINES_MAX (64u << 10)
#define RECORD_TYPED_MAX 1024

struct record {
    struct tap *tap;                               /* NULL: to a file */
    struct sink *file;                             /* NULL: to the tap */
    bool no_output, no_mouse, no_touch, clipboard; /* of the file */
    uint64_t file_ms;                              /* clock of the oldest byte that waits in it */
    bool events_only;
    struct keys keys;
    struct loop_timer *timer;
    struct buf lines;  /* input and acked, whole instructions */
    uint64_t lines_ms; /* clock of the oldest */
    uint32_t by;       /* user of the last input line */
    size_t move_at;    /* where the newest line starts, if it is a mere move */
    bool move_last;
    uint64_t move_ms;
    struct buf typed; /* typed text, one user */
    uint64_t typed_ms, typed_t;
    char typed_by[160];
    uint64_t active_ms, last_frame_ms;
    size_t bytes;          /* of data since the last keyframe */
    size_t keyframe_bytes; /* of that: at most as much again goes into the next ones */
    bool any_frame, ended;
    uint64_t final; /* sequence of `ended` */
};

/* The record, unless there is none, it is for events only, or its last frame was written. */
struct record *record_full(const struct session *s);
/* The same for what only the recorder is told. */
struct record *record_tapped(const struct session *s);
/* Takes a reference of its own. A file takes TAP_DATA alone. */
void record_put(struct session *s, enum tap_type type, struct chunk *c);
/* The buffer's content, or one line of JSON (stolen), becomes a frame. */
void record_add_buf(struct session *s, enum tap_type type, struct buf *b);
void record_add_json(struct session *s, enum tap_type type, json_t *o);
/* Text of a target may be anything: what is no UTF-8 becomes '?', so that a line is always JSON. */
json_t *record_clean(const char *text, size_t len);

/* What tap and file have in common; s->record is there. */
int record_prepare(struct session *s, enum keys_mode keys, struct err *e);

/* record_file.c */
void record_file_put(struct session *s, const struct chunk *c);
void record_file_flush(struct session *s);
void record_file_sync(struct session *s); /* where the picture itself is left out */
void record_file_clipboard(struct session *s, const char *mimetype, const char *data, size_t len);

/* record_input.c */
void record_flush_lines(struct session *s);
void record_flush_typed(struct session *s);
void record_write_keys(struct session *s, bool force);
void record_schedule(struct session *s);
void record_on_timer(void *session);

#endif
