/* A terminal that is drawn: bytes of the target in, keys and mouse of the person in, bytes for the
 * target and a struct picture out. SSH and Kubernetes exec are this and a transport.
 *
 * One thread (the backend's) calls everything here; the picture's functions are for the wire
 * thread. The two meet at a lock that is held for at most one call of term_feed(), so feed in
 * pieces of some ten kilobytes. */
#ifndef GUAC_TERM_TERM_H
#define GUAC_TERM_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/display/picture.h"

struct term;

struct term_config {
    int width, height, dpi;   /* of the browser's area, pixels */
    const char *font_name;    /* "" : monospace */
    int font_size;            /* points; 0: 12 */
    const char *color_scheme; /* colors.h */
    int scrollback;           /* lines; memory may allow fewer */
    int backspace;            /* the byte it sends: 127 or 8 */
    bool vt100_keys;          /* func-keys-and-keypad = vt100 */
    bool clipboard_write;     /* the target may set the clipboard by OSC 52 */
};

/* Called on the backend thread, within calls of term_…; they must not call back. */
struct term_ops {
    void (*output)(void *arg, const void *data, size_t len); /* bytes for the target */
    void (*title)(void *arg, const char *text);
    void (*clipboard)(void *arg, const char *text, size_t len); /* selected, or OSC 52 */
    void (*paste)(void *arg); /* the person wants the clipboard typed: term_paste() it */
    void (*size)(void *arg, int cols, int rows, int width, int height); /* cells, and in pixels */
    /* The character typed by the key with this id was printed where it was typed. */
    void (*echo)(void *arg, uint64_t id);
};

/* Once a process, before the sandbox narrows: reads fontconfig's configuration and opens the usual
 * font. Optional; term_new() does what is missing. */
void term_warm(void);

struct term *term_new(const struct term_config *cfg, const struct term_ops *ops, void *arg,
                      struct err *e);
void term_free(struct term *t); /* NULL is fine; the picture ends with it */
struct picture *term_picture(struct term *t);
/* Cells and their pixels, for the pty. Any pointer may be NULL. */
void term_size(const struct term *t, int *cols, int *rows, int *width, int *height);

/* What the target printed. */
void term_feed(struct term *t, const char *data, size_t len);
/* Words of our own on a line of their own (UTF-8, no controls), such as how the shell ended. */
void term_note(struct term *t, const char *text);

void term_key(struct term *t, uint32_t keysym, bool pressed, uint64_t id);
/* x, y in pixels of layer 0; mask as in the mouse instruction. */
void term_mouse(struct term *t, int x, int y, int mask);
void term_resize(struct term *t, int width, int height, int dpi);
/* Nobody is there any more: keys and buttons are up, focus is lost. */
void term_release(struct term *t);
/* Bytes typed by paste, with brackets where asked for. begin, any pieces, end. */
void term_paste_begin(struct term *t);
void term_paste(struct term *t, const char *text, size_t len);
void term_paste_end(struct term *t);
/* color-scheme, font-name, font-size while it runs. */
bool term_option(struct term *t, const char *name, const char *value, struct err *e);

/* Milliseconds until term_tick() has something to do, -1: nothing. */
int term_wait_ms(struct term *t);
void term_tick(struct term *t);
/* A change the picture should be asked for? Cleared by the call. */
bool term_damaged(struct term *t);

/* What was printed since the last call: its first and last part and between them "[… n bytes …]".
 * Appends UTF-8 with line feeds to out; false: nothing. */
bool term_shown(struct term *t, struct buf *out);
/* Rows that changed since the last call (`whole`: all), as one JSON object for the text channel:
 * {"rows":n,"cols":n,"cursor":[row,col],"alt":bool,"set":[[row,"text"],…]}. false: nothing new. */
bool term_text(struct term *t, bool whole, struct buf *out);

#endif
