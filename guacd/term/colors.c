#include "guacd/term/colors.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

/* Each of the six hues is readable on black and on white. */
static const uint32_t ansi[16] = {
    0x000000, 0xCD4A42, 0x4FA04A, 0xBE9A2C, 0x4C82D0, 0xAC66BA, 0x38A0A4, 0xC8CCD0,
    0x6A7076, 0xF4716A, 0x87D985, 0xF0CB52, 0x7FB3FF, 0xDCA2EA, 0x6BD5D8, 0xFFFFFF,
};

static const struct {
    const char *name;
    uint32_t rgb;
} names[] = {
    { "aqua", 0x00FFFF },           { "beige", 0xF5F5DC },          { "black", 0x000000 },
    { "blue", 0x0000FF },           { "brown", 0xA52A2A },          { "chocolate", 0xD2691E },
    { "coral", 0xFF7F50 },          { "cornflowerblue", 0x6495ED }, { "cyan", 0x00FFFF },
    { "darkblue", 0x00008B },       { "darkcyan", 0x008B8B },       { "darkgray", 0xA9A9A9 },
    { "darkgreen", 0x006400 },      { "darkgrey", 0xA9A9A9 },       { "darkmagenta", 0x8B008B },
    { "darkorange", 0xFF8C00 },     { "darkred", 0x8B0000 },        { "darkslategray", 0x2F4F4F },
    { "darkslategrey", 0x2F4F4F },  { "deepskyblue", 0x00BFFF },    { "dimgray", 0x696969 },
    { "dimgrey", 0x696969 },        { "dodgerblue", 0x1E90FF },     { "firebrick", 0xB22222 },
    { "floralwhite", 0xFFFAF0 },    { "forestgreen", 0x228B22 },    { "fuchsia", 0xFF00FF },
    { "ghostwhite", 0xF8F8FF },     { "gold", 0xFFD700 },           { "goldenrod", 0xDAA520 },
    { "gray", 0xBEBEBE },           { "green", 0x00FF00 },          { "greenyellow", 0xADFF2F },
    { "grey", 0xBEBEBE },           { "hotpink", 0xFF69B4 },        { "indianred", 0xCD5C5C },
    { "indigo", 0x4B0082 },         { "ivory", 0xFFFFF0 },          { "khaki", 0xF0E68C },
    { "lavender", 0xE6E6FA },       { "lemonchiffon", 0xFFFACD },   { "lightblue", 0xADD8E6 },
    { "lightcyan", 0xE0FFFF },      { "lightgray", 0xD3D3D3 },      { "lightgreen", 0x90EE90 },
    { "lightgrey", 0xD3D3D3 },      { "lightpink", 0xFFB6C1 },      { "lightskyblue", 0x87CEFA },
    { "lightsteelblue", 0xB0C4DE }, { "lightyellow", 0xFFFFE0 },    { "lime", 0x00FF00 },
    { "limegreen", 0x32CD32 },      { "linen", 0xFAF0E6 },          { "magenta", 0xFF00FF },
    { "maroon", 0xB03060 },         { "midnightblue", 0x191970 },   { "mintcream", 0xF5FFFA },
    { "navy", 0x000080 },           { "navyblue", 0x000080 },       { "oldlace", 0xFDF5E6 },
    { "olive", 0x808000 },          { "orange", 0xFFA500 },         { "orangered", 0xFF4500 },
    { "orchid", 0xDA70D6 },         { "palegreen", 0x98FB98 },      { "paleturquoise", 0xAFEEEE },
    { "peru", 0xCD853F },           { "pink", 0xFFC0CB },           { "plum", 0xDDA0DD },
    { "powderblue", 0xB0E0E6 },     { "purple", 0xA020F0 },         { "red", 0xFF0000 },
    { "rosybrown", 0xBC8F8F },      { "royalblue", 0x4169E1 },      { "salmon", 0xFA8072 },
    { "sandybrown", 0xF4A460 },     { "seagreen", 0x2E8B57 },       { "sienna", 0xA0522D },
    { "silver", 0xC0C0C0 },         { "skyblue", 0x87CEEB },        { "slateblue", 0x6A5ACD },
    { "slategray", 0x708090 },      { "slategrey", 0x708090 },      { "snow", 0xFFFAFA },
    { "springgreen", 0x00FF7F },    { "steelblue", 0x4682B4 },      { "tan", 0xD2B48C },
    { "teal", 0x008080 },           { "thistle", 0xD8BFD8 },        { "tomato", 0xFF6347 },
    { "turquoise", 0x40E0D0 },      { "violet", 0xEE82EE },         { "wheat", 0xF5DEB3 },
    { "white", 0xFFFFFF },          { "whitesmoke", 0xF5F5F5 },     { "yellow", 0xFFFF00 },
    { "yellowgreen", 0x9ACD32 },
};

uint32_t colors_mix(uint32_t a, uint32_t b, unsigned share) {
    uint32_t out = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        unsigned x = (a >> shift) & 0xFF, y = (b >> shift) & 0xFF;
        out |= ((x * (256 - share) + y * share + 128) >> 8) << shift;
    }
    return out;
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* 1 to 4 hexadecimal digits as 8 bits. `scale`: f means ff (rgb:), not f0 (#). */
static int channel(const char *s, size_t digits, bool scale) {
    unsigned v = 0;
    if (digits < 1 || digits > 4)
        return -1;
    for (size_t i = 0; i < digits; i++) {
        int h = hex(s[i]);
        if (h < 0)
            return -1;
        v = v << 4 | (unsigned)h;
    }
    unsigned max = (1u << 4 * digits) - 1;
    if (scale)
        return (int)((v * 255 + max / 2) / max);
    return (int)(digits == 1 ? v << 4 : v >> (4 * digits - 8));
}

static bool parse_rgb(const char *s, size_t len, uint32_t *rgb) {
    uint32_t out = 0;
    for (int i = 0; i < 3; i++) {
        const char *slash = memchr(s, '/', len);
        size_t n = i < 2 ? (slash ? (size_t)(slash - s) : 0) : len;
        int v = channel(s, n, true);
        if (v < 0)
            return false;
        out = out << 8 | (uint32_t)v;
        if (i < 2) {
            s += n + 1;
            len -= n + 1;
        }
    }
    *rgb = out;
    return true;
}

bool colors_parse(const char *spec, size_t len, uint32_t *rgb) {
    if (len > 4 && strncasecmp(spec, "rgb:", 4) == 0)
        return parse_rgb(spec + 4, len - 4, rgb);
    if (len > 1 && spec[0] == '#' && (len - 1) % 3 == 0) {
        size_t n = (len - 1) / 3;
        uint32_t out = 0;
        for (size_t i = 0; i < 3; i++) {
            int v = channel(spec + 1 + i * n, n, false);
            if (v < 0)
                return false;
            out = out << 8 | (uint32_t)v;
        }
        *rgb = out;
        return true;
    }
    char name[32];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) /* "steel blue" is steelblue */
        if (spec[i] != ' ') {
            if (n + 1 >= sizeof name)
                return false;
            name[n++] = spec[i];
        }
    name[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(name, names[i].name) == 0) {
            *rgb = names[i].rgb;
            return true;
        }
    return false;
}

static void defaults(struct colors *c) {
    memcpy(c->index, ansi, sizeof ansi);
    for (unsigned i = 0; i < 216; i++) {
        unsigned level[3] = { i / 36, i / 6 % 6, i % 6 };
        uint32_t rgb = 0;
        for (int k = 0; k < 3; k++)
            rgb = rgb << 8 | (level[k] ? 55 + level[k] * 40 : 0);
        c->index[16 + i] = rgb;
    }
    for (unsigned i = 0; i < 24; i++)
        c->index[232 + i] = (8 + i * 10) * 0x010101u;
    c->fg = c->index[7];
    c->bg = c->index[0];
    c->cursor = COLORS_AUTO;
}

static struct slice trim(const char *s, size_t len) {
    while (len && isspace((unsigned char)*s)) {
        s++;
        len--;
    }
    while (len && isspace((unsigned char)s[len - 1]))
        len--;
    return (struct slice){ s, len };
}

/* "color12" -> 12, -1 when it is none. */
static int numbered(struct slice s) {
    if (s.len < 6 || s.len > 8 || strncasecmp(s.data, "color", 5) != 0)
        return -1;
    int v = 0;
    for (size_t i = 5; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return -1;
        v = v * 10 + (s.data[i] - '0');
    }
    return v < 256 ? v : -1;
}

static bool pair(struct colors *c, struct slice p, struct err *e) {
    const char *colon = memchr(p.data, ':', p.len);
    if (!colon)
        return !err_set(e, STATUS_CLIENT_BAD_REQUEST, "color-scheme: \"%.*s\" has no colon",
                        (int)MIN_OF(p.len, 64u), p.data);
    struct slice name = trim(p.data, (size_t)(colon - p.data));
    struct slice value = trim(colon + 1, p.len - (size_t)(colon + 1 - p.data));
    uint32_t *to = NULL;
    int n = numbered(name);
    if (slice_is(name, "foreground"))
        to = &c->fg;
    else if (slice_is(name, "background"))
        to = &c->bg;
    else if (slice_is(name, "cursor"))
        to = &c->cursor;
    else if (n >= 0)
        to = &c->index[n];
    if (!to)
        return !err_set(e, STATUS_CLIENT_BAD_REQUEST, "color-scheme: unknown colour \"%.*s\"",
                        (int)MIN_OF(name.len, 64u), name.data);
    n = numbered(value);
    if (n >= 0)
        *to = c->index[n];
    else if (!colors_parse(value.data, value.len, to))
        return !err_set(e, STATUS_CLIENT_BAD_REQUEST, "color-scheme: no such colour as \"%.*s\"",
                        (int)MIN_OF(value.len, 64u), value.data);
    return true;
}

bool colors_scheme(struct colors *out, const char *spec, struct err *e) {
    static const char *const schemes[][2] = {
        { "", "" },
        { "gray-black", "" },
        { "black-white", "foreground:color0;background:color15" },
        { "white-black", "foreground:color15;background:color0" },
        { "green-black", "foreground:color2;background:color0" },
    };
    struct colors c;
    defaults(&c);
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strcmp(spec, schemes[i][0]) == 0) {
            spec = schemes[i][1];
            break;
        }
    while (*spec) {
        size_t len = strcspn(spec, ";");
        struct slice p = trim(spec, len);
        if (p.len && !pair(&c, p, e))
            return false;
        spec += len + (spec[len] == ';');
    }
    *out = c;
    return true;
}
