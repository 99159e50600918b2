/* What both ends of the handshake share: a client's description of itself, clamped and cleaned, and
 * the instructions that end a handshake. */
#include "guacd/proto/handshake.h"

#include "guacd/base/enc.h"
#include "guacd/proto/handshake_part.h"
#include "guacd/proto/status.h"

#define WIDTH_DEFAULT 640
#define HEIGHT_DEFAULT 480
#define DPI_MAX 1200

void handshake_info_init(struct handshake_info *i) {
    *i = (struct handshake_info){ .version = HANDSHAKE_1_5_0,
                                  .width = WIDTH_DEFAULT,
                                  .height = HEIGHT_DEFAULT,
                                  .dpi = HANDSHAKE_DPI_DEFAULT };
}

bool handshake_has(const struct handshake_list *l, const char *item) {
    size_t n = strlen(item);
    for (size_t i = 0; i < l->count; i++)
        if (strncmp(l->items[i], item, n) == 0 && (!l->items[i][n] || l->items[i][n] == ';'))
            return true;
    return false;
}

bool handshake_add(struct handshake_list *l, const char *item, size_t len) {
    if (!len || len >= HANDSHAKE_ITEM_MAX || l->count == HANDSHAKE_LIST_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (item[i] < 0x20 || item[i] > 0x7E)
            return false;
    memcpy(l->items[l->count], item, len);
    l->items[l->count++][len] = '\0';
    return true;
}

/* Any run of digits, however long, has a side it is beyond. */
static int clamp(const char *text, size_t len, int max, int fallback) {
    bool minus = len && text[0] == '-';
    size_t i = minus;
    if (i >= len)
        return fallback;
    long v = 0;
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return fallback;
        v = MIN_OF(v * 10 + (text[i] - '0'), 1000000L);
    }
    return minus || v < 1 ? 1 : (int)MIN_OF(v, (long)max);
}

int handshake_pixels(const char *text, size_t len, int fallback) {
    return clamp(text, len, HANDSHAKE_PIXELS_MAX, fallback);
}

int handshake_dpi(const char *text, size_t len, int fallback) {
    return clamp(text, len, DPI_MAX, fallback);
}

/* The name becomes TZ, which libc takes for a file: so no absolute, hidden or climbing path. */
bool handshake_timezone(const char *text, size_t len, char out[HANDSHAKE_ITEM_MAX]) {
    out[0] = '\0';
    if (!len || len >= HANDSHAKE_ITEM_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool other = (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
        if (!letter && !(i && (other || (c == '/' && text[i - 1] != '/' && i + 1 < len))))
            return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

void handshake_name(const char *text, size_t len, char *out, size_t size) {
    size_t at = 0, put = 0;
    while (at < len) {
        uint32_t cp;
        size_t n = utf8_decode(text + at, len - at, &cp);
        if (!n || put + n >= size)
            break;
        if (cp >= 0x20 && (cp < 0x7F || cp > 0x9F)) {
            memcpy(out + put, text + at, n);
            put += n;
        }
        at += n;
    }
    out[put] = '\0';
}

bool handshake_version(struct slice s, unsigned *out) {
    char text[24];
    unsigned a, b, c;
    int end = 0;
    if (!instr_to_str(s, text, sizeof(text)) ||
        sscanf(text, "VERSION_%3u_%3u_%3u%n", &a, &b, &c, &end) != 3 || text[end] || a > 255 ||
        b > 255 || c > 255)
        return false;
    *out = a << 16 | b << 8 | c;
    return true;
}

int handshake_put_version(struct buf *out, unsigned version) {
    char text[32];
    snprintf(text, sizeof(text), "VERSION_%u_%u_%u", version >> 16 & 255, version >> 8 & 255,
             version & 255);
    return instr_str(out, text);
}

/* The first instruction in part. A value may be somebody's display name, chosen so that the other
 * way of counting would find elements inside it; so code points rule, and the other way counts only
 * where a peer is allowed to use it (guacamole-lite does) and code points make no sense. */
static enum instr_result first(const struct buf *part, bool either, struct instr *in, size_t *size,
                               struct err *e) {
    struct err why = { 0 };
    enum instr_result r = instr_parse(part->data, part->len, COUNT_CODE_POINTS, in, size, &why);
    if (r == INSTR_OK)
        return r;
    if (either && instr_parse(part->data, part->len, COUNT_EITHER, in, size, NULL) == INSTR_OK &&
        (r == INSTR_BAD || *size == part->len))
        return INSTR_OK;
    if (r == INSTR_BAD)
        err_set(e, why.status, "%s", why.text);
    return r;
}

enum instr_result handshake_collect(struct buf *part, size_t *total, bool either, const char *data,
                                    size_t len, size_t *taken, struct instr *in, struct err *e) {
    size_t before = part->len, n = MIN_OF(len, (size_t)INSTR_BYTES_MAX - before), size;
    if (buf_add(part, data, n) < 0)
        return err_set(e, STATUS_SERVER_ERROR, "no memory for the handshake"), INSTR_BAD;
    enum instr_result r = first(part, either, in, &size, e);
    *taken = r == INSTR_OK ? size - before : n;
    *total += *taken;
    if (r != INSTR_BAD && *total > HANDSHAKE_BYTES_MAX)
        return err_set(e, STATUS_CLIENT_OVERRUN, "a handshake of more than %d bytes",
                       HANDSHAKE_BYTES_MAX),
               INSTR_BAD;
    return r;
}

int handshake_put_ready(struct buf *out, const char *id) {
    char with[HANDSHAKE_ID_MAX];
    snprintf(with, sizeof(with), "$%s", id);
    return instr_put(out, "ready", with, NULL);
}

int handshake_put_error(struct buf *out, int status, const char *text) {
    char clean[ERR_TEXT_MAX], number[16];
    size_t n = 0;
    for (; n < sizeof(clean) - 1 && text[n]; n++)
        clean[n] = text[n] >= 0x20 && text[n] < 0x7F ? text[n] : '?';
    clean[n] = '\0';
    snprintf(number, sizeof(number), "%d", status);
    return instr_put(out, "error", clean, number, NULL) < 0 ? -1
                                                            : instr_put(out, "disconnect", NULL);
}
