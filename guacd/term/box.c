#include "guacd/term/box.h"

#include <math.h>

#include "guacd/base/util.h"

/* Arms of U+2500…257F, two bits each: left, right, up, down; 1 light, 2 heavy, 3 double. 0: dashes,
 * arcs and diagonals, drawn apart. */
#define A(l, r, u, d) (uint8_t)((l) << 6 | (r) << 4 | (u) << 2 | (d))
/* clang-format off */
static const uint8_t arms[128] = {
    A(1,1,0,0), A(2,2,0,0), A(0,0,1,1), A(0,0,2,2), 0, 0, 0, 0,
    0, 0, 0, 0, A(0,1,0,1), A(0,2,0,1), A(0,1,0,2), A(0,2,0,2),
    A(1,0,0,1), A(2,0,0,1), A(1,0,0,2), A(2,0,0,2), A(0,1,1,0), A(0,2,1,0), A(0,1,2,0), A(0,2,2,0),
    A(1,0,1,0), A(2,0,1,0), A(1,0,2,0), A(2,0,2,0), A(0,1,1,1), A(0,2,1,1), A(0,1,2,1), A(0,1,1,2),
    A(0,1,2,2), A(0,2,2,1), A(0,2,1,2), A(0,2,2,2), A(1,0,1,1), A(2,0,1,1), A(1,0,2,1), A(1,0,1,2),
    A(1,0,2,2), A(2,0,2,1), A(2,0,1,2), A(2,0,2,2), A(1,1,0,1), A(2,1,0,1), A(1,2,0,1), A(2,2,0,1),
    A(1,1,0,2), A(2,1,0,2), A(1,2,0,2), A(2,2,0,2), A(1,1,1,0), A(2,1,1,0), A(1,2,1,0), A(2,2,1,0),
    A(1,1,2,0), A(2,1,2,0), A(1,2,2,0), A(2,2,2,0), A(1,1,1,1), A(2,1,1,1), A(1,2,1,1), A(2,2,1,1),
    A(1,1,2,1), A(1,1,1,2), A(1,1,2,2), A(2,1,2,1), A(1,2,2,1), A(2,1,1,2), A(1,2,1,2), A(2,2,2,1),
    A(2,2,1,2), A(2,1,2,2), A(1,2,2,2), A(2,2,2,2), 0, 0, 0, 0,
    A(3,3,0,0), A(0,0,3,3), A(0,3,0,1), A(0,1,0,3), A(0,3,0,3), A(3,0,0,1), A(1,0,0,3), A(3,0,0,3),
    A(0,3,1,0), A(0,1,3,0), A(0,3,3,0), A(3,0,1,0), A(1,0,3,0), A(3,0,3,0), A(0,3,1,1), A(0,1,3,3),
    A(0,3,3,3), A(3,0,1,1), A(1,0,3,3), A(3,0,3,3), A(3,3,0,1), A(1,1,0,3), A(3,3,0,3), A(3,3,1,0),
    A(1,1,3,0), A(3,3,3,0), A(3,3,1,1), A(1,1,3,3), A(3,3,3,3), 0, 0, 0,
    0, 0, 0, 0, A(1,0,0,0), A(0,0,1,0), A(0,1,0,0), A(0,0,0,1),
    A(2,0,0,0), A(0,0,2,0), A(0,2,0,0), A(0,0,0,2), A(1,2,0,0), A(0,0,1,2), A(2,1,0,0), A(0,0,2,1),
};
/* clang-format on */
#undef A

struct canvas {
    uint8_t *mask;
    int w, h;
    int light, heavy; /* thicknesses */
};

static void dot(const struct canvas *c, int x, int y, double cover) {
    int v = (int)lrint(MIN_OF(MAX_OF(cover, 0.0), 1.0) * 255);
    uint8_t *p = &c->mask[y * c->w + x];
    if (v > *p)
        *p = (uint8_t)v;
}

static void fill(const struct canvas *c, int x0, int y0, int x1, int y1, int value) {
    for (int y = MAX_OF(y0, 0); y < MIN_OF(y1, c->h); y++)
        for (int x = MAX_OF(x0, 0); x < MIN_OF(x1, c->w); x++)
            if (c->mask[y * c->w + x] < value)
                c->mask[y * c->w + x] = (uint8_t)value;
}

static int thickness(const struct canvas *c, int weight) {
    return weight == 2 ? c->heavy : c->light;
}

/* One arm along the axis from `edge` to the middle. `across` are the weights of the arms on the two
 * other sides, `beyond` that of the opposite one. Coordinates are swapped for vertical arms, so one
 * function does all four: `len` along, `wid` across, `far`: the arm is at the end of the axis. */
static void arm(const struct canvas *c, int weight, bool vertical, bool far, int beyond,
                const int across[2]) {
    int len = vertical ? c->h : c->w, wid = vertical ? c->w : c->h;
    int t = c->light;
    int near_line = (len - 3 * t) / 2, far_line = near_line + 2 * t, mid = (len - t) / 2;
    int lines = weight == 3 ? 2 : 1;
    for (int k = 0; k < lines; k++) {
        int thick = thickness(c, weight);
        int at = weight == 3 ? (wid - 3 * t) / 2 + k * 2 * t : (wid - thick) / 2;
        int stop; /* how far towards and beyond the middle, seen from an arm at the start */
        int side = across[k], other = across[1 - k];
        if (weight == 3) {
            int w = side ? side : other;
            if (w == 3)
                stop = side ? near_line + t : far_line + t;
            else
                stop = w ? mid + thickness(c, w) : (len + 1) / 2;
            if (far && w == 3)
                stop = len - (side ? far_line : near_line);
            else if (far)
                stop = len - (w ? mid : len / 2);
        } else {
            int v = MAX_OF(thickness(c, across[0]), thickness(c, across[1]));
            if (!across[0] && !across[1])
                v = beyond ? 0 : thick;
            stop = v ? (len - v) / 2 + v : (len + 1) / 2;
            if (far)
                stop = len - (len - v) / 2;
            if (!beyond && (across[0] == 3 || across[1] == 3)) {
                bool both = across[0] == 3 && across[1] == 3;
                stop = both ? near_line + t : far_line + t;
                if (far)
                    stop = len - (both ? far_line : near_line);
            }
        }
        int a = far ? len - stop : 0, b = far ? len : stop;
        if (vertical)
            fill(c, at, a, at + thick, b, 255);
        else
            fill(c, a, at, b, at + thick, 255);
    }
}

static void lines(const struct canvas *c, uint8_t code) {
    int l = code >> 6, r = code >> 4 & 3, u = code >> 2 & 3, d = code & 3;
    const int vertical[2] = { u, d }, horizontal[2] = { l, r };
    if (l)
        arm(c, l, false, false, r, vertical);
    if (r)
        arm(c, r, false, true, l, vertical);
    if (u)
        arm(c, u, true, false, d, horizontal);
    if (d)
        arm(c, d, true, true, u, horizontal);
}

static void dashes(const struct canvas *c, int n, bool vertical, bool heavy) {
    int thick = heavy ? c->heavy : c->light, len = vertical ? c->h : c->w;
    int at = ((vertical ? c->w : c->h) - thick) / 2;
    for (int i = 0; i < n; i++) {
        int a = len * i / n, b = len * (i + 1) / n;
        int gap = MAX_OF((b - a) / 3, 1);
        a += gap / 2;
        b -= gap - gap / 2;
        if (vertical)
            fill(c, at, a, at + thick, b, 255);
        else
            fill(c, a, at, b, at + thick, 255);
    }
}

/* Quarter of a circle between the middles of two edges, with straight ends. */
static void arc(const struct canvas *c, bool right, bool down) {
    double half = c->light / 2.0;
    double mx = (c->w - c->light) / 2 + half, my = (c->h - c->light) / 2 + half;
    double rx = right ? c->w - mx : mx, ry = down ? c->h - my : my, r = MIN_OF(rx, ry);
    double ox = right ? mx + r : mx - r, oy = down ? my + r : my - r;
    for (int y = 0; y < c->h; y++)
        for (int x = 0; x < c->w; x++) {
            double px = x + 0.5, py = y + 0.5;
            bool inx = right ? px < ox : px > ox, iny = down ? py < oy : py > oy;
            double away;
            if (inx && iny)
                away = fabs(hypot(px - ox, py - oy) - r);
            else if (inx)
                away = (down ? py >= my : py <= my) ? fabs(px - mx) : 9;
            else if (iny)
                away = (right ? px >= mx : px <= mx) ? fabs(py - my) : 9;
            else
                away = 9;
            dot(c, x, y, half + 0.5 - away);
        }
}

static void diagonal(const struct canvas *c, bool rising) {
    double norm = hypot(c->w, c->h);
    for (int y = 0; y < c->h; y++)
        for (int x = 0; x < c->w; x++) {
            double px = x + 0.5, py = rising ? c->h - y - 0.5 : y + 0.5;
            double away = fabs(px * c->h - py * c->w) / norm;
            dot(c, x, y, c->light / 2.0 + 0.5 - away);
        }
}

static void box_lines(const struct canvas *c, uint32_t cp) {
    if (arms[cp - 0x2500]) {
        lines(c, arms[cp - 0x2500]);
        return;
    }
    switch (cp) {
    case 0x256D:
        arc(c, true, true);
        return;
    case 0x256E:
        arc(c, false, true);
        return;
    case 0x256F:
        arc(c, false, false);
        return;
    case 0x2570:
        arc(c, true, false);
        return;
    case 0x2573:
        diagonal(c, true);
        diagonal(c, false);
        return;
    case 0x2571:
        diagonal(c, true);
        return;
    case 0x2572:
        diagonal(c, false);
        return;
    default:
        break;
    }
    int n = cp >= 0x254C ? 2 : cp >= 0x2508 ? 4 : 3;
    dashes(c, n, cp & 2, cp & 1);
}

/* Parts of a cell must meet without a seam: both neighbours round the same way. */
static int part(int size, int n, int of) {
    return (size * n + of / 2) / of;
}

static void quadrants(const struct canvas *c, unsigned bits) { /* 1 ul, 2 ur, 4 ll, 8 lr */
    int mx = part(c->w, 1, 2), my = part(c->h, 1, 2);
    for (unsigned i = 0; i < 4; i++)
        if (bits >> i & 1)
            fill(c, i & 1 ? mx : 0, i & 2 ? my : 0, i & 1 ? c->w : mx, i & 2 ? c->h : my, 255);
}

static void block(const struct canvas *c, uint32_t cp) {
    static const uint8_t quads[] = { 4, 8, 1, 13, 9, 7, 11, 2, 6, 14 };
    if (cp == 0x2580)
        fill(c, 0, 0, c->w, part(c->h, 1, 2), 255);
    else if (cp <= 0x2588)
        fill(c, 0, part(c->h, 0x2588 - (int)cp, 8), c->w, c->h, 255);
    else if (cp <= 0x258F)
        fill(c, 0, 0, part(c->w, 0x2590 - (int)cp, 8), c->h, 255);
    else if (cp == 0x2590)
        fill(c, part(c->w, 1, 2), 0, c->w, c->h, 255);
    else if (cp <= 0x2593)
        fill(c, 0, 0, c->w, c->h, ((int)cp - 0x2590) * 64);
    else if (cp == 0x2594)
        fill(c, 0, 0, c->w, part(c->h, 1, 8), 255);
    else if (cp == 0x2595)
        fill(c, part(c->w, 7, 8), 0, c->w, c->h, 255);
    else
        quadrants(c, quads[cp - 0x2596]);
}

static void braille(const struct canvas *c, unsigned bits) {
    static const uint8_t order[8] = { 0, 2, 4, 1, 3, 5, 6, 7 }; /* row * 2 + column */
    double r = MIN_OF(c->w / 2.0, c->h / 4.0) * 0.36;
    for (unsigned i = 0; i < 8; i++) {
        if (!(bits >> i & 1))
            continue;
        double ox = c->w * ((order[i] & 1) ? 0.75 : 0.25), oy = c->h * (order[i] / 2 + 0.5) / 4;
        for (int y = 0; y < c->h; y++)
            for (int x = 0; x < c->w; x++)
                dot(c, x, y, r + 0.5 - hypot(x + 0.5 - ox, y + 0.5 - oy));
    }
}

/* U+1FB00…1FB3B: the 2×3 mosaics without the four that exist as blocks. */
static void sextant(const struct canvas *c, unsigned n) {
    unsigned bits = n + 1;
    bits += bits >= 21;
    bits += bits >= 42;
    for (unsigned i = 0; i < 6; i++)
        if (bits >> i & 1)
            fill(c, i & 1 ? part(c->w, 1, 2) : 0, part(c->h, (int)(i / 2), 3),
                 i & 1 ? c->w : part(c->w, 1, 2), part(c->h, (int)(i / 2) + 1, 3), 255);
}

/* Powerline's arrows. */
static void arrow(const struct canvas *c, bool left, bool solid) {
    double norm = hypot(c->w, c->h / 2.0);
    for (int y = 0; y < c->h; y++)
        for (int x = 0; x < c->w; x++) {
            double px = left ? c->w - x - 0.5 : x + 0.5, py = fabs(y + 0.5 - c->h / 2.0);
            /* Distance inside the edge from (0, h/2) to (w, 0). */
            double in = ((c->w - px) * (c->h / 2.0) - py * c->w) / norm;
            dot(c, x, y, solid ? in + 0.5 : c->light / 2.0 + 0.5 - fabs(in - c->light / 2.0));
        }
}

bool box_has(uint32_t cp) {
    return (cp >= 0x2500 && cp <= 0x259F) || (cp >= 0x2800 && cp <= 0x28FF) ||
           (cp >= 0x1FB00 && cp <= 0x1FB3B) || (cp >= 0xE0B0 && cp <= 0xE0B3);
}

void box_draw(uint32_t cp, uint8_t *mask, int width, int height) {
    int light = MAX_OF((width + 4) / 9, 1);
    struct canvas c = { mask, width, height, light, MAX_OF(light * 2, light + 1) };
    if (c.heavy > width - 2)
        c.heavy = light;
    if (cp <= 0x257F)
        box_lines(&c, cp);
    else if (cp <= 0x259F)
        block(&c, cp);
    else if (cp <= 0x28FF)
        braille(&c, cp & 0xFF);
    else if (cp >= 0x1FB00)
        sextant(&c, cp - 0x1FB00);
    else
        arrow(&c, cp >= 0xE0B2, !(cp & 1));
}
