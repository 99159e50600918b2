/* The screen as text, for those who cannot see it: what changed since it was last told. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

static void json_string(const char *text, size_t len, struct buf *out) {
    buf_putc(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            buf_putc(out, '\\');
        if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

bool term_text(struct term *t, bool whole, struct buf *out) {
    term_lock(t);
    const struct grid *g = term_grid(t);
    bool fresh = whole || t->told_rows != g->rows || t->told_cols != g->cols;
    if (fresh) {
        struct told *told = calloc((size_t)g->rows, sizeof *told);
        if (!told) {
            term_unlock(t);
            return false;
        }
        free(t->told);
        t->told = told;
        t->told_rows = g->rows;
        t->told_cols = g->cols;
    }
    int row, col;
    emu_cursor(t, &row, &col);
    bool any = fresh || row != t->told_row || col != t->told_col || t->screen != t->told_screen;
    buf_printf(out, "{\"rows\":%d,\"cols\":%d,\"cursor\":[%d,%d],\"alt\":%s,\"set\":[", g->rows,
               g->cols, row, col, t->screen ? "true" : "false");
    const char *comma = "";
    _buf_cleanup_ struct buf text = { 0 };
    buf_init(&text, 1u << 20);
    for (int r = 0; r < g->rows; r++) {
        const struct row *line = g->row[r];
        if (t->told[r].id == line->id && t->told[r].version == line->version)
            continue;
        t->told[r].id = line->id;
        t->told[r].version = line->version;
        buf_clear(&text);
        row_text(t, line, 0, g->cols, &text);
        buf_printf(out, "%s[%d,", comma, r);
        json_string(text.data ? text.data : "", text.len, out);
        buf_putc(out, ']');
        comma = ",";
        any = true;
    }
    buf_puts(out, "]}");
    t->told_row = row;
    t->told_col = col;
    t->told_screen = t->screen;
    term_unlock(t);
    return any && !out->failed;
}
