/* Signed notes, read strictly: a size without leading zeros, whole base64, no odd bytes. */
#include "recording/note.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/proto/status.h"

#define DASH "\xe2\x80\x94 " /* em dash, blank */
#define ED25519 1

int note_name_valid(const char *name) {
    size_t len = strlen(name);
    for (const char *p = name; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '+')
            return 0;
    return len > 0 && len <= NOTE_NAME_MAX;
}

void note_key_id(const char *name, const struct sign_key *k, uint8_t out[4]) {
    uint8_t text[NOTE_NAME_MAX + 2 + SIGN_KEY_LEN], hash[32];
    size_t len = strnlen(name, NOTE_NAME_MAX);
    memcpy(text, name, len);
    text[len++] = '\n';
    text[len++] = ED25519;
    memcpy(text + len, sign_key_public(k), SIGN_KEY_LEN);
    sha256(text, len + SIGN_KEY_LEN, hash);
    memcpy(out, hash, 4);
}

int note_sign(const char *origin, uint64_t size, const uint8_t root[MERKLE_HASH],
              const struct sign_key *k, struct buf *out, struct err *e) {
    struct buf text __attribute__((cleanup(buf_fini)));
    uint8_t blob[4 + SIGN_LEN];
    buf_init(&text, NOTE_MAX);
    if (!note_name_valid(origin))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "checkpoint: '%.60s' is no origin", origin);
    buf_printf(&text, "%s\n%llu\n", origin, (unsigned long long)size);
    base64_add(&text, root, MERKLE_HASH);
    buf_putc(&text, '\n');
    note_key_id(origin, k, blob);
    if (text.failed || sign_make(k, text.data, text.len, blob + 4, e) < 0)
        return err_prefix(e, "checkpoint");
    buf_add(out, text.data, text.len);
    buf_printf(out, "\n" DASH "%s ", origin);
    base64_add(out, blob, sizeof blob);
    buf_putc(out, '\n');
    return out->failed ? err_set(e, 0, "no memory for a checkpoint") : 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int bad(struct err *e, const char *what) {
    return err_set(e, STATUS_CLIENT_BAD_REQUEST, "checkpoint: %s", what);
}

/* A line without its newline; *p moves behind it. */
static int line(const char **p, const char *end, struct slice *out) {
    const char *newline = memchr(*p, '\n', (size_t)(end - *p));
    if (!newline)
        return -1;
    *out = (struct slice){ *p, (size_t)(newline - *p) };
    *p = newline + 1;
    return 0;
}

static int number(struct slice s, uint64_t *out) {
    uint64_t v = 0;
    if (s.len == 0 || s.len > 19 || (s.data[0] == '0' && s.len > 1))
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return -1;
        v = v * 10 + (uint64_t)(s.data[i] - '0');
    }
    *out = v;
    return v > INT64_MAX ? -1 : 0;
}

static int body(const char *text, const char *end, struct note *n, struct err *e) {
    struct slice s;
    const char *p = text;
    uint8_t root[MERKLE_HASH + 2];
    if (line(&p, end, &s) < 0 || s.len > NOTE_NAME_MAX)
        return bad(e, "no origin");
    memcpy(n->origin, s.data, s.len);
    if (!note_name_valid(n->origin) || strlen(n->origin) != s.len)
        return bad(e, "no origin");
    if (line(&p, end, &s) < 0 || number(s, &n->size) < 0)
        return bad(e, "no size");
    if (line(&p, end, &s) < 0 || s.len != BASE64_LEN(MERKLE_HASH) ||
        base64_decode(s.data, s.len, root) != MERKLE_HASH)
        return bad(e, "no root");
    memcpy(n->root, root, MERKLE_HASH);
    while (p < end)
        if (line(&p, end, &s) < 0 || s.len == 0)
            return bad(e, "an extension line is empty or cut");
    return 0;
}

static int signature(struct slice s, struct note_signature *out, struct err *e) {
    uint8_t blob[sizeof out->sig + 8];
    size_t dash = strlen(DASH);
    if (s.len < dash || memcmp(s.data, DASH, dash) != 0)
        return bad(e, "a signature line begins with a dash");
    const char *name = s.data + dash, *end = s.data + s.len,
               *blank = memchr(name, ' ', (size_t)(end - name));
    if (!blank || blank == name)
        return bad(e, "a signature without a name");
    size_t len = (size_t)(end - blank) - 1;
    if (len == 0 || len > BASE64_LEN(sizeof out->sig))
        return bad(e, "a signature of that length");
    long n = base64_decode(blank + 1, len, blob);
    if (n < 5 || (size_t)n > sizeof out->sig + 4)
        return bad(e, "a signature is no base64");
    out->name = (struct slice){ name, (size_t)(blank - name) };
    memcpy(out->id, blob, 4);
    out->len = (size_t)n - 4;
    memcpy(out->sig, blob + 4, out->len);
    return 0;
}

int note_parse(const char *text, size_t len, struct note *out, struct err *e) {
    struct note n = { 0 };
    if (len > NOTE_MAX || utf8_count(text, len) < 0)
        return bad(e, "too long, or no UTF-8");
    const char *gap = memmem(text, len, "\n\n" DASH, 2 + strlen(DASH)), *end = text + len;
    if (!gap)
        return bad(e, "no signature");
    n.text = (struct slice){ text, (size_t)(gap + 1 - text) };
    if (body(text, gap + 1, &n, e) < 0)
        return -1;
    for (const char *p = gap + 2; p < end;) {
        struct slice s;
        if (n.count == NOTE_SIGNATURES_MAX || line(&p, end, &s) < 0)
            return bad(e, "its last line is cut, or too many signatures");
        if (signature(s, &n.signatures[n.count++], e) < 0)
            return -1;
    }
    *out = n;
    return 0;
}

int note_verify(const struct note *n, const struct sign_key *k, struct err *e) {
    uint8_t id[4];
    note_key_id(n->origin, k, id);
    for (size_t i = 0; i < n->count; i++) {
        const struct note_signature *s = &n->signatures[i];
        if (slice_is(s->name, n->origin) && memcmp(s->id, id, 4) == 0)
            return sign_check(k, n->text.data, n->text.len, s->sig, s->len, e);
    }
    return err_set(e, 0, "checkpoint: not signed by key %.16s…", sign_key_id(k));
}
