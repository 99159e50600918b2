/* The client's end of the handshake: against the server's in one piece and byte by byte, and
 * against daemons that are old, foreign or broken. */
#include "tests/unit/unit.h"

#include "guacd/base/util.h"
#include "guacd/proto/handshake.h"
#include "guacd/proto/status.h"

#define ID "0192f0c1-2345-7abc-8def-0123456789ab"

/* A client and a server in the same process; `step` bytes at a time; what comes behind `ready` must
 * stay where it is. */
static void meet(const char *select, size_t step, bool gateway) {
    struct handshake_info info;
    handshake_info_init(&info);
    info.width = 800;
    info.height = 600;
    handshake_add(&info.image, "image/webp", 10);
    strcpy(info.timezone, "Asia/Tokyo");
    strcpy(info.name, "Zoë 😀");
    strcpy(info.client, "guac-page");
    handshake_add(&info.features, "guac.text", 9);
    struct args *args = args_new(protocol_find("ssh"));
    ck_assert(args_set(args, "hostname", "h", 1, NULL) && args_set(args, "session", ID, 36, NULL));
    ck_assert(args_set(args, "private-key", "a;b,c\n", 6, NULL));

    struct buf up, down;
    buf_init(&up, 1 << 16);
    buf_init(&down, 1 << 16);
    struct handshake_client c;
    struct handshake_server s;
    handshake_server_init(&s, gateway);
    ck_assert_int_eq(handshake_client_init(&c, select, &info, args, &up), 0);
    if (!select)
        ck_assert_int_eq(handshake_server_args(&s, protocol_find("ssh"), &down), 0);
    struct err e = { 0 };
    enum handshake_result r = HANDSHAKE_MORE;
    for (int rounds = 0; r != HANDSHAKE_CONNECTED && rounds < 100000; rounds++) {
        size_t used;
        enum handshake_result q =
            handshake_server_feed(&s, up.data, MIN_OF(step, up.len), &used, &e);
        buf_consume(&up, used);
        ck_assert_msg(q != HANDSHAKE_BAD, "server: %s", e.text);
        if (q == HANDSHAKE_SELECTED) {
            ck_assert_str_eq(s.select, select);
            ck_assert_int_eq(handshake_server_args(&s, protocol_find("ssh"), &down), 0);
        }
        if (q == HANDSHAKE_CONNECTED) {
            handshake_put_ready(&down, ID);
            buf_puts(&down, "4.sync,1.1;4.si");
        }
        r = handshake_client_feed(&c, down.data, MIN_OF(step, down.len), &used, &up, &e);
        buf_consume(&down, used);
        ck_assert_msg(r != HANDSHAKE_BAD, "client: %s", e.text);
    }
    ck_assert_int_eq(r, HANDSHAKE_CONNECTED);
    ck_assert_str_eq(c.id, ID);
    ck_assert_uint_eq(c.version, HANDSHAKE_1_5_0);
    ck_assert_str_eq(buf_str(&down), "4.sync,1.1;4.si");
    ck_assert_uint_eq(up.len, 0);
    ck_assert_str_eq(args_str(s.args, "private-key"), "a;b,c\n");
    ck_assert_str_eq(args_str(s.args, "session"), gateway ? ID : "");
    ck_assert(s.info.width == 800 && s.info.height == 600 && s.info.version == HANDSHAKE_1_5_0);
    ck_assert_str_eq(s.info.name, "Zoë 😀");
    ck_assert_str_eq(s.info.timezone, "Asia/Tokyo");
    ck_assert_str_eq(s.info.client, "guac-page");
    ck_assert(handshake_has(&s.info.features, "guac.text"));
    size_t used;
    ck_assert_int_eq(handshake_client_feed(&c, "4.sync", 6, &used, &up, &e), HANDSHAKE_MORE);
    ck_assert_uint_eq(used, 0);
    handshake_server_fini(&s);
    handshake_client_fini(&c);
    buf_fini(&up);
    buf_fini(&down);
    args_free(args);
}

START_TEST(both_ends) {
    meet("ssh", 65536, true);
    meet("ssh", 1, true);
    meet("ssh", 7, false);
    meet(NULL, 65536, true);
    meet(NULL, 1, false);
    meet("$" ID, 13, true);
}
END_TEST

/* What guacd may say to authd, in one piece, and what comes of it. */
static void hear(const char *text, enum handshake_result want, int status, const char *sent) {
    struct handshake_info info;
    handshake_info_init(&info);
    struct args *args = args_new(protocol_find("demo"));
    ck_assert(args_set(args, "color", "#fff", 4, NULL));
    struct handshake_client c;
    struct buf out __attribute__((cleanup(buf_fini)));
    buf_init(&out, 1 << 16);
    handshake_client_init(&c, NULL, &info, args, &out);
    size_t used;
    struct err e = { 0 };
    enum handshake_result r = handshake_client_feed(&c, text, strlen(text), &used, &out, &e);
    ck_assert_msg(r == want && e.status == status, "%s: %d %04x %s", text, (int)r,
                  (unsigned)e.status, e.text);
    if (sent)
        ck_assert_str_eq(buf_str(&out), sent);
    handshake_client_fini(&c);
    args_free(args);
}

START_TEST(client_hears) {
    /* Old daemons know neither versions nor our rows. */
    hear("4.args,5.color,7.foreign;5.ready,3.$id;", HANDSHAKE_CONNECTED, 0,
         "4.size,3.640,3.480,2.96;5.audio;5.video;5.image;7.connect,4.#fff,0.;");
    hear("4.args,13.VERSION_1_1_0,3.fps;", HANDSHAKE_MORE, 0,
         "4.size,3.640,3.480,2.96;5.audio;5.video;5.image;7.connect,13.VERSION_1_1_0,0.;");
    hear("3.nop;3.log,2.hi;4.args;5.ready,2.id;", HANDSHAKE_CONNECTED, 0, NULL);
    hear("5.error,4.busy,3.513;", HANDSHAKE_BAD, STATUS_SERVER_BUSY, "");
    hear("5.error;", HANDSHAKE_BAD, STATUS_SERVER_ERROR, "");
    hear("5.error,1.x,1.0;", HANDSHAKE_BAD, STATUS_SERVER_ERROR, "");
    hear("5.error,1.x,6.999999;", HANDSHAKE_BAD, STATUS_SERVER_ERROR, "");
    hear("5.ready,2.id;", HANDSHAKE_BAD, STATUS_UPSTREAM_ERROR, "");
    hear("4.args;4.args;", HANDSHAKE_BAD, STATUS_UPSTREAM_ERROR, NULL);
    hear("4.args;5.ready;", HANDSHAKE_BAD, STATUS_UPSTREAM_ERROR, NULL);
    hear("4.args;5.ready,1.$;", HANDSHAKE_BAD, STATUS_UPSTREAM_ERROR, NULL);
    hear("4.args;5.ready,3.a b;", HANDSHAKE_BAD, STATUS_UPSTREAM_ERROR, NULL);
    hear("10.disconnect;", HANDSHAKE_BAD, STATUS_UPSTREAM_ERROR, NULL);
    hear("HTTP/1.1 400 Bad Request", HANDSHAKE_BAD, STATUS_UPSTREAM_ERROR, NULL);
}
END_TEST

START_TEST(values_that_do_not_fit) {
    static char big[INSTR_ELEMENT_MAX + 2];
    memset(big, 'k', sizeof(big) - 1);
    struct handshake_info info;
    handshake_info_init(&info);
    struct args *args = args_new(protocol_find("ssh"));
    ck_assert(args_set(args, "private-key", big, sizeof(big) - 1, NULL));
    struct handshake_client c;
    struct buf out __attribute__((cleanup(buf_fini)));
    buf_init(&out, 1 << 16);
    handshake_client_init(&c, NULL, &info, args, &out);
    struct err e = { 0 };
    size_t used;
    static const char asked[] = "4.args,13.VERSION_1_5_0,11.private-key;";
    ck_assert_int_eq(handshake_client_feed(&c, asked, sizeof(asked) - 1, &used, &out, &e),
                     HANDSHAKE_BAD);
    ck_assert(e.status == STATUS_CLIENT_OVERRUN && strstr(e.text, "private-key"));
    handshake_client_fini(&c);

    static const char *const four[] = { "private-key", "public-key", "command", "host-key" };
    for (size_t i = 0; i < ARRAY_LEN(four); i++)
        ck_assert(args_set(args, four[i], big, INSTR_ELEMENT_MAX, NULL));
    buf_clear(&out);
    handshake_client_init(&c, NULL, &info, args, &out);
    e = (struct err){ 0 };
    static const char more[] = "4.args,11.private-key,10.public-key,7.command,8.host-key;";
    ck_assert_int_eq(handshake_client_feed(&c, more, sizeof(more) - 1, &used, &out, &e),
                     HANDSHAKE_BAD);
    ck_assert_int_eq(e.status, STATUS_CLIENT_OVERRUN);
    handshake_client_fini(&c);
    args_free(args);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("handshake_client");
    TCase *c = tcase_create("client");
    tcase_add_test(c, both_ends);
    tcase_add_test(c, client_hears);
    tcase_add_test(c, values_that_do_not_fit);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
