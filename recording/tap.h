/* The tap: what guacd-session tells the recorder over a connected SOCK_STREAM socket. The recorder
 * never looks inside. All integers little-endian. */
#ifndef GUAC_RECORDING_TAP_H
#define GUAC_RECORDING_TAP_H

#include <stddef.h>
#include <stdint.h>

#define TAP_HEADER 24
#define TAP_FRAME_MAX (16u << 20) /* bytes after the header */

enum tap_type {
    TAP_DATA = 1,     /* whole instructions as shown or typed, ends after a `sync` or an input line,
                         unless a large picture goes on in the next one */
    TAP_KEYFRAME = 2, /* a full picture, `size` … `sync`; belongs in front of the next data frame */
    TAP_TEXT = 3,     /* one JSON line {"t":ms,"k":"out|key|clip|file|title","by":…,"s":…} */
    TAP_EVENT = 4,    /* one JSON object: {"event":"joined|left|paused|resumed|ended",…}; "ended"
                         has "status","reason" and is the last frame */
    TAP_ACK = 5,      /* recorder -> session: everything up to `sequence` is in the store */
    TAP_SPOOLED = 6, /* recorder -> session: everything up to `sequence` is on the spool */
};

/* offset 0 u32 length (after the header) · 4 u8 type · 5 u8[3] zero · 8 u64 sequence (from 1, one
 * count for all types) · 16 u64 ms since the open record's time */
struct tap_header {
    uint32_t length;
    uint8_t type;
    uint64_t sequence;
    uint64_t ms;
};

static inline void tap_pack(const struct tap_header *h, uint8_t out[TAP_HEADER]) {
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(h->length >> (8 * i));
    out[4] = h->type;
    out[5] = out[6] = out[7] = 0;
    for (int i = 0; i < 8; i++) {
        out[8 + i] = (uint8_t)(h->sequence >> (8 * i));
        out[16 + i] = (uint8_t)(h->ms >> (8 * i));
    }
}

/* 0, or -1: unknown type, reserved bytes set, or longer than TAP_FRAME_MAX. */
static inline int tap_unpack(const uint8_t in[TAP_HEADER], struct tap_header *h) {
    h->length = 0;
    h->sequence = h->ms = 0;
    for (int i = 3; i >= 0; i--)
        h->length = h->length << 8 | in[i];
    h->type = in[4];
    for (int i = 7; i >= 0; i--) {
        h->sequence = h->sequence << 8 | in[8 + i];
        h->ms = h->ms << 8 | in[16 + i];
    }
    return h->type < TAP_DATA || h->type > TAP_SPOOLED || in[5] || in[6] || in[7] ||
                   h->length > TAP_FRAME_MAX
               ? -1
               : 0;
}

#endif
