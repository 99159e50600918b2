/* What a target printed, for the transcript: the first and the last part of it, since nobody reads
 * the middle of 50 MB. Text as it came, controls and escape sequences left out, lines kept. */
#ifndef GUAC_TERM_SHOWN_H
#define GUAC_TERM_SHOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

#define SHOWN_HEAD 2048
#define SHOWN_TAIL 2048

struct shown {
    char head[SHOWN_HEAD];
    size_t head_len;
    char tail[SHOWN_TAIL]; /* ring of raw bytes */
    size_t tail_len, tail_at;
    uint64_t skipped; /* bytes between the two */
    bool broken;      /* the cursor jumped: the next text begins a line */
};

void shown_text(struct shown *s, const char *data, size_t len);
void shown_break(struct shown *s);
/* Append and forget; false when there was nothing. */
bool shown_take(struct shown *s, struct buf *out);

#endif
