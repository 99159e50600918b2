/* The open and seal statements: what is written is read, and each missing or wrong member is named.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/name.h"
#include "recording/statement.h"

#define ID "0193b1c2-7a00-7abc-8def-0123456789ab"
#define PREFIX "guacamole-recordings/relay/legacy-1/2026/11/21/" ID
#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct sign_key *key(uint8_t fill) {
    uint8_t seed[SIGN_KEY_LEN];
    memset(seed, fill, sizeof seed);
    return sign_key_from_seed(seed, NULL);
}

static struct open_record open_sample(const struct sign_key *session) {
    return (struct open_record){
        .session = ID,
        .prefix = PREFIX,
        .start = 1795298906123,
        .retain_until = 1826834906123,
        .clock_offset_ms = -12,
        .sub = "u-1",
        .person_name = "Olga Ünder",
        .acr = "1",
        .namespace = "relay",
        .connection = "legacy-1",
        .uid = "abc",
        .resource_version = "17",
        .spec_sha256 = HASH,
        .protocol = "ssh",
        .target = "10.0.0.1:22",
        .recording_enabled = true,
        .keys = "masked",
        .retention_days = 365,
        .gateway = "gw-0",
        .gateway_version = "1",
        .session_public_key = sign_key_public_base64(session),
    };
}

START_TEST(open_round_trip) {
    _sign_key_ struct sign_key *session = key(1), *gateway = key(2);
    struct open_record r = open_sample(session), got;
    struct err e = { 0 };
    _json_ json_t *roles = json_pack("[s,s]", "operator", "auditor");
    r.roles = roles;
    _json_ json_t *s = open_statement(&r, gateway, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    ck_assert_msg(open_read(s, &got, &e) == 0, "%s", e.text);
    ck_assert_str_eq(got.session, ID);
    ck_assert_str_eq(got.person_name, "Olga Ünder");
    ck_assert_str_eq(got.acr, "1");
    ck_assert_ptr_null(got.id_token_sha256);
    ck_assert_int_eq(json_array_size(got.roles), 2);
    ck_assert_int_eq(json_array_size(got.approvals), 0);
    ck_assert_int_eq(got.start, r.start);
    ck_assert_int_eq(got.clock_offset_ms, -12);
    ck_assert(got.recording_enabled);
    ck_assert_str_eq(got.gateway_public_key, sign_key_public_base64(gateway));
}
END_TEST

/* Take each member of each object away in turn: what is required is missed by name. */
static int miss(json_t *statement, json_t *object, const char *optional) {
    int checked = 0;
    const char *name;
    json_t *member;
    _json_ json_t *names = json_array();
    json_object_foreach(object, name, member) json_array_append_new(names, json_string(name));
    for (size_t i = 0; i < json_array_size(names); i++) {
        name = json_string_value(json_array_get(names, i));
        _json_ json_t *value = json_incref(json_object_get(object, name));
        if (json_is_object(value))
            checked += miss(statement, value, optional);
        if (strstr(optional, name))
            continue;
        json_object_del(object, name);
        struct open_record o;
        struct seal_record r;
        struct err e = { 0 };
        ck_assert_msg(open_read(statement, &o, &e) < 0 && seal_read(statement, &r, &e) < 0,
                      "%s is not missed", name);
        ck_assert_str_ne(e.text, "");
        json_object_set(object, name, value);
        checked++;
    }
    return checked;
}

START_TEST(open_members) {
    _sign_key_ struct sign_key *session = key(1), *gateway = key(2);
    struct open_record r = open_sample(session), got;
    _json_ json_t *s = open_statement(&r, gateway, NULL);
    ck_assert_int_gt(miss(s, s, "enabled clockOffsetMs acr idTokenSha256"), 5);
    ck_assert_int_eq(open_read(s, &got, NULL), 0);
}
END_TEST

START_TEST(open_refuses) {
    _sign_key_ struct sign_key *session = key(1), *gateway = key(2);
    struct err e = { 0 };
#define REFUSED(assignment, word) \
    do { \
        struct open_record r = open_sample(session); \
        r.assignment; \
        ck_assert_ptr_null(open_statement(&r, gateway, &e)); \
        ck_assert_msg(strstr(e.text, word) != NULL, "%s", e.text); \
    } while (0)
    REFUSED(session = "x", "session");
    REFUSED(prefix = "a/../b", "prefix");
    REFUSED(prefix = "guacamole-recordings/relay/legacy-1/2026/11/21/"
                     "0193b1c2-7a00-7abc-8def-0123456789ac",
            "prefix");
    REFUSED(namespace = "other", "namespace");
    REFUSED(spec_sha256 = "abc", "specSha256");
    REFUSED(keys = "some", "keys");
    REFUSED(retain_until = 1, "retainUntil");
    REFUSED(sub = NULL, "sub");
    REFUSED(person_name = "\xff", "UTF-8");
    REFUSED(session_public_key = "AAAA", "public key");
}
END_TEST

static struct seal_record seal_sample(void) {
    struct seal_record r = {
        .session = ID,
        .prefix = PREFIX,
        .state = "closed",
        .reason = "left",
        .status = 0,
        .start = 1,
        .end = 9,
        .open = { HASH, "v1", 900 },
        .list = { HASH, "", 70 },
        .count = 3,
        .root = HASH,
        .frames = 12,
        .sequence = 12,
        .recorder = "1",
    };
    for (int i = 0; i < CHAIN_KINDS; i++)
        r.chains[i] = (struct seal_chain){ .count = i, .raw = 10, .stored = 5, .head = HASH };
    return r;
}

START_TEST(seal_round_trip) {
    _sign_key_ struct sign_key *gateway = key(2);
    struct seal_record r = seal_sample(), got;
    struct err e = { 0 };
    _json_ json_t *p = seal_predicate(&r, &e);
    ck_assert_msg(p != NULL, "%s", e.text);
    _json_ json_t *s = seal_statement(p, ID, PREFIX, gateway, &e);
    ck_assert_msg(s != NULL, "%s", e.text);
    ck_assert_msg(seal_read(s, &got, &e) == 0, "%s", e.text);
    ck_assert_int_eq(got.chains[CHAIN_TEXT].count, 2);
    ck_assert_str_eq(got.open.version_id, "v1");
    ck_assert_str_eq(got.gateway_public_key, sign_key_public_base64(gateway));
    ck_assert_int_gt(miss(s, s, "derived version clockOffsetMs"), 5);
    ck_assert_ptr_null(seal_statement(p, ID, "other", gateway, &e));
    r.state = "open";
    ck_assert_ptr_null(seal_predicate(&r, &e));
}
END_TEST

START_TEST(names) {
    static const char *const good[] = {
        "open.dsse.json",
        "seal.dsse.json",
        "chunks.jsonl.zst",
        "00000000.0.0.guac.zst",
        "00000012.34567.890.guac.zst",
        "99999999.9223372036854775807.1.key.zst",
        "00000003.0.text.zst",
    };
    static const char *const wrong[] = {
        "",
        ".",
        "..",
        "open.dsse.json/",
        "../open.dsse.json",
        "0000000.0.0.guac.zst",
        "000000000.0.0.guac.zst",
        "00000000.00.0.guac.zst",
        "00000000.0.01.guac.zst",
        "00000000.0.guac.zst",
        "00000000.0.0.text.zst",
        "00000000..0.guac.zst",
        "00000000.0.0.guac.zst ",
        "00000000.-1.0.guac.zst",
        "0000000a.0.0.guac.zst",
        "00000000.99999999999999999999.0.guac.zst",
        "00000000.0.0.guac.zst.tmp",
        "x",
    };
    struct name n;
    char text[NAME_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert_msg(name_parse(good[i], strlen(good[i]), &n), "%s", good[i]);
        name_format(&n, text);
        ck_assert_str_eq(text, good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert_msg(!name_parse(wrong[i], strlen(wrong[i]), &n), "%s", wrong[i]);
}
END_TEST

START_TEST(prefixes) {
    struct name_prefix p;
    ck_assert(name_prefix_parse(PREFIX, &p));
    ck_assert_str_eq(p.bucket, "guacamole-recordings");
    ck_assert_str_eq(p.connection, "legacy-1");
    ck_assert_int_eq(p.month, 11);
    static const char *const wrong[] = {
        "",
        "/",
        "a",
        PREFIX "/",
        PREFIX "/x",
        "/" PREFIX,
        "gu/relay/legacy-1/2026/11/21/" ID,
        "bucket/../legacy-1/2026/11/21/" ID,
        "bucket/re lay/legacy-1/2026/11/21/" ID,
        "bucket/relay/.x/2026/11/21/" ID,
        "bucket/relay//2026/11/21/" ID,
        "bucket/relay/x/2026/13/21/" ID,
        "bucket/relay/x/2026/1/21/" ID,
        "bucket/relay/x/2026/11/00/" ID,
        "bucket/relay/x/2026/11/21/" ID "0",
        "bucket/relay/X/2026/11/21/" ID,
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert_msg(!name_prefix_parse(wrong[i], &p), "%s", wrong[i]);
    ck_assert(name_key_valid("bucket/_check/1"));
    ck_assert(!name_key_valid("bucket/a/../b"));
    ck_assert(!name_key_valid("bucket/.hidden"));
    ck_assert(!name_key_valid("bucket/a\nb"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("statement");
    TCase *t = tcase_create("statement");
    tcase_add_test(t, open_round_trip);
    tcase_add_test(t, open_members);
    tcase_add_test(t, open_refuses);
    tcase_add_test(t, seal_round_trip);
    tcase_add_test(t, names);
    tcase_add_test(t, prefixes);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
