/* The spool's records, the tap's frames, the list's lines and the vault: what is written is read;
 * what was cut or changed is seen. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/recorder/frame.h"
#include "recording/recorder/record.h"
#include "recording/recorder/vault.h"

#define ID "0193b1c2-7a00-7abc-8def-0123456789ab"

static struct list_entry entry(uint32_t i, uint64_t size) {
    struct list_entry l = { .kind = CHAIN_DATA,
                            .n = i,
                            .i = i,
                            .offset = 7,
                            .raw = 9,
                            .t1 = 5,
                            .seq0 = 1,
                            .seq1 = 4,
                            .frames = 3,
                            .size = size };
    snprintf(l.name, sizeof l.name, "%08u.3.7.guac.zst", i);
    memset(l.sha256, 'a', 64);
    memset(l.head, 'b', 64);
    snprintf(l.version, sizeof l.version, "v%u", i);
    return l;
}

START_TEST(records) {
    struct buf b;
    struct record r;
    size_t used;
    struct tap_header h = { .length = 5, .type = TAP_DATA, .sequence = 9, .ms = 77 };
    struct list_entry l = entry(2, 11);
    buf_init(&b, 1 << 20);
    ck_assert_int_eq(record_add_frame(&b, &h, "hello"), 0);
    size_t first = b.len;
    ck_assert_int_eq(record_add_object(&b, &l, "hello world", 11), 0);
    const uint8_t *p = (const uint8_t *)b.data;
    ck_assert_int_eq(record_parse(p, b.len, &r, &used), RECORD_OK);
    ck_assert_uint_eq(used, first);
    ck_assert_int_eq(r.type, RECORD_FRAME);
    ck_assert_uint_eq(r.frame.sequence, 9);
    ck_assert_mem_eq(r.data.data, "hello", 5);
    ck_assert_int_eq(record_parse(p + first, b.len - first, &r, &used), RECORD_OK);
    ck_assert_uint_eq(used, b.len - first);
    ck_assert_str_eq(r.entry.name, l.name);
    ck_assert_str_eq(r.entry.version, "v2");
    ck_assert_mem_eq(r.data.data, "hello world", 11);
    for (size_t i = 0; i < first; i++)
        ck_assert_int_eq(record_parse(p, i, &r, &used), RECORD_MORE);
    for (size_t i = 0; i < b.len * 8; i++) {
        b.data[i / 8] = (char)(b.data[i / 8] ^ (1 << i % 8));
        size_t at = i / 8 < first ? 0 : first;
        ck_assert_msg(record_parse(p + at, b.len - at, &r, &used) != RECORD_OK, "bit %zu", i);
        b.data[i / 8] = (char)(b.data[i / 8] ^ (1 << i % 8));
    }
    /* No room: nothing half written. */
    struct buf small;
    buf_init(&small, 30);
    ck_assert_int_eq(record_add_frame(&small, &h, "hello"), -1);
    ck_assert_uint_eq(small.len, 0);
    buf_fini(&small);
    buf_fini(&b);
}
END_TEST

static size_t pack(uint8_t *out, uint8_t type, uint64_t sequence, const char *text) {
    struct tap_header h = {
        .length = (uint32_t)strlen(text), .type = type, .sequence = sequence, .ms = 5
    };
    tap_pack(&h, out);
    memcpy(out + TAP_HEADER, text, h.length);
    return TAP_HEADER + h.length;
}

START_TEST(frames) {
    uint8_t b[256];
    struct frame f;
    size_t used, n = pack(b, TAP_DATA, 8, "abc");
    struct err e = { 0 };
    ck_assert_int_eq(frame_parse(b, n, 7, &f, &used, &e), FRAME_OK);
    ck_assert_uint_eq(used, n);
    ck_assert(!f.again);
    ck_assert_int_eq(frame_parse(b, n, 8, &f, &used, &e), FRAME_OK);
    ck_assert(f.again);
    ck_assert_int_eq(frame_parse(b, n, 6, &f, &used, &e), FRAME_BAD);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(frame_parse(b, i, 7, &f, &used, &e), FRAME_MORE);
    n = pack(b, TAP_ACK, 8, "");
    ck_assert_int_eq(frame_parse(b, n, 7, &f, &used, &e), FRAME_BAD);
    n = pack(b, TAP_DATA, 0, "");
    ck_assert_int_eq(frame_parse(b, n, 0, &f, &used, &e), FRAME_BAD);
}
END_TEST

START_TEST(events) {
    static const struct {
        const char *text, *line;
        bool last;
        int status;
        const char *reason;
    } cases[] = {
        { "{\"event\":\"joined\",\"user\":1}",
          "{\"event\":\"joined\",\"k\":\"event\",\"t\":5,\"user\":1}\n", false, 0, "" },
        { "{\"event\":\"ended\",\"status\":519,\"reason\":\"no route\"}\n",
          "{\"event\":\"ended\",\"k\":\"event\",\"reason\":\"no route\",\"status\":519,\"t\":5}\n",
          true, 519, "no route" },
        { "{\"event\":\"ended\"}", "{\"event\":\"ended\",\"k\":\"event\",\"t\":5}\n", true, 0x200,
          "ended" },
        { "{\"event\":\"ended\",\"status\":-5,\"reason\":7,\"t\":99}",
          "{\"event\":\"ended\",\"k\":\"event\",\"reason\":7,\"status\":-5,\"t\":5}\n", true, 0x200,
          "ended" },
        { "no json", "{\"k\":\"event\",\"s\":\"no json\",\"t\":5}\n", false, 0, "" },
        { "[1]", "{\"k\":\"event\",\"s\":\"[1]\",\"t\":5}\n", false, 0, "" },
        { "\xff\x01", "{\"k\":\"event\",\"s\":\"\xEF\xBF\xBD\\u0001\",\"t\":5}\n", false, 0, "" },
        { "", "{\"k\":\"event\",\"s\":\"\",\"t\":5}\n", false, 0, "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t b[256];
        struct frame f;
        struct frame_end end = { 0 };
        struct buf line;
        size_t used, n = pack(b, TAP_EVENT, 1, cases[i].text);
        buf_init(&line, 4096);
        ck_assert_int_eq(frame_parse(b, n, 0, &f, &used, NULL), FRAME_OK);
        ck_assert_int_eq(frame_event(&f, &line, &end), cases[i].last);
        ck_assert_str_eq(buf_str(&line), cases[i].line);
        ck_assert_int_eq(end.status, cases[i].status);
        ck_assert_str_eq(end.reason, cases[i].reason);
        buf_fini(&line);
    }
}
END_TEST

START_TEST(list) {
    struct buf lines, packed, again;
    uint8_t root[32], other[32];
    uint64_t count;
    struct err e = { 0 };
    buf_init(&lines, 1 << 20);
    buf_init(&packed, 1 << 20);
    buf_init(&again, 1 << 20);
    for (uint32_t i = 30; i-- > 0;) { /* backwards, and one of them twice */
        struct list_entry l = entry(i, 10);
        ck_assert_int_eq(list_entry_write(&l, &lines), 0);
        if (i == 7)
            ck_assert_int_eq(list_entry_write(&l, &lines), 0);
    }
    ck_assert_msg(list_pack(lines.data, lines.len, &packed, root, &count, &e) == 0, "%s", e.text);
    ck_assert_uint_eq(count, 30);
    ck_assert_int_eq(list_unpack(packed.data, packed.len, &again, &e), 0);
    char last[NAME_SIZE] = "";
    for (char *p = again.data, *end = p + again.len; p < end;) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        struct list_entry l;
        ck_assert_ptr_nonnull(newline);
        ck_assert_int_eq(list_entry_parse(p, (size_t)(newline - p), &l, &e), 0);
        ck_assert_int_lt(strcmp(last, l.name), 0);
        memcpy(last, l.name, sizeof last);
        p = newline + 1;
    }
    /* The same lines in their order: the same list. */
    buf_clear(&packed);
    ck_assert_int_eq(list_pack(again.data, again.len, &packed, other, &count, &e), 0);
    ck_assert_mem_eq(root, other, 32);
    /* Two that differ under one name are no list. */
    struct list_entry l = entry(3, 11);
    list_entry_write(&l, &lines);
    ck_assert_int_eq(list_pack(lines.data, lines.len, &packed, other, &count, &e), -1);
    ck_assert_int_eq(list_pack("{}\n", 3, &packed, other, &count, &e), -1);
    ck_assert_int_eq(list_pack("x", 1, &packed, other, &count, &e), -1);
    ck_assert_int_eq(list_unpack("x", 1, &again, &e), -1);
    snprintf(l.version, sizeof l.version, "\"");
    ck_assert_int_eq(list_entry_write(&l, &lines), -1);
    buf_fini(&lines);
    buf_fini(&packed);
    buf_fini(&again);
    uint8_t bytes[32];
    ck_assert(list_hash_bytes(l.sha256, bytes));
    ck_assert_uint_eq(bytes[31], 0xaa);
    l.sha256[5] = 'A';
    ck_assert(!list_hash_bytes(l.sha256, bytes));
}
END_TEST

START_TEST(vault) {
    char path[] = "/tmp/guac-vault-XXXXXX";
    int fd = mkstemp(path);
    struct vault v = { 0 }, other = { 0 };
    struct err e = { 0 };
    uint8_t box[VAULT_BOX];
    ck_assert_int_eq(write(fd, "0123456789abcdef\n", 17), 17);
    ck_assert_msg(vault_init(&v, path, &e) == 0, "%s", e.text);
    ck_assert_int_eq(pwrite(fd, "X", 1, 0), 1);
    ck_assert_int_eq(vault_init(&other, path, &e), 0);
    ck_assert_int_eq(ftruncate(fd, 10), 0);
    struct vault none = { 0 };
    ck_assert_int_eq(vault_init(&none, path, &e), -1);
    close(fd);
    unlink(path);
    _sign_key_ struct sign_key *k = sign_key_generate(&e), *back = NULL;
    ck_assert_int_eq(vault_seal(&v, ID, k, box, &e), 0);
    back = vault_open(&v, ID, box, &e);
    ck_assert_str_eq(sign_key_id(back), sign_key_id(k));
    ck_assert_ptr_null(vault_open(&other, ID, box, &e));
    ck_assert_ptr_null(vault_open(&v, "0193b1c2-7a00-7abc-8def-0123456789ac", box, &e));
    for (size_t i = 0; i < sizeof box; i++) {
        box[i] ^= 1;
        ck_assert_ptr_null(vault_open(&v, ID, box, &e));
        box[i] ^= 1;
    }
    sign_key_free(back);
    back = NULL;
    vault_fini(&v);
    vault_fini(&other);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("record");
    TCase *t = tcase_create("record");
    tcase_add_test(t, records);
    tcase_add_test(t, frames);
    tcase_add_test(t, events);
    tcase_add_test(t, list);
    tcase_add_test(t, vault);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
