/* Stock mode's recording: the same instructions that the tap carries, in a file that stock players
 * and tools read (wire.md section 3): frames, and input as far as the rows `recording-…` say. It
 * has no keyframes, since players make their own, and no statements: it proves nothing. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/record_impl.h"

#define CLIPBOARD_STREAM 1

int record_to_file(struct session *s, struct err *e) {
    int fds[2];
    if (s->gateway || !args_is_set(s->args, "recording-path"))
        return 0;
    if (channel_files(s, "recording", false, fds, e) < 0)
        return -1;
    struct sink *file = sink_new(fds[0], e);
    if (!file)
        return err_prefix(e, "the recording that this connection asks for cannot be made"), -1;
    struct record *r = s->record = calloc(1, sizeof(*r));
    if (!r) {
        sink_free(file);
        return err_set(e, STATUS_SERVER_BUSY, "no memory to record");
    }
    r->file = file;
    r->no_output = args_bool(s->args, "recording-exclude-output");
    r->no_mouse = args_bool(s->args, "recording-exclude-mouse");
    r->no_touch = args_bool(s->args, "recording-exclude-touch");
    r->clipboard = args_bool(s->args, "recording-include-clipboard");
    bool keys = args_bool(s->args, "recording-include-keys");
    return record_prepare(s, keys ? KEYS_FULL : KEYS_OFF, e);
}

/* A recording that is not there to be watched later is no recording. */
static void check(struct session *s, int written) {
    if (written < 0)
        life_end(s, STATUS_SERVER_ERROR,
                 "The recording could not be written (%s), so the session was ended.",
                 sink_why(s->record->file));
}

void record_file_put(struct session *s, const struct chunk *c) {
    if (!sink_pending(s->record->file))
        s->record->file_ms = clock_ms();
    check(s, sink_add(s->record->file, c->data, c->len));
}

void record_file_flush(struct session *s) {
    check(s, sink_flush(s->record->file));
}

void record_file_sync(struct session *s) {
    struct buf b;
    buf_init(&b, 256);
    instr_begin(&b, "sync");
    instr_int(&b, (int64_t)s->sealed_ts);
    instr_int(&b, 1);
    instr_end(&b);
    record_add_buf(s, TAP_DATA, &b);
    buf_fini(&b);
}

void record_file_clipboard(struct session *s, const char *mimetype, const char *data, size_t len) {
    if (!s->record->clipboard || !s->record->any_frame)
        return;
    struct buf b;
    buf_init(&b, 2 * len + 4096);
    b.secret = true;
    instr_begin(&b, "clipboard");
    instr_int(&b, CLIPBOARD_STREAM);
    instr_str(&b, mimetype);
    instr_end(&b);
    instr_blobs(&b, CLIPBOARD_STREAM, data ? data : "", len);
    record_flush_lines(s);
    record_add_buf(s, TAP_DATA, &b);
    buf_fini(&b);
    record_schedule(s);
}
