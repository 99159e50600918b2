/* What a session process that was taken over may send on its tap. */
#include <stdint.h>
#include <stdlib.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/recorder/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void event(const struct frame *f) {
    struct buf line;
    struct frame_end end = { 0 };
    buf_init(&line, 2 << 20);
    bool last = frame_event(f, &line, &end);
    if (!line.failed) {
        _json_ json_t *o = json_parse(line.data, line.len, line.max, NULL);
        if (!json_is_object(o) || line.data[line.len - 1] != '\n' || json_num(o, "t", -1) < 0)
            abort(); /* a line of the transcript is a JSON object, whatever was said */
    }
    if (last && (end.status < 0 || end.status > 0xffff))
        abort();
    buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct frame f;
    struct err e = { 0 };
    uint64_t last = 0;
    size_t used;
    enum frame_result r;
    while ((r = frame_parse(data, size, last, &f, &used, &e)) == FRAME_OK) {
        if (used < TAP_HEADER || used > size || f.h.sequence > last + 1)
            abort();
        if (!f.again)
            last = f.h.sequence;
        if (f.h.type == TAP_EVENT)
            event(&f);
        data += used;
        size -= used;
    }
    if (r == FRAME_BAD && !*e.text)
        abort();
    return 0;
}
