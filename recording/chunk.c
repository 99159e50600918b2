/* Building and reading chunks. A reader compares the header with its own spelling of what it read:
 * there is then no second way to say the same, and no member that one tool sees and another not. */
#include "recording/chunk.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "guacd/base/json.h"
#include "guacd/proto/status.h"

#define SKIPPABLE_MAGIC 0x184D2A50u
#define SIG_LINE (BASE64_LEN(SIGN_LEN) + 1)

struct chunk_codec {
    ZSTD_CCtx *c;
    ZSTD_DCtx *d;
};

struct chunk_codec *chunk_codec_new(int level, struct err *e) {
    struct chunk_codec *c = calloc(1, sizeof *c);
    if (c) {
        c->c = ZSTD_createCCtx();
        c->d = ZSTD_createDCtx();
    }
    if (!c || !c->c || !c->d ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->c, ZSTD_c_compressionLevel, level))) {
        chunk_codec_free(c);
        err_set(e, 0, "no memory for compression");
        return NULL;
    }
    return c;
}

void chunk_codec_free(struct chunk_codec *c) {
    if (!c)
        return;
    ZSTD_freeCCtx(c->c);
    ZSTD_freeDCtx(c->d);
    free(c);
}

static const char *const kinds[CHAIN_KINDS] = { "data", "keyframe", "text" };

const char *chunk_kind_name(enum chain_kind kind) {
    return kinds[kind];
}

void chunk_name(const struct chunk_header *h, char out[NAME_SIZE]) {
    struct name n = {
        .kind = NAME_CHUNK, .chain = h->kind, .n = h->n, .start = h->t0, .offset = h->offset
    };
    name_format(&n, out);
}

/* ---- line 1 --------------------------------------------------------------------------------- */

/* Members in sorted order, as json_write() would put them. */
static int header_write(const struct chunk_header *h, struct buf *out) {
    return buf_printf(out,
                      "{\"frames\":%llu,\"i\":%u,\"kind\":\"%s\",\"n\":%u,\"offset\":%llu,"
                      "\"prev\":\"%s\",\"raw\":%llu,\"seq0\":%llu,\"seq1\":%llu,"
                      "\"session\":\"%s\",\"sha256\":\"%s\",\"size\":%llu,\"t0\":%llu,"
                      "\"t1\":%llu}\n",
                      (unsigned long long)h->frames, h->i, kinds[h->kind], h->n,
                      (unsigned long long)h->offset, h->prev, (unsigned long long)h->raw,
                      (unsigned long long)h->seq0, (unsigned long long)h->seq1, h->session,
                      h->sha256, (unsigned long long)h->size, (unsigned long long)h->t0,
                      (unsigned long long)h->t1);
}

static bool text_member(const json_t *o, const char *key, char *out, size_t len) {
    const char *s = json_str(o, key, "");
    if (strlen(s) != len)
        return false;
    memcpy(out, s, len + 1);
    return true;
}

static bool count_member(const json_t *o, const char *key, uint64_t max, uint64_t *out) {
    int64_t v = json_num(o, key, -1);
    *out = (uint64_t)v;
    return v >= 0 && (uint64_t)v <= max;
}

static bool header_members(const json_t *o, struct chunk_header *h) {
    uint64_t n, i;
    const char *kind = json_str(o, "kind", "");
    size_t k = 0;
    while (k < CHAIN_KINDS && strcmp(kind, kinds[k]) != 0)
        k++;
    if (k == CHAIN_KINDS || !text_member(o, "session", h->session, UUID_LEN) ||
        !uuid_valid(h->session, UUID_LEN) || !text_member(o, "sha256", h->sha256, 64) ||
        !text_member(o, "prev", h->prev, 64) || !count_member(o, "n", NAME_N_MAX, &n) ||
        !count_member(o, "i", NAME_N_MAX, &i) || !count_member(o, "t0", INT64_MAX, &h->t0) ||
        !count_member(o, "t1", INT64_MAX, &h->t1) ||
        !count_member(o, "offset", INT64_MAX, &h->offset) ||
        !count_member(o, "raw", CHUNK_RAW_MAX, &h->raw) ||
        !count_member(o, "seq0", INT64_MAX, &h->seq0) ||
        !count_member(o, "seq1", INT64_MAX, &h->seq1) ||
        !count_member(o, "frames", INT64_MAX, &h->frames) ||
        !count_member(o, "size", CHUNK_MAX, &h->size))
        return false;
    h->kind = (enum chain_kind)k;
    h->n = (uint32_t)n;
    h->i = (uint32_t)i;
    return h->seq1 >= h->seq0 && h->t1 >= h->t0;
}

static int header_parse(struct slice line, struct chunk_header *out, struct err *e) {
    _json_ json_t *o = json_parse(line.data, line.len, CHUNK_HEADER_MAX, e);
    struct chunk_header h = { 0 };
    if (!o)
        return err_prefix(e, "header");
    if (!header_members(o, &h))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "header: a member is missing or malformed");
    struct buf again __attribute__((cleanup(buf_fini)));
    buf_init(&again, CHUNK_HEADER_MAX);
    if (header_write(&h, &again) < 0 || again.len != line.len ||
        memcmp(again.data, line.data, line.len) != 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "header: not in its one spelling");
    *out = h;
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

static uint32_t le32(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int chunk_parse_header(const void *data, size_t len, struct chunk *out, struct err *e) {
    const uint8_t *p = data;
    if (len < 8 || le32(p) != SKIPPABLE_MAGIC)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "no header frame");
    size_t size = le32(p + 4);
    if (size > CHUNK_HEADER_MAX || size > len - 8)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "header frame cut or too long");
    struct chunk c = { 0 };
    const char *text = (const char *)p + 8, *newline = memchr(text, '\n', size);
    c.line = (struct slice){ text, newline ? (size_t)(newline + 1 - text) : 0 };
    uint8_t sig[SIGN_LEN + 2];
    if (!newline || size != c.line.len + SIG_LINE || text[size - 1] != '\n' ||
        base64_decode(newline + 1, SIG_LINE - 1, sig) != SIGN_LEN)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "header frame is not two lines");
    memcpy(c.sig, sig, SIGN_LEN);
    if (header_parse(c.line, &c.h, e) < 0)
        return -1;
    *out = c;
    return 0;
}

int chunk_parse(const void *data, size_t len, struct chunk *out, struct err *e) {
    struct chunk c;
    if (chunk_parse_header(data, len, &c, e) < 0)
        return -1;
    size_t skip = 8 + c.line.len + SIG_LINE;
    c.data = (struct slice){ (const char *)data + skip, len - skip };
    static const uint8_t magic[4] = { 0x28, 0xB5, 0x2F, 0xFD };
    if (c.data.len != c.h.size || c.data.len < sizeof magic ||
        memcmp(c.data.data, magic, sizeof magic) != 0 ||
        ZSTD_findFrameCompressedSize(c.data.data, c.data.len) != c.data.len ||
        ZSTD_getFrameContentSize(c.data.data, c.data.len) != c.h.raw)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "data frame is not what the header says");
    *out = c;
    return 0;
}

static int signed_text(struct slice line, char *out, size_t size, size_t *len) {
    *len = sizeof CHUNK_DOMAIN - 1 + line.len;
    if (*len > size)
        return -1;
    memcpy(out, CHUNK_DOMAIN, sizeof CHUNK_DOMAIN - 1);
    memcpy(out + sizeof CHUNK_DOMAIN - 1, line.data, line.len);
    return 0;
}

int chunk_check(const struct chunk *c, const struct sign_key *k, struct err *e) {
    char text[CHUNK_HEADER_MAX + sizeof CHUNK_DOMAIN], hash[HASH_HEX];
    size_t len;
    if (signed_text(c->line, text, sizeof text, &len) < 0 ||
        sign_check(k, text, len, c->sig, SIGN_LEN, e) < 0)
        return err_set(e, 0, "not signed by the session's key");
    sha256_hex(c->data.data, c->data.len, hash);
    if (strcmp(hash, c->h.sha256) != 0)
        return err_set(e, 0, "its data do not have the signed hash");
    return 0;
}

void chunk_head(const struct chunk *c, char out[HASH_HEX]) {
    sha256_hex(c->line.data, c->line.len, out);
}

int chunk_expand(struct chunk_codec *c, const struct chunk *k, struct buf *out, struct err *e) {
    size_t raw = (size_t)k->h.raw;
    char *room = buf_reserve(out, raw);
    if (!room)
        return err_set(e, 0, "no room for %zu bytes", raw);
    size_t n = ZSTD_decompressDCtx(c->d, room, raw, k->data.data, k->data.len);
    if (ZSTD_isError(n) || n != raw)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "data frame cannot be decompressed");
    out->len += raw;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put_le32(uint8_t *p, size_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* The data frame is made behind the place its header will take, whose length is known only then:
 * the header is written to its own buffer first and the frame moved up by a few bytes. */
int chunk_build(struct chunk_codec *c, struct chunk_header *h, const void *raw, size_t len,
                const struct sign_key *k, struct buf *out, char head[HASH_HEX], struct err *e) {
    size_t start = out->len, bound = ZSTD_compressBound(len), front = 8 + CHUNK_HEADER_MAX;
    if (len > CHUNK_RAW_MAX)
        return err_set(e, STATUS_CLIENT_OVERRUN, "a chunk of %zu bytes is too large", len);
    uint8_t *room = (uint8_t *)buf_reserve(out, front + bound);
    if (!room)
        return err_set(e, 0, "no memory for a chunk of %zu bytes", len);
    size_t n = ZSTD_compress2(c->c, room + front, bound, raw, len);
    if (ZSTD_isError(n))
        return err_set(e, 0, "zstd: %s", ZSTD_getErrorName(n));
    h->raw = len;
    h->size = n;
    sha256_hex(room + front, n, h->sha256);

    struct buf line __attribute__((cleanup(buf_fini)));
    buf_init(&line, CHUNK_HEADER_MAX - SIG_LINE);
    char text[CHUNK_HEADER_MAX + sizeof CHUNK_DOMAIN];
    uint8_t sig[SIGN_LEN];
    size_t text_len;
    if (header_write(h, &line) < 0 ||
        signed_text((struct slice){ line.data, line.len }, text, sizeof text, &text_len) < 0)
        return err_set(e, 0, "chunk header too long");
    if (sign_make(k, text, text_len, sig, e) < 0)
        return -1;
    put_le32(room, SKIPPABLE_MAGIC);
    put_le32(room + 4, line.len + SIG_LINE);
    memcpy(room + 8, line.data, line.len);
    base64_encode(sig, sizeof sig, (char *)room + 8 + line.len);
    room[8 + line.len + SIG_LINE - 1] = '\n';
    memmove(room + 8 + line.len + SIG_LINE, room + front, n);
    out->len = start + 8 + line.len + SIG_LINE + n;
    sha256_hex(line.data, line.len, head);
    return 0;
}
