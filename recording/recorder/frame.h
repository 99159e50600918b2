/* What a session may say on its tap. Pure. */
#ifndef GUAC_RECORDER_FRAME_H
#define GUAC_RECORDER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "recording/statement.h"
#include "recording/tap.h"

enum frame_result { FRAME_OK, FRAME_MORE, FRAME_BAD };

struct frame {
    struct tap_header h;
    const uint8_t *data; /* h.length bytes, into what was parsed */
    bool again;          /* its sequence is not above `last`: sent before, to be skipped */
};
/* The first frame in data; *used bytes belong to it. BAD: no frame that a session may send, or not
 * the next one after `last`; e says why. */
enum frame_result frame_parse(const uint8_t *data, size_t len, uint64_t last, struct frame *out,
                              size_t *used, struct err *e);
enum chain_kind frame_chain(uint8_t type);

struct frame_end {
    int status;
    char reason[256];
};
/* An event as a line of the text chain: {"t":ms,"k":"event",…its members}; what is no object is
 * kept as a string "s". True, and `end` filled, when it is the last one. */
bool frame_event(const struct frame *f, struct buf *line, struct frame_end *end);

#endif
