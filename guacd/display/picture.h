/* A picture is whatever can be told to a user as drawing instructions: a surface of pixels (demo,
 * VNC, RDP) or a terminal's grid. One question answers everything: "what changed since frame n?"
 * Broadcast asks since the last frame (and may use moves), a user who fell behind asks since the
 * last frame he got, a late joiner and a recording's keyframe ask since 0.
 *
 * Threads: the backend's thread changes the picture under picture_lock; the wire thread calls
 * frame and paint, which take the lock themselves. */
#ifndef GUAC_DISPLAY_PICTURE_H
#define GUAC_DISPLAY_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "guacd/base/buf.h"

/* What the users of one class accept. Encoded once a class. PNG is always accepted. */
struct picture_caps {
    bool jpeg, webp;
    bool lossless;
    /* How much to save on the way to them: 0 nothing, up to PICTURE_THRIFT_MAX, where bytes are
     * scarcer than CPU. Not part of the class: who is sent the same bytes gets the same thrift. */
    unsigned thrift;
};
#define PICTURE_THRIFT_MAX 3

struct picture;

struct picture_impl {
    /* Seal what changed since the last call as frame number `n` (last + 1) and append the
     * instructions that bring a canvas that shows frame n-1 to frame n, without `sync`. Appends
     * nothing when nothing changed (then n is not used up). */
    bool (*frame)(struct picture *p, uint64_t n, const struct picture_caps *caps, struct buf *out);
    /* Append the instructions that bring a canvas that shows frame `since` (0: blank, nothing ever
     * drawn, no buffers) to exactly the last frame sealed by frame(), never further. Begins with
     * `size` of layer 0 when since is 0 or the size changed after it. */
    void (*paint)(struct picture *p, uint64_t since, const struct picture_caps *caps,
                  struct buf *out);
    /* Size in pixels as of the last sealed frame. */
    void (*size)(const struct picture *p, int *width, int *height);
};

struct picture {
    const struct picture_impl *impl;
    /* Between the frames of a flood, at least, in microseconds; 0: the session's default, which
     * suits terminals. */
    unsigned every_us;
};

#endif
