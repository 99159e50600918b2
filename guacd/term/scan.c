#include "guacd/term/scan.h"

#include <stdlib.h>
#include <string.h>

#define STRING_KEEP 4096u /* a longer buffer is given back after use */

void scan_fini(struct scan *s) {
    free(s->string);
    *s = (struct scan){ 0 };
}

static void string_byte(struct scan *s, char c) {
    if (s->string_len + 1 >= s->string_cap) {
        size_t cap = s->string_cap ? s->string_cap * 2 : 256;
        char *grown = cap <= SCAN_STRING_MAX * 2 ? realloc(s->string, cap) : NULL;
        if (!grown) {
            s->overlong = true;
            return;
        }
        s->string = grown;
        s->string_cap = cap;
    }
    if (s->string_len < SCAN_STRING_MAX)
        s->string[s->string_len++] = c;
    else
        s->overlong = true;
}

static void string_end(struct scan *s, const struct scan_ops *ops, void *arg) {
    s->state = SCAN_GROUND;
    if (!s->overlong) {
        if (s->string)
            s->string[s->string_len] = '\0';
        ops->string(arg, s->kind, s->string ? s->string : "", s->string_len);
    }
    if (s->string_cap > STRING_KEEP) {
        free(s->string);
        s->string = NULL;
        s->string_cap = 0;
    }
    s->string_len = 0;
}

static void string_begin(struct scan *s, char kind) {
    s->state = SCAN_STRING;
    s->kind = kind;
    s->string_len = 0;
    s->overlong = false;
}

static void csi_begin(struct scan *s) {
    s->state = SCAN_CSI;
    s->csi = (struct scan_csi){ .count = 1, .param = { SCAN_MISSING } };
    s->csi_body = false;
}

/* One byte of a CSI sequence from 0x20 to 0x7E. */
static void csi_byte(struct scan *s, unsigned char c, const struct scan_ops *ops, void *arg) {
    struct scan_csi *q = &s->csi;
    if (c >= 0x40) {
        s->state = SCAN_GROUND;
        q->final = (char)c;
        ops->csi(arg, q);
        return;
    }
    if (c < 0x30) {
        if (q->intermediate)
            s->state = SCAN_CSI_DROP;
        q->intermediate = (char)c;
        return;
    }
    if (q->intermediate) { /* parameters behind an intermediate: no sequence of ours */
        s->state = SCAN_CSI_DROP;
        return;
    }
    if (c >= 0x3C) {
        if (s->csi_body || q->leader)
            s->state = SCAN_CSI_DROP;
        q->leader = (char)c;
        return;
    }
    s->csi_body = true;
    if (c == ';' || c == ':') {
        if (c == ':')
            q->joined |= 1u << (q->count - 1);
        if (q->count < SCAN_PARAMS_MAX)
            q->param[q->count++] = SCAN_MISSING;
        else
            s->state = SCAN_CSI_DROP; /* nobody sends that many */
        return;
    }
    int32_t *p = &q->param[q->count - 1];
    *p = (*p == SCAN_MISSING ? 0 : *p * 10) + (c - '0');
    if (*p > SCAN_PARAM_MAX)
        *p = SCAN_PARAM_MAX;
}

static void escape_byte(struct scan *s, unsigned char c, const struct scan_ops *ops, void *arg) {
    if (c < 0x30) {
        s->esc_mark = s->esc_mark ? '?' : (char)c;
        return;
    }
    s->state = SCAN_GROUND;
    if (s->esc_mark == '?')
        return;
    if (s->esc_mark) {
        ops->escape(arg, s->esc_mark, (char)c);
        return;
    }
    switch (c) {
    case '[':
        csi_begin(s);
        return;
    case ']':
    case 'P':
    case '_':
    case '^':
    case 'X':
        string_begin(s, (char)c);
        return;
    case '\\': /* the end of a string that is none */
        return;
    default:
        ops->escape(arg, 0, (char)c);
    }
}

/* Anything but ground state. */
static void inner_byte(struct scan *s, unsigned char c, const struct scan_ops *ops, void *arg) {
    if (c == 0x1B) {
        if (s->state == SCAN_STRING || s->state == SCAN_STRING_ESC) {
            s->state = SCAN_STRING_ESC;
        } else {
            s->state = SCAN_ESCAPE;
            s->esc_mark = 0;
        }
        return;
    }
    if (c == 0x18 || c == 0x1A) { /* CAN, SUB */
        s->state = SCAN_GROUND;
        return;
    }
    switch (s->state) {
    case SCAN_STRING_ESC:
        if (c == '\\') {
            string_end(s, ops, arg);
            return;
        }
        /* ESC and anything else breaks the string off and begins a sequence. */
        s->state = SCAN_ESCAPE;
        s->esc_mark = 0;
        if (c >= 0x20 && c < 0x7F)
            escape_byte(s, c, ops, arg);
        return;
    case SCAN_STRING:
        if (c == 0x07)
            string_end(s, ops, arg);
        else if (c >= 0x20 && c != 0x7F)
            string_byte(s, (char)c);
        else if (c == '\t' || c == '\n' || c == '\r')
            string_byte(s, (char)c);
        return;
    case SCAN_ESCAPE:
    case SCAN_CSI:
    case SCAN_CSI_DROP:
        if (c < 0x20) { /* controls work in the middle of a sequence (ECMA-48, VT500) */
            char ctl = (char)c;
            if (c)
                ops->text(arg, &ctl, 1);
        } else if (c >= 0x7F) {
            if (c != 0x7F)
                s->state = SCAN_GROUND;
        } else if (s->state == SCAN_ESCAPE) {
            escape_byte(s, c, ops, arg);
        } else if (s->state == SCAN_CSI) {
            csi_byte(s, c, ops, arg);
        } else if (c >= 0x40) {
            s->state = SCAN_GROUND;
        }
        return;
    case SCAN_GROUND:
    case SCAN_C2:
        return;
    }
}

/* Length of the run without ESC and without 0xC2, which may begin a C1 control. */
static size_t plain_run(const char *data, size_t len) {
    size_t i = 0;
    for (; i + 16 <= len; i += 16) {
        unsigned hit = 0;
        for (int k = 0; k < 16; k++) /* becomes two vector compares */
            hit |= (unsigned)(data[i + k] == 0x1B) | (unsigned)((unsigned char)data[i + k] == 0xC2);
        if (hit)
            break;
    }
    while (i < len && data[i] != 0x1B && (unsigned char)data[i] != 0xC2)
        i++;
    return i;
}

void scan_feed(struct scan *s, const char *data, size_t len, const struct scan_ops *ops,
               void *arg) {
    size_t i = 0, start = 0;
    while (i < len) {
        unsigned char c = (unsigned char)data[i];
        if (s->state == SCAN_C2) { /* split between two reads */
            s->state = SCAN_GROUND;
            start = i;
            if (c >= 0x80 && c < 0xA0)
                start = ++i;
            else
                ops->text(arg, "\xC2", 1);
            continue;
        }
        if (s->state != SCAN_GROUND) {
            inner_byte(s, c, ops, arg);
            start = ++i;
            continue;
        }
        i += plain_run(data + i, len - i);
        if (i == len)
            break;
        bool c1 = false;
        if (data[i] != 0x1B) { /* 0xC2 */
            if (i + 1 < len) {
                unsigned char next = (unsigned char)data[i + 1];
                c1 = next >= 0x80 && next < 0xA0;
                if (!c1) {
                    i++; /* the text goes on */
                    continue;
                }
            } else {
                s->state = SCAN_C2;
            }
        } else {
            s->state = SCAN_ESCAPE;
            s->esc_mark = 0;
        }
        if (i > start)
            ops->text(arg, data + start, i - start);
        i += c1 ? 2 : 1;
        start = i;
    }
    if (s->state == SCAN_GROUND && i > start)
        ops->text(arg, data + start, i - start);
}
