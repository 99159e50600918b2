/* A cell of the screen in 64 bits: what stands there and how it looks. Blank in the default style
 * is 0, so fresh memory is an empty screen. */
#ifndef GUAC_TERM_CELL_H
#define GUAC_TERM_CELL_H

#include <stdint.h>

typedef uint64_t cell_t;

#define CELL_CH 0x1FFFFFu      /* code point; from CELL_CLUSTER on: number of a cluster; 0: blank */
#define CELL_CLUSTER 0x110000u /* beyond Unicode */
#define CELL_CLUSTERS_MAX 0xEFFFFu
#define CELL_WIDE (1u << 21)      /* left half of a character two cells wide */
#define CELL_TAIL (1u << 22)      /* its right half; no character of its own */
#define CELL_SELECTED (1u << 23)  /* only in what is shown */
#define CELL_CURSOR (1u << 24)    /* only in what is shown: block cursor */
#define CELL_BAR (1u << 25)       /* likewise: cursor as a bar at the left */
#define CELL_UNDER (1u << 26)     /* likewise: cursor as a line below */
#define CELL_PROTECTED (1u << 27) /* DECSCA; never in what is shown */

static inline uint32_t cell_ch(cell_t c) {
    return (uint32_t)c & CELL_CH;
}
static inline uint32_t cell_style(cell_t c) {
    return (uint32_t)(c >> 32);
}
static inline cell_t cell_make(uint32_t low, uint32_t style) {
    return (cell_t)style << 32 | low;
}

/* Colours: 0 is the default, else an index or 24 bits. */
#define COLOR_DEFAULT 0u
#define COLOR_INDEXED 0x01000000u
#define COLOR_DIRECT 0x02000000u

#define ATTR_BOLD 0x0001u
#define ATTR_FAINT 0x0002u
#define ATTR_ITALIC 0x0004u
#define ATTR_REVERSE 0x0008u
#define ATTR_CONCEAL 0x0010u
#define ATTR_STRIKE 0x0020u
#define ATTR_OVERLINE 0x0040u
#define ATTR_BLINK 0x0080u     /* kept, shown steady: a blinking screen never comes to rest */
#define ATTR_UNDERLINE 0x0700u /* three bits: enum underline */
#define ATTR_UNDERLINE_SHIFT 8

enum underline { UL_NONE, UL_SINGLE, UL_DOUBLE, UL_CURLY, UL_DOTTED, UL_DASHED };

struct style {
    uint32_t fg, bg;
    uint32_t ul; /* colour of the underline, 0: as the text */
    uint32_t attrs;
};

#define CLUSTER_MAX 8 /* code points in one cell: a base and what is laid over it */

struct cluster {
    uint32_t cp[CLUSTER_MAX]; /* zero-filled */
};

#endif
