/* Cuts what a target prints into text, control sequences and strings, before libvterm sees any of
 * it. libvterm 0.3.3 trusts its input: more than 16 parameters, U+0080-U+009F, a NUL behind ESC in
 * a string, REP before the first character and a restored cursor after a smaller size each lead it
 * out of its arrays or into an endless loop. So it gets text, and sequences written anew from what
 * was understood here. Pure: bytes in, callbacks out. */
#ifndef GUAC_TERM_SCAN_H
#define GUAC_TERM_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_PARAMS_MAX 32
#define SCAN_PARAM_MAX 65535       /* larger numbers are cut to this */
#define SCAN_STRING_MAX (1u << 20) /* bytes of one OSC, DCS, … string; longer ones are dropped */
#define SCAN_MISSING (-1)

struct scan_csi {
    char leader;       /* < = > ? or 0 */
    char intermediate; /* space … /, or 0; more than one: the sequence is dropped */
    char final;
    int count; /* parameters; at least 1, perhaps SCAN_MISSING */
    int32_t param[SCAN_PARAMS_MAX];
    uint32_t joined; /* bit i: param[i] was followed by a colon, not a semicolon */
};

struct scan_ops {
    /* Printable characters, UTF-8, and C0 controls but ESC. A run of output may come in pieces. */
    void (*text)(void *arg, const char *data, size_t len);
    /* ESC, perhaps one intermediate (else 0), final. */
    void (*escape)(void *arg, char intermediate, char final);
    void (*csi)(void *arg, const struct scan_csi *csi);
    /* A whole string: ']' OSC, 'P' DCS, '_' APC, '^' PM, 'X' SOS. NUL-terminated behind len. */
    void (*string)(void *arg, char kind, const char *data, size_t len);
};

enum scan_state {
    SCAN_GROUND,
    SCAN_C2,
    SCAN_ESCAPE,
    SCAN_CSI,
    SCAN_CSI_DROP,
    SCAN_STRING,
    SCAN_STRING_ESC
};

struct scan {
    enum scan_state state;
    struct scan_csi csi;
    bool csi_body; /* a parameter or more was seen: no leader any more */
    char esc_mark; /* intermediate of an escape sequence, '?' for too many */
    char kind;     /* of the string */
    bool overlong; /* string beyond SCAN_STRING_MAX: dropped at its end */
    char *string;  /* grows by need, given back after long ones */
    size_t string_len, string_cap;
};

void scan_fini(struct scan *s); /* zeroed is a fresh one */
void scan_feed(struct scan *s, const char *data, size_t len, const struct scan_ops *ops, void *arg);

#endif
