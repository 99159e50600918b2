/* Select Graphic Rendition (ECMA-48 8.3.117) with xterm's and kitty's additions, semicolons and
 * colons. libvterm knows neither faint nor the underline's colour, and takes the colour space in
 * 38:2::r:g:b for red. */
#include "guacd/term/term_priv.h"

/* Colour behind 38, 48 or 58 at param[i]; returns the index of its last parameter. */
static int extended(const struct scan_csi *q, int i, uint32_t *out) {
    int v[6], n = 0;
    bool colon = q->joined >> i & 1;
    int last = i;
    if (colon) {
        while (last < q->count - 1 && (q->joined >> last & 1)) {
            last++;
            if (n < 6)
                v[n++] = q->param[last];
        }
    } else {
        for (int k = i + 1; k < q->count && n < 4; k++)
            v[n++] = q->param[k];
    }
    if (n >= 2 && v[0] == 5) {
        if (v[1] >= 0 && v[1] < 256)
            *out = COLOR_INDEXED | (uint32_t)v[1];
        return colon ? last : i + 2;
    }
    if (n >= 4 && v[0] == 2) {
        int *rgb = colon && n >= 5 ? v + 2 : v + 1; /* 2:space:r:g:b or 2:r:g:b */
        uint32_t c = 0;
        for (int k = 0; k < 3; k++)
            c = c << 8 | (rgb[k] == SCAN_MISSING ? 0 : (uint32_t)rgb[k] & 0xFF);
        *out = COLOR_DIRECT | c;
        return colon ? last : i + 4;
    }
    return colon ? last : q->count - 1; /* unknown: the rest cannot be understood */
}

static void set(struct style *p, uint32_t attr, bool on) {
    p->attrs = on ? p->attrs | attr : p->attrs & ~attr;
}

static void underline(struct style *p, unsigned kind) {
    p->attrs = (p->attrs & ~ATTR_UNDERLINE) | kind << ATTR_UNDERLINE_SHIFT;
}

void term_sgr(struct term *t, const struct scan_csi *q) {
    static const unsigned kinds[] = {
        UL_NONE, UL_SINGLE, UL_DOUBLE, UL_CURLY, UL_DOTTED, UL_DASHED
    };
    struct style *p = &t->pen;
    t->pen_stale = true;
    for (int i = 0; i < q->count; i++) {
        int v = q->param[i];
        switch (v) {
        case SCAN_MISSING:
        case 0:
            *p = (struct style){ 0 };
            break;
        case 1:
            set(p, ATTR_BOLD, true);
            break;
        case 2:
            set(p, ATTR_FAINT, true);
            break;
        case 3:
            set(p, ATTR_ITALIC, true);
            break;
        case 4:
            if ((q->joined >> i & 1) && i + 1 < q->count) {
                int k = q->param[i + 1];
                underline(p, k >= 0 && k < 6 ? kinds[k] : UL_SINGLE);
            } else {
                underline(p, UL_SINGLE);
            }
            break;
        case 5:
        case 6:
            set(p, ATTR_BLINK, true);
            break;
        case 7:
            set(p, ATTR_REVERSE, true);
            break;
        case 8:
            set(p, ATTR_CONCEAL, true);
            break;
        case 9:
            set(p, ATTR_STRIKE, true);
            break;
        case 21:
            underline(p, UL_DOUBLE);
            break;
        case 22:
            set(p, ATTR_BOLD | ATTR_FAINT, false);
            break;
        case 23:
            set(p, ATTR_ITALIC, false);
            break;
        case 24:
            underline(p, UL_NONE);
            break;
        case 25:
            set(p, ATTR_BLINK, false);
            break;
        case 27:
            set(p, ATTR_REVERSE, false);
            break;
        case 28:
            set(p, ATTR_CONCEAL, false);
            break;
        case 29:
            set(p, ATTR_STRIKE, false);
            break;
        case 38:
            i = extended(q, i, &p->fg);
            continue;
        case 39:
            p->fg = COLOR_DEFAULT;
            break;
        case 48:
            i = extended(q, i, &p->bg);
            continue;
        case 49:
            p->bg = COLOR_DEFAULT;
            break;
        case 53:
            set(p, ATTR_OVERLINE, true);
            break;
        case 55:
            set(p, ATTR_OVERLINE, false);
            break;
        case 58:
            i = extended(q, i, &p->ul);
            continue;
        case 59:
            p->ul = COLOR_DEFAULT;
            break;
        default:
            if (v >= 30 && v <= 37)
                p->fg = COLOR_INDEXED | (uint32_t)(v - 30);
            else if (v >= 40 && v <= 47)
                p->bg = COLOR_INDEXED | (uint32_t)(v - 40);
            else if (v >= 90 && v <= 97)
                p->fg = COLOR_INDEXED | (uint32_t)(v - 90 + 8);
            else if (v >= 100 && v <= 107)
                p->bg = COLOR_INDEXED | (uint32_t)(v - 100 + 8);
        }
        while (i < q->count - 1 && (q->joined >> i & 1)) /* what a colon adds to it */
            i++;
    }
}
