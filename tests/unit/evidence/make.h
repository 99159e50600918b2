/* A small recording in a folder store, made with the library alone, for tests that take it apart.
 */
#ifndef GUAC_TESTS_EVIDENCE_MAKE_H
#define GUAC_TESTS_EVIDENCE_MAKE_H

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/chunk.h"
#include "recording/dsse.h"
#include "recording/list.h"
#include "recording/statement.h"
#include "recording/store.h"

#define MAKE_START 1795298906123ll

struct make {
    char dir[32], prefix[NAME_PREFIX_SIZE], session[UUID_LEN + 1];
    struct store_target *target;
    struct store *store;
    struct sign_key *gateway, *key;
    struct chunk_codec *codec;
    struct buf lines;
    char open_hash[HASH_HEX], prev[CHAIN_KINDS][HASH_HEX];
    uint32_t count[CHAIN_KINDS];
    uint64_t offset[CHAIN_KINDS], stored[CHAIN_KINDS], seq;
    size_t open_size;
};

static inline int make_drop(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void make_put(struct make *m, const char *name, const void *data, size_t len) {
    char key[NAME_KEY_SIZE + NAME_SIZE];
    uint8_t sum[32];
    struct err e = { 0 };
    snprintf(key, sizeof key, "%s/%s", m->prefix, name);
    sha256(data, len, sum);
    ck_assert_msg(store_put(m->store, key, data, len, sum, 0, NULL, &e) == STORE_OK, "%s", e.text);
}

static inline struct sign_key *make_key(uint8_t fill) {
    uint8_t seed[SIGN_KEY_LEN];
    memset(seed, fill, sizeof seed);
    return sign_key_from_seed(seed, NULL);
}

static inline void make_store(struct make *m) {
    char url[64];
    *m = (struct make){ .dir = "/tmp/guac-made-XXXXXX" };
    ck_assert_ptr_nonnull(mkdtemp(m->dir));
    snprintf(url, sizeof url, "folder:%s", m->dir);
    m->target = store_target_new(&(struct store_config){ .url = url }, NULL);
    m->store = store_new(m->target, NULL);
    m->gateway = make_key(1);
    m->codec = chunk_codec_new(1, NULL);
    buf_init(&m->lines, 1 << 20);
}

/* Ready for chunks; `n` makes its id and person. */
static inline void make_open(struct make *m, unsigned n, const char *connection) {
    struct buf b;
    struct err e = { 0 };
    char name[32];
    sign_key_free(m->key);
    m->key = make_key((uint8_t)(2 + n));
    snprintf(m->session, sizeof m->session, "01a1fe%02x-0000-7000-8000-%012u", n, n);
    snprintf(m->prefix, sizeof m->prefix, "recordings/relay/%s/2026/11/21/%s", connection,
             m->session);
    snprintf(name, sizeof name, "Olga %u", n);
    struct open_record r = {
        .session = m->session,
        .prefix = m->prefix,
        .start = MAKE_START,
        .retain_until = MAKE_START + 1000,
        .sub = "u-1",
        .person_name = name,
        .namespace = "relay",
        .connection = connection,
        .uid = "1",
        .resource_version = "1",
        .spec_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        .protocol = n % 2 ? "vnc" : "ssh",
        .target = "h:22",
        .recording_enabled = true,
        .keys = "masked",
        .gateway = "gw",
        .gateway_version = "1",
        .session_public_key = sign_key_public_base64(m->key),
    };
    _json_ json_t *s = open_statement(&r, m->gateway, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    _json_ json_t *env = dsse_sign(s, m->gateway, &e);
    buf_init(&b, DSSE_MAX);
    json_write(env, &b);
    make_put(m, NAME_OPEN_OBJECT, b.data, b.len);
    sha256_hex(b.data, b.len, m->open_hash);
    m->open_size = b.len;
    buf_fini(&b);
    buf_clear(&m->lines);
    m->seq = 0;
    for (int k = 0; k < CHAIN_KINDS; k++) {
        memcpy(m->prev[k], m->open_hash, HASH_HEX);
        m->count[k] = 0;
        m->offset[k] = m->stored[k] = 0;
    }
}

static inline void make_chunk(struct make *m, enum chain_kind kind, uint64_t t0, const char *text) {
    struct buf b;
    struct list_entry entry;
    char head[HASH_HEX], name[NAME_SIZE];
    struct chunk_header h = { .kind = kind,
                              .i = m->count[kind]++,
                              .t0 = t0,
                              .t1 = t0 + 5,
                              .seq0 = m->seq + 1,
                              .seq1 = m->seq + 1,
                              .frames = 1 };
    m->seq++;
    h.n = kind == CHAIN_KEYFRAME ? m->count[CHAIN_DATA] : h.i;
    h.offset = kind == CHAIN_KEYFRAME ? m->offset[CHAIN_DATA] : m->offset[kind];
    memcpy(h.session, m->session, sizeof h.session);
    memcpy(h.prev, m->prev[kind], HASH_HEX);
    buf_init(&b, CHUNK_MAX);
    ck_assert_int_eq(chunk_build(m->codec, &h, text, strlen(text), m->key, &b, head, NULL), 0);
    memcpy(m->prev[kind], head, HASH_HEX);
    m->offset[kind] += strlen(text);
    m->stored[kind] += b.len;
    chunk_name(&h, name);
    make_put(m, name, b.data, b.len);
    list_entry_of(&h, b.data, b.len, head, &entry);
    list_entry_write(&entry, &m->lines);
    buf_fini(&b);
}

static inline void make_seal(struct make *m, const char *state) {
    struct buf b;
    uint8_t root[32];
    uint64_t count;
    char root_hex[HASH_HEX], hash[HASH_HEX];
    struct err e = { 0 };
    buf_init(&b, 1 << 20);
    ck_assert_msg(list_pack(m->lines.data, m->lines.len, &b, root, &count, &e) == 0, "%s", e.text);
    make_put(m, NAME_LIST_OBJECT, b.data, b.len);
    hex_encode(root, 32, root_hex);
    sha256_hex(b.data, b.len, hash);
    struct seal_record r = {
        .session = m->session,
        .prefix = m->prefix,
        .state = state,
        .reason = "left",
        .start = MAKE_START,
        .end = MAKE_START + 90000,
        .open = { m->open_hash, "", (int64_t)m->open_size },
        .list = { hash, "", (int64_t)b.len },
        .count = (int64_t)count,
        .root = root_hex,
        .frames = (int64_t)m->seq,
        .sequence = (int64_t)m->seq,
        .recorder = "1",
    };
    for (int k = 0; k < CHAIN_KINDS; k++)
        r.chains[k] = (struct seal_chain){ m->count[k], (int64_t)m->offset[k],
                                           (int64_t)m->stored[k], m->prev[k] };
    _json_ json_t *p = seal_predicate(&r, &e);
    ck_assert_msg(p != NULL, "%s", e.text);
    _json_ json_t *s = seal_statement(p, m->session, m->prefix, m->gateway, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    _json_ json_t *env = dsse_sign(s, m->gateway, &e);
    buf_clear(&b);
    json_write(env, &b);
    make_put(m, NAME_SEAL_OBJECT, b.data, b.len);
    buf_fini(&b);
}

/* A whole one, with a keyframe pair that sorts the wrong way by name. */
static inline void make_recording(struct make *m, unsigned n, const char *connection) {
    make_open(m, n, connection);
    make_chunk(m, CHAIN_DATA, 10, "4.size,1.0,3.640,3.480;4.sync,2.10;");
    make_chunk(m, CHAIN_KEYFRAME, 998, "4.sync,2.10;");
    make_chunk(m, CHAIN_KEYFRAME, 1001, "4.sync,2.10;");
    make_chunk(m, CHAIN_TEXT, 12, "{\"k\":\"out\",\"s\":\"hi\",\"t\":12}\n");
    make_chunk(m, CHAIN_DATA, 1010, "4.sync,4.1010;3.key,2.65,1.1,4.1012;");
    make_chunk(m, CHAIN_DATA, 2010, "4.sync,4.2010;");
    make_chunk(m, CHAIN_TEXT, 2012, "{\"k\":\"key\",\"s\":\"A\",\"t\":2012}\n");
    make_chunk(m, CHAIN_KEYFRAME, 2100, "4.sync,4.2010;");
    make_seal(m, "closed");
}

static inline void make_fini(struct make *m) {
    store_free(m->store);
    store_target_free(m->target);
    sign_key_free(m->gateway);
    sign_key_free(m->key);
    chunk_codec_free(m->codec);
    buf_fini(&m->lines);
    nftw(m->dir, make_drop, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
