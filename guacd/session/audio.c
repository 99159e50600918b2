/* Sound of the target to everyone who plays it: raw samples, a stream for as long as the format
 * stays the same. Sound that is late is worth nothing: whoever is behind misses some of it, and
 * nobody waits for him. It is not recorded (evidence.md). */
#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/instr.h"
#include "guacd/session/session.h"

#define BEHIND (64u << 10) /* bytes waiting for a user beyond which sound is left out */

static bool same(const struct audio_format *a, const struct audio_format *b) {
    return a->rate == b->rate && a->channels == b->channels && a->bits == b->bits;
}

static bool plays(const struct user *u, const struct audio_format *f) {
    return user_live(u) && (f->bits == 8 ? u->audio_l8 : u->audio_l16);
}

static void end(struct user *u, struct buf *b) {
    if (u->audio_stream) {
        instr_begin(b, "end");
        instr_int(b, u->audio_stream);
        instr_end(b);
    }
    u->audio_stream = 0;
}

/* As Guacamole spells it: audio/L16;rate=44100,channels=2. */
static void begin(struct user *u, const struct audio_format *f, struct buf *b) {
    char type[64];
    snprintf(type, sizeof(type), "audio/L%u;rate=%u,channels=%u", f->bits, f->rate, f->channels);
    u->audio_stream = clip_next_index(u);
    instr_begin(b, "audio");
    instr_int(b, u->audio_stream);
    instr_str(b, type);
    instr_end(b);
}

static void put(struct buf *b, int stream, const char *data, size_t len) {
    char text[BASE64_LEN(BLOB_BYTES_MAX)];
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN_OF(len - at, (size_t)BLOB_BYTES_MAX);
        instr_begin(b, "blob");
        instr_int(b, stream);
        instr_bytes(b, text, base64_encode(data + at, n, text));
        instr_end(b);
    }
}

static void play(struct user *u, const struct audio_format *f, bool fresh, const void *data,
                 size_t len) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, 2 * AUDIO_MAX + 1024);
    if (fresh || !plays(u, f))
        end(u, &b);
    if (plays(u, f) && u->out.bytes <= BEHIND) {
        if (!u->audio_stream)
            begin(u, f, &b);
        put(&b, u->audio_stream, data, len);
    }
    if (b.len > 0)
        user_send_buf(u, &b);
}

void audio_play(struct session *s, const struct audio_format *f, const void *data, size_t len) {
    bool fresh = !same(f, &s->audio);
    s->audio = *f;
    for (struct user *u = s->users; u; u = u->next)
        if (u->phase == USER_LIVE)
            play(u, f, fresh, data, len);
}

void audio_refused(struct user *u, int stream) {
    if (u->audio_stream != stream)
        return;
    u->audio_stream = 0;
    u->audio_l8 = u->audio_l16 = false;
}
