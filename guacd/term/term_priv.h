/* Inside of guacd/term: the one struct its files share. Everything in it is under `lock` unless
 * said otherwise. */
#ifndef GUAC_TERM_PRIV_H
#define GUAC_TERM_PRIV_H

#include <pthread.h>
#include <vterm.h>

#include "guacd/term/cell.h"
#include "guacd/term/colors.h"
#include "guacd/term/grid.h"
#include "guacd/term/intern.h"
#include "guacd/term/keys.h"
#include "guacd/term/paint.h"
#include "guacd/term/scan.h"
#include "guacd/term/select.h"
#include "guacd/term/shown.h"
#include "guacd/term/term.h"

#define SYNC_LIMIT_MS 150 /* CSI ? 2026 h holds the picture back at most so long */
#define ECHO_MAX 16
#define ECHO_LIMIT_MS 500 /* evidence.md 2.11 */

enum mouse_mode { MOUSE_OFF, MOUSE_X10, MOUSE_CLICK, MOUSE_DRAG, MOUSE_MOVE };
enum mouse_format { MOUSE_BYTES, MOUSE_UTF8, MOUSE_SGR, MOUSE_URXVT, MOUSE_PIXELS };
enum cursor_shape { CURSOR_BLOCK, CURSOR_UNDERLINE, CURSOR_BAR };

struct modes {
    bool app_cursor, app_keypad, bracketed, focus, alt_scroll;
    bool origin, margins, autowrap, insert, newline, protect;
    bool reverse; /* DECSCNM */
    bool cursor_hidden, cursor_blink;
    enum cursor_shape cursor_shape;
    enum mouse_mode mouse;
    enum mouse_format mouse_format;
};

struct saved_cursor {
    int row, col;
    bool origin;
    struct style pen;
};

struct term {
    /* Who wants the lock waits at the door, and holds it shut until he has got it: so the wire
     * thread comes in between two reads of a flood. */
    pthread_mutex_t door, lock;
    struct term_ops ops;
    void *arg;
    struct term_config cfg; /* strings are not kept */
    char font_name[128];

    VTerm *vt;
    VTermState *state;
    struct scan scan;
    struct grid grid[2]; /* primary, alternate */
    int screen;          /* which of them */
    struct intern styles, clusters;

    struct modes modes;
    struct style pen;
    bool pen_stale; /* the cells below are to be made anew */
    cell_t pen_bits, blank, pen_space;
    struct saved_cursor saved[2];
    int margin_top; /* DECSTBM, for reports in origin mode */
    struct {
        char g[4];   /* what the four sets are designated to */
        int gl;      /* which of them is in use */
        bool single; /* another one for the next character only */
    } charset;
    bool combine_flood;           /* too many characters for one cell: the next ones are dropped */
    uint32_t last[CLUSTER_MAX];   /* last character printed, for REP */
    struct colors colors, scheme; /* in force; as configured */
    uint64_t sync_until;          /* ms; 0: no synchronized output */

    bool back; /* the view is scrolled back, its first line is */
    uint64_t back_line;
    bool damaged;
    struct selection sel;
    struct key_state keys;
    struct {
        int x, y, mask; /* as last told */
        int col, row;
        bool focused;
    } mouse;
    struct echo {
        struct {
            uint32_t cp;
            uint64_t id, until;
        } key[ECHO_MAX];     /* typed, not yet printed */
        int count, row, col; /* the first of them would be printed here */
    } echo;
    struct shown shown;
    struct told {
        uint64_t id;
        uint32_t version;
    } * told; /* rows as term_text() told them */
    int told_rows, told_cols, told_row, told_col, told_screen;
    bool pasting, paste_cr;

    int width, height, dpi; /* of layer 0 */
    struct painter paint;
};

static inline struct grid *term_grid(struct term *t) {
    return &t->grid[t->screen];
}
void term_lock(struct term *t);
void term_unlock(struct term *t);
void term_send(struct term *t, const void *data, size_t len);
void term_sendf(struct term *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void term_damage(struct term *t);

/* emu.c: libvterm behind the scan */
int emu_init(struct term *t);
void emu_feed(struct term *t, const char *data, size_t len);
/* emu_text.c: characters, the plain ones past libvterm */
void emu_text(struct term *t, const char *data, size_t len);
void emu_charset(struct term *t, char intermediate, char final);
void emu_write(struct term *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void emu_cursor(const struct term *t, int *row, int *col);
int emu_resize(struct term *t, int cols, int rows);
uint32_t emu_cells(const struct term *t, cell_t cell, uint32_t out[CLUSTER_MAX]);
/* csi.c, modes.c, sgr.c, osc.c: what libvterm does not do, or not safely */
void term_csi(struct term *t, const struct scan_csi *q);
void term_escape(struct term *t, char intermediate, char final);
void term_string(struct term *t, char kind, const char *data, size_t len);
void term_sgr(struct term *t, const struct scan_csi *q);
void term_mode(struct term *t, int mode, bool on);
int term_mode_report(const struct term *t, int mode);
void term_save_cursor(struct term *t);
void term_restore_cursor(struct term *t);
void term_reset(struct term *t, bool hard);
/* The number of a style; sweeps the table when it is crowded. */
uint32_t term_style(struct term *t, const struct style *s);
void term_pen_refresh(struct term *t);
void term_colors_changed(struct term *t);
/* select.c */
void term_back_to(struct term *t, int64_t line); /* view, clamped */

#endif
