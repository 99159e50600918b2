/* Records of a session's spool log. A log is read back only after a crash, so a record is trusted
 * by its length and sum alone: both catch what was not written to its end. offset 0 u32 length of
 * the body · 4 u8 type · 5 u8[3] zero · 8 u64 sum of the body · 16 body Little-endian. Pure. */
#ifndef GUAC_RECORDER_RECORD_H
#define GUAC_RECORDER_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/util.h"
#include "recording/list.h"
#include "recording/tap.h"

#define RECORD_HEADER 16
#define RECORD_BODY_MAX (CHUNK_MAX + LIST_LINE_MAX + 4)

enum record_type {
    RECORD_FRAME = 1,  /* a tap frame as it came: header and bytes */
    RECORD_OBJECT = 2, /* a finished chunk: u32 length of its list line, the line, the object */
};
enum record_result { RECORD_OK, RECORD_MORE /* cut: the log ends here */, RECORD_BAD };

struct record {
    enum record_type type;
    struct tap_header frame;
    struct list_entry entry;
    struct slice data; /* the frame's bytes, or the object */
};
/* The first record in data; *used bytes belong to it. */
enum record_result record_parse(const uint8_t *data, size_t len, struct record *out, size_t *used);

int record_add_frame(struct buf *out, const struct tap_header *h, const void *data);
int record_add_object(struct buf *out, const struct list_entry *entry, const void *object,
                      size_t len);

#endif
