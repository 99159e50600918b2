#include "guacd/term/font.h"

#include <fontconfig/fontconfig.h>
#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_OUTLINE_H
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/term/font_scale.h"

#define FALLBACK_MAX 24 /* faces opened beside the main one */

struct face {
    FT_Face ft;
    bool tried;
    bool embolden, slant; /* the family has no such face: it is made up */
};

struct font_set {
    FT_Library lib;
    struct face main[4]; /* regular, bold, italic, both */
    FcPattern *pattern;
    char name[128];
    double points;
    int dpi;
    FcFontSet *fallback; /* every other font in fontconfig's order, once one is needed */
    bool sorted;
    struct {
        int index;
        FT_Face ft;
    } open[FALLBACK_MAX];
    int open_count;
    struct font_metrics m;
};

/* The set given back last: what font_warm() opened is what most terminals ask for. */
static _Atomic(struct font_set *) spare;

void font_warm(void) {
    struct err e = { 0 };
    FcInit();
    font_set_free(font_set_new("monospace", 12, 96, &e));
}

static FT_Face open_face(struct font_set *f, FcPattern *p) {
    FcChar8 *file;
    int index = 0;
    FT_Face ft;
    if (FcPatternGetString(p, FC_FILE, 0, &file) != FcResultMatch)
        return NULL;
    FcPatternGetInteger(p, FC_INDEX, 0, &index);
    if (FT_New_Face(f->lib, (const char *)file, index & 0xFFFF, &ft))
        return NULL;
    FT_Error bad;
    if (FT_IS_SCALABLE(ft)) {
        bad = FT_Set_Char_Size(ft, 0, (FT_F26Dot6)lrint(f->points * 64), (FT_UInt)f->dpi,
                               (FT_UInt)f->dpi);
    } else { /* bitmaps: the nearest size that is not smaller; it is scaled down */
        double want = f->points * f->dpi / 72;
        int best = -1;
        for (int i = 0; i < ft->num_fixed_sizes; i++) {
            if (best < 0 || (ft->available_sizes[i].height >= want &&
                             ft->available_sizes[i].height < ft->available_sizes[best].height))
                best = i;
        }
        bad = best < 0 ? 1 : FT_Select_Size(ft, best);
    }
    if (bad) {
        FT_Done_Face(ft);
        return NULL;
    }
    return ft;
}

static FcPattern *wanted(const char *name, bool bold, bool italic) {
    FcPattern *p = FcNameParse((const FcChar8 *)name);
    if (!p)
        return NULL;
    if (bold)
        FcPatternAddInteger(p, FC_WEIGHT, FC_WEIGHT_BOLD);
    if (italic)
        FcPatternAddInteger(p, FC_SLANT, FC_SLANT_ITALIC);
    FcPatternAddString(p, FC_FAMILY, (const FcChar8 *)"monospace");
    FcConfigSubstitute(NULL, p, FcMatchPattern);
    FcDefaultSubstitute(p);
    return p;
}

static struct face *main_face(struct font_set *f, bool bold, bool italic) {
    struct face *face = &f->main[(bold ? 1 : 0) | (italic ? 2 : 0)];
    if (face->tried)
        return face;
    face->tried = true;
    FcPattern *p = wanted(f->name, bold, italic);
    FcResult result;
    FcPattern *match = p ? FcFontMatch(NULL, p, &result) : NULL;
    if (match) {
        int weight = FC_WEIGHT_REGULAR, slant = FC_SLANT_ROMAN;
        FcPatternGetInteger(match, FC_WEIGHT, 0, &weight);
        FcPatternGetInteger(match, FC_SLANT, 0, &slant);
        face->ft = open_face(f, match);
        face->embolden = bold && weight < FC_WEIGHT_DEMIBOLD;
        face->slant = italic && slant == FC_SLANT_ROMAN;
        FcPatternDestroy(match);
    }
    if (p)
        FcPatternDestroy(p);
    return face;
}

/* Cell size and where the lines go, from the regular face. */
static bool measure(struct font_set *f) {
    FT_Face ft = f->main[0].ft;
    long advance = 0;
    for (FT_ULong c = '!'; c <= '~'; c++)
        if (!FT_Load_Char(ft, c, FT_LOAD_TARGET_LIGHT) && ft->glyph->advance.x > advance)
            advance = ft->glyph->advance.x;
    if (advance <= 0)
        return false;
    struct font_metrics *m = &f->m;
    double scale = FT_IS_SCALABLE(ft) ? (double)ft->size->metrics.y_scale / 65536 / 64 : 0;
    double up = scale > 0 ? ft->ascender * scale : (double)ft->size->metrics.ascender / 64;
    double down = scale > 0 ? -ft->descender * scale : (double)-ft->size->metrics.descender / 64;
    m->width = MAX_OF((int)lrint((double)advance / 64), 2);
    m->height = MAX_OF((int)lrint(up + down), 4);
    m->baseline = MIN_OF((int)lrint(up), m->height);
    m->thickness = MAX_OF((int)lrint(ft->underline_thickness * scale), 1);
    int below = (int)lrint(-ft->underline_position * scale - m->thickness / 2.0);
    m->underline = MIN_OF(m->baseline + MAX_OF(below, 1), m->height - m->thickness);
    m->strike = m->baseline - (int)lrint(up * 0.28);
    return m->width <= 512 && m->height <= 1024;
}

static void destroy(struct font_set *f) {
    if (f->fallback)
        FcFontSetDestroy(f->fallback);
    if (f->pattern)
        FcPatternDestroy(f->pattern);
    FT_Done_FreeType(f->lib); /* with all its faces */
    free(f);
}

void font_set_free(struct font_set *f) {
    if (f)
        f = atomic_exchange(&spare, f);
    if (f)
        destroy(f);
}

#ifdef GUAC_SANITIZER
/* fontconfig's patterns hold offsets where others hold pointers: to a leak checker all of its
 * configuration is lost. */
static void forget(void) {
    struct font_set *f = atomic_exchange(&spare, NULL);
    if (f)
        destroy(f);
    FcFini();
}
#endif

struct font_set *font_set_new(const char *name, double points, int dpi, struct err *e) {
#ifdef GUAC_SANITIZER
    static atomic_flag once = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&once))
        atexit(forget);
#endif
    if (!*name)
        name = "monospace";
    struct font_set *f = atomic_exchange(&spare, NULL);
    if (f && strcmp(f->name, name) == 0 && f->points == points && f->dpi == dpi)
        return f;
    if (f)
        destroy(f);
    f = calloc(1, sizeof *f);
    if (!f || FT_Init_FreeType(&f->lib)) {
        free(f);
        err_set(e, STATUS_SERVER_ERROR, "FreeType cannot be started");
        return NULL;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    f->points = points;
    f->dpi = dpi;
    if (!main_face(f, false, false)->ft || !measure(f)) {
        err_set(e, STATUS_SERVER_ERROR,
                "no font for \"%s\" at %.0f points: is a monospace font installed?", name, points);
        destroy(f);
        return NULL;
    }
    return f;
}

void font_set_metrics(const struct font_set *f, struct font_metrics *m) {
    *m = f->m;
}

/* ---- which face has it ----------------------------------------------------------------------- */

static FT_Face fallback_open(struct font_set *f, int index) {
    for (int i = 0; i < f->open_count; i++)
        if (f->open[i].index == index)
            return f->open[i].ft;
    if (f->open_count == FALLBACK_MAX)
        return NULL;
    FcPattern *p = f->fallback->fonts[index];
    FT_Face ft = open_face(f, p);
    f->open[f->open_count].index = index; /* a failure is remembered too */
    f->open[f->open_count++].ft = ft;
    return ft;
}

/* FcFontSort's order is that of nearness to the pattern: monospace ones first. */
static FT_Face fallback_face(struct font_set *f, uint32_t cp, bool color) {
    if (!f->sorted) {
        f->sorted = true;
        FcResult result;
        f->pattern = wanted(f->name, false, false);
        if (f->pattern)
            f->fallback = FcFontSort(NULL, f->pattern, FcTrue, NULL, &result);
    }
    for (int i = 0; f->fallback && i < f->fallback->nfont; i++) {
        FcCharSet *set;
        FcBool has_color = FcFalse;
        FcPatternGetBool(f->fallback->fonts[i], FC_COLOR, 0, &has_color);
        if (color != (bool)has_color ||
            FcPatternGetCharSet(f->fallback->fonts[i], FC_CHARSET, 0, &set) != FcResultMatch ||
            !FcCharSetHasChar(set, cp))
            continue;
        FT_Face ft = fallback_open(f, i);
        if (ft && FT_Get_Char_Index(ft, cp))
            return ft;
    }
    return NULL;
}

static FT_Face find(struct font_set *f, uint32_t cp, bool bold, bool italic, bool emoji,
                    bool *embolden, bool *slant) {
    FT_Face ft = emoji ? fallback_face(f, cp, true) : NULL;
    *embolden = *slant = false;
    if (ft)
        return ft;
    struct face *face = main_face(f, bold, italic);
    if (!face->ft)
        face = &f->main[0];
    if (FT_Get_Char_Index(face->ft, cp)) {
        *embolden = face->embolden;
        *slant = face->slant;
        return face->ft;
    }
    *embolden = bold;
    *slant = italic;
    if (face != &f->main[0] && FT_Get_Char_Index(f->main[0].ft, cp))
        return f->main[0].ft;
    ft = fallback_face(f, cp, false);
    return ft || emoji ? ft : fallback_face(f, cp, true);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void hollow_box(const struct font_set *f, struct font_canvas *c) {
    int x0 = c->width / 8, x1 = c->width - 1 - x0, y0 = c->height / 5, y1 = f->m.baseline - 1;
    for (int x = x0; x <= x1; x++)
        c->mask[y0 * c->width + x] = c->mask[y1 * c->width + x] = 160;
    for (int y = y0; y <= y1; y++)
        c->mask[y * c->width + x0] = c->mask[y * c->width + x1] = 160;
}

static void add_mask(struct font_canvas *c, int x, int y, unsigned v) {
    if (x < 0 || x >= c->width || y < 0 || y >= c->height)
        return;
    uint8_t *p = &c->mask[y * c->width + x];
    *p = (uint8_t)MIN_OF(*p + v, 255u);
}

static void draw_mask(struct font_canvas *c, const FT_Bitmap *b, int left, int top) {
    for (unsigned y = 0; y < b->rows; y++) {
        const unsigned char *row = b->buffer + (ptrdiff_t)y * b->pitch;
        for (unsigned x = 0; x < b->width; x++) {
            unsigned v = b->pixel_mode == FT_PIXEL_MODE_MONO
                             ? (row[x / 8] >> (7 - x % 8) & 1) * 255u
                             : row[x];
            if (v)
                add_mask(c, left + (int)x, top + (int)y, v);
        }
    }
}

/* An outline that is too wide or too high for its cells becomes as large as they allow. */
static double shrink(FT_GlyphSlot g, const struct font_canvas *c) {
    double w = (double)g->metrics.width / 64, h = (double)g->metrics.height / 64, s = 1;
    if (w > c->width + 1)
        s = (c->width + 0.5) / w;
    if (h * s > c->height)
        s = c->height / h;
    return s;
}

static void draw_outline(const struct font_set *f, FT_GlyphSlot g, bool embolden, bool slant,
                         bool mark, struct font_canvas *c) {
    double s = shrink(g, c);
    double advance = (double)g->linearHoriAdvance / 65536;
    if (s < 1 || slant) {
        FT_Matrix m = { (FT_Fixed)lrint(s * 0x10000), slant ? 0x3333 : 0, 0,
                        (FT_Fixed)lrint(s * 0x10000) };
        FT_Outline_Transform(&g->outline, &m);
        advance *= s;
    }
    if (embolden)
        FT_Outline_Embolden(&g->outline, MAX_OF(f->m.height * 64 / 28, 32));
    if (FT_Render_Glyph(g, FT_RENDER_MODE_NORMAL))
        return;
    int left = g->bitmap_left;
    if (mark && left < 0 && advance < 1)
        left += f->m.width; /* drawn back over the advance of the character before */
    else if (fabs(advance - c->width) > 1)
        left += (int)lrint((c->width - advance) / 2);
    if (s < 1)
        left = MAX_OF(MIN_OF(left, c->width - (int)g->bitmap.width), 0);
    draw_mask(c, &g->bitmap, left, f->m.baseline - g->bitmap_top);
}

void font_draw(struct font_set *f, uint32_t cp, bool bold, bool italic, bool emoji, bool mark,
               struct font_canvas *c) {
    bool embolden, slant;
    FT_Face ft = find(f, cp, bold, italic, emoji, &embolden, &slant);
    FT_UInt glyph = ft ? FT_Get_Char_Index(ft, cp) : 0;
    int flags = FT_LOAD_TARGET_LIGHT | (c->color ? FT_LOAD_COLOR : 0);
    if (!glyph || FT_Load_Glyph(ft, glyph, flags)) {
        if (!mark)
            hollow_box(f, c);
        return;
    }
    FT_GlyphSlot g = ft->glyph;
    if (g->format == FT_GLYPH_FORMAT_OUTLINE) {
        draw_outline(f, g, embolden, slant, mark, c);
    } else if (g->bitmap.pixel_mode == FT_PIXEL_MODE_BGRA && c->color) {
        font_scale_bgra(g->bitmap.buffer, g->bitmap.pitch, (int)g->bitmap.width,
                        (int)g->bitmap.rows, c->color, c->width, c->height);
        c->colored = true;
    } else if (g->format == FT_GLYPH_FORMAT_BITMAP) {
        draw_mask(c, &g->bitmap, g->bitmap_left, f->m.baseline - g->bitmap_top);
    }
}
