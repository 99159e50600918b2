#include "guacd/backends/clip/clip.h"

#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"

#define REPLACEMENT 0xFFFD

/* What Windows-1252 has at 0x80 to 0x9F; 0: nothing. */
static const uint16_t cp1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

enum clip_encoding clip_encoding_parse(const char *name) {
    if (strcmp(name, "UTF-8") == 0)
        return CLIP_UTF8;
    if (strcmp(name, "UTF-16") == 0)
        return CLIP_UTF16;
    return strcmp(name, "CP1252") == 0 ? CLIP_CP1252 : CLIP_LATIN1;
}

static uint16_t unit(const uint8_t *p, bool big) {
    return (uint16_t)(big ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

/* One code point; returns its bytes, at least 1. */
static size_t next_utf16(const uint8_t *p, size_t len, bool big, uint32_t *cp) {
    *cp = REPLACEMENT;
    if (len < 2)
        return len;
    uint16_t high = unit(p, big);
    if (high < 0xD800 || high > 0xDFFF) {
        *cp = high;
        return 2;
    }
    uint16_t low = len >= 4 ? unit(p + 2, big) : 0;
    if (high > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
        return 2;
    *cp = 0x10000u + ((high & 0x3FFu) << 10) + (low & 0x3FFu);
    return 4;
}

static size_t next(enum clip_encoding from, const uint8_t *p, size_t len, bool big, uint32_t *cp) {
    if (from == CLIP_UTF16)
        return next_utf16(p, len, big, cp);
    if (from == CLIP_UTF8) {
        size_t n = utf8_decode((const char *)p, len, cp);
        if (n == 0)
            *cp = REPLACEMENT;
        return n ? n : 1;
    }
    *cp = p[0];
    if (from == CLIP_CP1252 && p[0] >= 0x80 && p[0] < 0xA0)
        *cp = cp1252[p[0] - 0x80] ? cp1252[p[0] - 0x80] : REPLACEMENT;
    return 1;
}

static int add(struct buf *out, uint32_t cp) {
    char text[4];
    return buf_add(out, text, utf8_encode(cp, text));
}

int clip_to_utf8(enum clip_encoding from, const void *data, size_t len, struct buf *out) {
    const uint8_t *p = data;
    bool big = false, cr = false;
    if (from == CLIP_UTF16 && len >= 2 && (unit(p, true) == 0xFEFF || unit(p, false) == 0xFEFF)) {
        big = unit(p, true) == 0xFEFF;
        p += 2;
        len -= 2;
    }
    while (len > 0) {
        uint32_t cp;
        size_t n = next(from, p, len, big, &cp);
        p += n;
        len -= n;
        if (cp == 0)
            break;
        if (cr && cp != '\n' && add(out, '\r') < 0)
            return -1;
        cr = cp == '\r';
        if (!cr && add(out, cp) < 0)
            return -1;
    }
    return cr ? add(out, '\r') : 0;
}

bool clip_is_latin1(const char *text, size_t len) {
    while (len > 0) {
        uint32_t cp;
        size_t n = next(CLIP_UTF8, (const uint8_t *)text, len, false, &cp);
        if (cp > 0xFF)
            return false;
        text += n;
        len -= n;
    }
    return true;
}

static uint8_t to_cp1252(uint32_t cp) {
    for (size_t i = 0; i < ARRAY_LEN(cp1252); i++)
        if (cp1252[i] == cp)
            return (uint8_t)(0x80 + i);
    return cp < 0x80 || (cp >= 0xA0 && cp < 0x100) ? (uint8_t)cp : '?';
}

static int add_utf16(struct buf *out, uint32_t cp) {
    uint16_t units[2] = { (uint16_t)cp };
    size_t count = 1;
    if (cp >= 0x10000) {
        units[0] = (uint16_t)(0xD800 + ((cp - 0x10000) >> 10));
        units[1] = (uint16_t)(0xDC00 + (cp & 0x3FF));
        count = 2;
    }
    for (size_t i = 0; i < count; i++)
        if (buf_putc(out, (char)(units[i] & 0xFF)) < 0 || buf_putc(out, (char)(units[i] >> 8)) < 0)
            return -1;
    return 0;
}

int clip_from_utf8(enum clip_encoding to, const char *text, size_t len, struct buf *out) {
    while (len > 0) {
        uint32_t cp;
        size_t n = next(CLIP_UTF8, (const uint8_t *)text, len, false, &cp);
        text += n;
        len -= n;
        int r;
        if (to == CLIP_UTF16)
            r = add_utf16(out, cp);
        else if (to == CLIP_UTF8)
            r = add(out, cp);
        else if (to == CLIP_CP1252)
            r = buf_putc(out, (char)to_cp1252(cp));
        else
            r = buf_putc(out, cp < 0x100 ? (char)cp : '?');
        if (r < 0)
            return -1;
    }
    return 0;
}

/* How many CRs begin there, and whether they belong to the end of a line. */
static size_t carriage_returns(const char *text, size_t len, bool *at_end) {
    size_t n = 0;
    while (n < len && text[n] == '\r')
        n++;
    *at_end = n < len && text[n] == '\n';
    return n;
}

int clip_lines(const char *text, size_t len, bool with_cr, struct buf *out) {
    for (size_t i = 0, n; i < len; i += n) {
        bool at_end = false;
        n = carriage_returns(text + i, len - i, &at_end);
        int e = 0;
        if (n > 0 && !at_end) {
            e = buf_add(out, text + i, n);
        } else if (n == 0) {
            n = 1;
            e = text[i] == '\n' ? buf_puts(out, with_cr ? "\r\n" : "\n") : buf_putc(out, text[i]);
        }
        if (e < 0)
            return -1;
    }
    return 0;
}
