/* Strings: titles, colours and the clipboard (OSC), and what DCS asks for. */
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/term/term_priv.h"

#define TITLE_MAX 240
#define CLIPBOARD_MAX 262144 /* bytes by OSC 52 */

static void set_title(struct term *t, const char *text, size_t len) {
    char out[TITLE_MAX + 1];
    size_t n = 0;
    while (len) { /* whole characters, no controls */
        uint32_t cp;
        size_t k = utf8_decode(text, len, &cp);
        if (k && cp >= 0x20 && cp != 0x7F && (cp < 0x80 || cp >= 0xA0)) {
            if (n + k > TITLE_MAX)
                break;
            memcpy(out + n, text, k);
            n += k;
        }
        text += k ? k : 1;
        len -= k ? k : 1;
    }
    out[n] = '\0';
    t->ops.title(t->arg, out);
}

/* Next element up to a semicolon; false at the end. */
static bool element(struct slice *rest, struct slice *out) {
    if (!rest->data)
        return false;
    const char *semi = memchr(rest->data, ';', rest->len);
    out->data = rest->data;
    out->len = semi ? (size_t)(semi - rest->data) : rest->len;
    rest->len -= semi ? out->len + 1 : out->len;
    rest->data = semi ? semi + 1 : NULL;
    return true;
}

static int number(struct slice s) {
    int v = 0;
    if (!s.len || s.len > 4)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return -1;
        v = v * 10 + (s.data[i] - '0');
    }
    return v;
}

static void report_color(struct term *t, const char *what, uint32_t rgb) {
    unsigned r = rgb >> 16 & 0xFF, g = rgb >> 8 & 0xFF, b = rgb & 0xFF;
    term_sendf(t, "\033]%s;rgb:%04x/%04x/%04x\033\\", what, r * 257, g * 257, b * 257);
}

static void palette(struct term *t, struct slice rest) {
    struct slice idx, spec;
    bool changed = false;
    while (element(&rest, &idx) && element(&rest, &spec)) {
        int n = number(idx);
        if (n < 0 || n > 255)
            continue;
        if (slice_is(spec, "?")) {
            char what[16];
            snprintf(what, sizeof what, "4;%d", n);
            report_color(t, what, t->colors.index[n]);
        } else {
            changed |= colors_parse(spec.data, spec.len, &t->colors.index[n]);
        }
    }
    if (changed)
        term_colors_changed(t);
}

static void palette_reset(struct term *t, struct slice rest) {
    struct slice idx;
    bool some = false;
    while (element(&rest, &idx)) {
        int n = number(idx);
        if (n >= 0 && n < 256)
            t->colors.index[n] = t->scheme.index[n];
        some |= idx.len > 0;
    }
    if (!some)
        memcpy(t->colors.index, t->scheme.index, sizeof t->colors.index);
    term_colors_changed(t);
}

/* OSC 10, 11, 12: foreground, background, cursor; further elements are the next ones. */
static void dynamic(struct term *t, int what, struct slice rest) {
    struct slice spec;
    bool changed = false;
    for (; element(&rest, &spec) && what <= 12; what++) {
        uint32_t *c = what == 10 ? &t->colors.fg : what == 11 ? &t->colors.bg : &t->colors.cursor;
        if (slice_is(spec, "?")) {
            char text[16];
            snprintf(text, sizeof text, "%d", what);
            report_color(t, text, *c == COLORS_AUTO ? t->colors.fg : *c);
        } else {
            changed |= colors_parse(spec.data, spec.len, c);
        }
    }
    if (changed)
        term_colors_changed(t);
}

static void clipboard(struct term *t, struct slice rest) {
    struct slice where;
    if (!element(&rest, &where) || !rest.data || !rest.len || !t->cfg.clipboard_write)
        return;
    if (rest.data[0] == '?')
        return; /* what the person copied elsewhere is not the target's business */
    /* Padding is often left out. */
    size_t len = rest.len;
    while (len && rest.data[len - 1] == '=')
        len--;
    if (len / 4 * 3 > CLIPBOARD_MAX)
        return;
    char *padded = malloc(len + 4), *out = malloc(len / 4 * 3 + 4);
    if (padded && out) {
        memcpy(padded, rest.data, len);
        size_t n = len;
        while (n % 4)
            padded[n++] = '=';
        long got = base64_decode(padded, n, out);
        if (got >= 0 && utf8_count(out, (size_t)got) >= 0)
            t->ops.clipboard(t->arg, out, (size_t)got);
    }
    free(padded);
    free(out);
}

static void osc(struct term *t, const char *data, size_t len) {
    struct slice rest = { data, len }, first = { 0 };
    element(&rest, &first);
    struct slice body = rest.data ? rest : (struct slice){ "", 0 };
    switch (number(first)) {
    case 0:
    case 2:
        set_title(t, body.data, body.len);
        break;
    case 4:
        palette(t, body);
        break;
    case 104:
        palette_reset(t, body);
        break;
    case 10:
    case 11:
    case 12:
        dynamic(t, number(first), body);
        break;
    case 110:
        t->colors.fg = t->scheme.fg;
        term_colors_changed(t);
        break;
    case 111:
        t->colors.bg = t->scheme.bg;
        term_colors_changed(t);
        break;
    case 112:
        t->colors.cursor = t->scheme.cursor;
        term_colors_changed(t);
        break;
    case 52:
        clipboard(t, body);
        break;
    default:
        break; /* 7, 8, 133, …: of no use to a picture */
    }
}

/* DECRQSS. */
static void request_status(struct term *t, struct slice what) {
    if (slice_is(what, "m")) {
        static const char *const on[] = { "1", "2", "3", "7", "8", "9", "53", "5" };
        char sgr[64] = "0";
        for (unsigned i = 0; i < ARRAY_LEN(on); i++)
            if (t->pen.attrs >> i & 1) {
                strcat(sgr, ";");
                strcat(sgr, on[i]);
            }
        for (int i = 0; i < 2; i++) {
            uint32_t c = i ? t->pen.bg : t->pen.fg;
            char color[24] = "";
            if (c & COLOR_INDEXED)
                snprintf(color, sizeof color, ";%d:5:%u", i ? 48 : 38, c & 0xFF);
            else if (c & COLOR_DIRECT)
                snprintf(color, sizeof color, ";%d:2::%u:%u:%u", i ? 48 : 38, c >> 16 & 0xFF,
                         c >> 8 & 0xFF, c & 0xFF);
            strcat(sgr, color);
        }
        if (t->pen.attrs & ATTR_UNDERLINE) {
            char ul[8];
            snprintf(ul, sizeof ul, ";4:%u",
                     (t->pen.attrs & ATTR_UNDERLINE) >> ATTR_UNDERLINE_SHIFT);
            strcat(sgr, ul);
        }
        term_sendf(t, "\033P1$r%sm\033\\", sgr);
    } else if (slice_is(what, " q")) {
        int n = t->modes.cursor_shape * 2 + (t->modes.cursor_blink ? 1 : 2);
        term_sendf(t, "\033P1$r%d q\033\\", n);
    } else {
        term_sendf(t, "\033P0$r\033\\");
    }
}

void term_string(struct term *t, char kind, const char *data, size_t len) {
    if (kind == ']') {
        osc(t, data, len);
    } else if (kind == 'P' && len >= 2) {
        struct slice body = { data + 2, len - 2 };
        if (memcmp(data, "$q", 2) == 0)
            request_status(t, body);
        else if (memcmp(data, "+q", 2) == 0)
            term_sendf(t, "\033P0+r\033\\"); /* terminfo by question: none */
    }
}
