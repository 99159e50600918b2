/* The server's end of the handshake: what clients say, and what becomes of it. */
#include "tests/unit/unit.h"

#include "guacd/base/util.h"
#include "guacd/proto/handshake.h"
#include "guacd/proto/status.h"

#define ID "0192f0c1-2345-7abc-8def-0123456789ab"

/* What a client says, and what the server makes of it. */
struct talk {
    struct handshake_server h;
    struct buf out;
    struct err e;
};

static enum handshake_result say(struct talk *t, const char *text) {
    size_t used, len = strlen(text), at = 0;
    enum handshake_result r;
    do {
        r = handshake_server_feed(&t->h, text + at, len - at, &used, &t->e);
        at += used;
        if (r == HANDSHAKE_SELECTED) {
            const struct protocol *p = protocol_find(t->h.select);
            ck_assert_ptr_nonnull(p);
            ck_assert_int_eq(handshake_server_args(&t->h, p, &t->out), 0);
        }
    } while (at < len && (r == HANDSHAKE_MORE || r == HANDSHAKE_SELECTED));
    return r;
}

static void begin(struct talk *t, bool gateway) {
    *t = (struct talk){ 0 };
    handshake_server_init(&t->h, gateway);
    buf_init(&t->out, INSTR_BYTES_MAX);
}

static void end(struct talk *t) {
    handshake_server_fini(&t->h);
    buf_fini(&t->out);
}

/* `connect` for what `args` asked: version, then these name=value pairs, up to NULL. */
static const char *connect_with(struct talk *t, const char *version, ...) {
    static struct buf b;
    buf_fini(&b);
    buf_init(&b, INSTR_BYTES_MAX);
    instr_begin(&b, "connect");
    instr_str(&b, version);
    const struct arg_spec *row;
    for (size_t i = 0; (row = protocol_arg(t->h.protocol, i)); i++) {
        va_list ap;
        va_start(ap, version);
        const char *value = "", *name;
        while ((name = va_arg(ap, const char *))) {
            const char *v = va_arg(ap, const char *);
            if (strcmp(name, row->name) == 0)
                value = v;
        }
        va_end(ap);
        instr_str(&b, value);
    }
    instr_end(&b);
    return buf_str(&b);
}

START_TEST(stock_client) {
    struct talk t;
    begin(&t, false);
    ck_assert_int_eq(say(&t, "6.select,4.demo;"), HANDSHAKE_SELECTED);
    ck_assert_msg(strncmp(buf_str(&t.out), "4.args,13.VERSION_1_5_0,8.hostname,", 34) == 0, "%s",
                  buf_str(&t.out));
    ck_assert_int_eq(say(&t, "4.size,4.1024,3.768,3.120;5.audio,9.audio/L16;5.video;"
                             "5.image,9.image/png,10.image/webp;8.timezone,13.Europe/Berlin;"
                             "4.name,4.Olga;7.unknown,1.x;0.,4.ping,1.1;3.nop;"),
                     HANDSHAKE_MORE);
    ck_assert_int_eq(
        say(&t, connect_with(&t, "VERSION_1_5_0", "color", "#ff0000", "grace", "99", NULL)),
        HANDSHAKE_CONNECTED);
    const struct handshake_info *i = &t.h.info;
    ck_assert(i->version == HANDSHAKE_1_5_0 && i->width == 1024 && i->height == 768 &&
              i->dpi == 120);
    ck_assert(handshake_has(&i->image, "image/webp") && !handshake_has(&i->image, "image/jpeg"));
    ck_assert(handshake_has(&i->audio, "audio/L16") && i->video.count == 0);
    ck_assert_str_eq(i->timezone, "Europe/Berlin");
    ck_assert_str_eq(i->name, "Olga");
    ck_assert_str_eq(i->client, "");
    ck_assert_str_eq(args_str(t.h.args, "color"), "#ff0000");
    ck_assert_int_eq(args_int(t.h.args, "grace"), 0); /* no gateway here */
    ck_assert_str_eq(t.h.skipped, "");
    end(&t);
}
END_TEST

START_TEST(versions) {
    static const struct {
        const char *said;
        unsigned is;
    } rows[] = { { "", HANDSHAKE_1_0_0 },
                 { "VERSION_1_0_0", HANDSHAKE_1_0_0 },
                 { "VERSION_1_1_0", HANDSHAKE_1_1_0 },
                 { "VERSION_1_2_0", 0x010200 },
                 { "VERSION_1_3_0", HANDSHAKE_1_3_0 },
                 { "VERSION_1_5_0", HANDSHAKE_1_5_0 },
                 { "VERSION_2_0_0", HANDSHAKE_1_5_0 },
                 { "VERSION_0_9_9", HANDSHAKE_1_0_0 },
                 { "VERSION_1_5", 0 },
                 { "VERSION_1_5_0x", 0 },
                 { "VERSION_999_5_0", 0 },
                 { "10.0.0.1", 0 } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct talk t;
        begin(&t, false);
        say(&t, "6.select,4.demo;");
        enum handshake_result r = say(&t, connect_with(&t, rows[i].said, NULL));
        ck_assert_msg(r == (rows[i].is ? HANDSHAKE_CONNECTED : HANDSHAKE_BAD), "%s", rows[i].said);
        if (rows[i].is)
            ck_assert_uint_eq(t.h.info.version, rows[i].is);
        else
            ck_assert_int_eq(t.e.status, STATUS_CLIENT_BAD_REQUEST);
        end(&t);
    }
}
END_TEST

START_TEST(defaults_and_clamps) {
    static const struct {
        const char *said;
        int width, height, dpi;
    } rows[] = { { "", 640, 480, 96 },
                 { "4.size,1.0,2.-5,1.0;", 1, 1, 1 },
                 { "4.size,5.99999,25.9999999999999999999999999,5.99999;", 8192, 8192, 1200 },
                 { "4.size,3.abc,0.,3.1.5;", 640, 480, 96 },
                 { "4.size;", 640, 480, 96 },
                 { "4.size,3.100;", 100, 480, 96 },
                 { "4.size,3.100,3.200,2.72,4.more;4.size,3.300,3.400,2.80;", 300, 400, 80 } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct talk t;
        begin(&t, false);
        say(&t, "6.select,4.demo;");
        say(&t, rows[i].said);
        ck_assert_int_eq(say(&t, connect_with(&t, "VERSION_1_1_0", NULL)), HANDSHAKE_CONNECTED);
        ck_assert_msg(t.h.info.width == rows[i].width && t.h.info.height == rows[i].height &&
                          t.h.info.dpi == rows[i].dpi,
                      "%s: %d %d %d", rows[i].said, t.h.info.width, t.h.info.height, t.h.info.dpi);
        end(&t);
    }
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *said;
        int status;
    } rows[] = { { "6.select;", STATUS_CLIENT_BAD_REQUEST },
                 { "6.select,0.;", STATUS_CLIENT_BAD_REQUEST },
                 { "6.select,4.demo,1.x;", STATUS_CLIENT_BAD_REQUEST },
                 { "6.select,4.de o;", STATUS_CLIENT_BAD_REQUEST },
                 { "6.select,64.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;",
                   STATUS_CLIENT_BAD_REQUEST },
                 { "7.connect,0.;", STATUS_CLIENT_BAD_REQUEST },
                 { "4.size,1.1,1.1,1.1;", STATUS_CLIENT_BAD_REQUEST },
                 { "10.disconnect;", STATUS_RESOURCE_CLOSED },
                 { "GET / HTTP/1.1\r\n\r\n", STATUS_CLIENT_BAD_REQUEST },
                 { "4294967302.select,", STATUS_CLIENT_BAD_REQUEST },
                 { "8193.", STATUS_CLIENT_OVERRUN },
                 { "6.select,4.demo;6.select,4.demo;", STATUS_CLIENT_BAD_REQUEST },
                 { "6.select,4.demo;7.connect;", STATUS_CLIENT_BAD_REQUEST },
                 { "6.select,4.demo;7.connect,0.,0.,0.;", STATUS_CLIENT_BAD_REQUEST },
                 { "6.select,4.demo;10.disconnect;", STATUS_RESOURCE_CLOSED } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct talk t;
        begin(&t, false);
        ck_assert_msg(say(&t, rows[i].said) == HANDSHAKE_BAD, "%s", rows[i].said);
        ck_assert_msg(t.e.status == rows[i].status, "%s: %s", rows[i].said, t.e.text);
        size_t used;
        ck_assert_int_eq(handshake_server_feed(&t.h, "3.nop;", 6, &used, &t.e), HANDSHAKE_BAD);
        end(&t);
    }
}
END_TEST

START_TEST(endless_talk) {
    struct talk t;
    begin(&t, false);
    say(&t, "6.select,4.demo;");
    enum handshake_result r = HANDSHAKE_MORE;
    int rounds = 0;
    for (; r == HANDSHAKE_MORE && rounds < 100000; rounds++)
        r = say(&t, "3.nop;");
    ck_assert_int_eq(r, HANDSHAKE_BAD);
    ck_assert_int_eq(t.e.status, STATUS_CLIENT_OVERRUN);
    ck_assert_int_lt(rounds, HANDSHAKE_BYTES_MAX / 6 + 2);
    end(&t);
}
END_TEST

START_TEST(modes) {
    struct talk t;
    begin(&t, true);
    say(&t, "6.select,3.ssh;");
    ck_assert_int_eq(
        say(&t, connect_with(&t, "VERSION_1_5_0", "session", ID, "read-only", "true", NULL)),
        HANDSHAKE_CONNECTED);
    ck_assert_str_eq(args_str(t.h.args, "session"), ID);
    ck_assert_int_eq(args_int(t.h.args, "grace"), 60);
    ck_assert(args_bool(t.h.args, "read-only"));
    end(&t);

    static const struct {
        bool gateway;
        const char *name, *value, *skipped; /* NULL: refused */
    } rows[] = {
        { true, "recording-path", "/tmp", NULL },   { false, "recording-path", "/tmp", "" },
        { true, "font-size", "12pt", NULL },        { false, "font-size", "12pt", "font-size" },
        { false, "backspace", "del", "backspace" }, { true, "backspace", "del", NULL },
        { false, "read-only", "ja", NULL },         { true, "read-only", "ja", NULL },
        { false, "hostname", "a\tb", NULL },        { true, "allow-copy", "maybe", NULL },
        { false, "allow-copy", "maybe", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(&t, rows[i].gateway);
        say(&t, "6.select,3.ssh;");
        enum handshake_result r =
            say(&t, connect_with(&t, "VERSION_1_5_0", rows[i].name, rows[i].value, NULL));
        ck_assert_msg(r == (rows[i].skipped ? HANDSHAKE_CONNECTED : HANDSHAKE_BAD), "%s %s",
                      rows[i].name, t.e.text);
        if (rows[i].skipped)
            ck_assert_str_eq(t.h.skipped, rows[i].skipped);
        else
            ck_assert(t.e.status == STATUS_CLIENT_BAD_REQUEST && strstr(t.e.text, rows[i].name));
        end(&t);
    }
}
END_TEST

START_TEST(cleaned) {
    struct talk t;
    begin(&t, false);
    say(&t, "6.select,4.demo;8.timezone,14../../etc/passw;4.name,6.a\x01\x7f"
            "b\xc2\x85"
            "c;"
            "6.client,4.page,9.guac.text,10.guac.state;");
    ck_assert_str_eq(t.h.info.timezone, "");
    ck_assert_str_eq(t.h.info.name, "abc");
    ck_assert_str_eq(t.h.info.client, "page");
    ck_assert(handshake_has(&t.h.info.features, "guac.state") && t.h.info.features.count == 2);
    end(&t);

    char tz[HANDSHAKE_ITEM_MAX];
    static const char *const good[] = { "UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires" };
    static const char *const odd[] = { "",     ":/etc/passwd",   "/etc/passwd", "a//b", "a/",
                                       "a/..", "Europe/Ber lin", "-1",          "a\nb" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert(handshake_timezone(good[i], strlen(good[i]), tz) && strcmp(tz, good[i]) == 0);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        ck_assert_msg(!handshake_timezone(odd[i], strlen(odd[i]), tz) && !tz[0], "%s", odd[i]);

    struct handshake_list l = { 0 };
    for (int i = 0; i < HANDSHAKE_LIST_MAX; i++)
        ck_assert(handshake_add(&l, "audio/L16;rate=44100", 20));
    ck_assert(!handshake_add(&l, "x", 1) && handshake_has(&l, "audio/L16"));
    ck_assert(!handshake_has(&l, "audio/L1") && !handshake_has(&l, "audio"));

    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, 1000);
    handshake_put_error(&b, STATUS_SERVER_BUSY, "zu viele: ü\n");
    handshake_put_ready(&b, ID);
    ck_assert_str_eq(buf_str(&b),
                     "5.error,13.zu viele: ???,3.513;10.disconnect;5.ready,37.$" ID ";");
}
END_TEST

/* A display name that holds what the other way of counting takes for elements: a length that ends
 * early, then values for the rows behind, then one that swallows the real ones. */
START_TEST(names_that_hold_elements) {
    static const char name[] = "😀😀😀😀,1.x";
    for (int gateway = 0; gateway < 2; gateway++) {
        struct talk t;
        begin(&t, gateway);
        say(&t, "6.select,4.demo;");
        ck_assert_int_eq(say(&t, connect_with(&t, "VERSION_1_5_0", "username", name, "password",
                                              "real", "session", ID, NULL)),
                         HANDSHAKE_CONNECTED);
        ck_assert_str_eq(args_str(t.h.args, "username"), name);
        ck_assert_str_eq(args_str(t.h.args, "password"), "real");
        end(&t);
    }
}
END_TEST

/* `connect` as a client that counts UTF-16 units sends it: stock mode only. */
START_TEST(other_ways_of_counting) {
    for (int gateway = 0; gateway < 2; gateway++) {
        struct talk t;
        begin(&t, gateway);
        say(&t, "6.select,4.demo;");
        const char *whole =
            connect_with(&t, "VERSION_1_1_0", "session", ID, "password", "a😀b", NULL);
        const char *at = strstr(whole, "3.a😀b");
        ck_assert_ptr_nonnull(at);
        _free_ char *utf16 = strdup(whole);
        ck_assert_ptr_nonnull(utf16);
        utf16[at - whole] = '4';
        enum handshake_result r = say(&t, utf16);
        if (gateway) {
            ck_assert_int_eq(r, HANDSHAKE_BAD);
        } else {
            ck_assert_int_eq(r, HANDSHAKE_CONNECTED);
            ck_assert_str_eq(args_str(t.h.args, "password"), "a😀b");
        }
        end(&t);
        begin(&t, false);
        say(&t, "6.select,4.demo;");
        /* The last thing for now: code points would wait for one more. */
        ck_assert_int_eq(say(&t, "4.name,2.😀;"), HANDSHAKE_MORE);
        ck_assert_str_eq(t.h.info.name, "😀");
        end(&t);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("handshake_server");
    TCase *c = tcase_create("server");
    tcase_add_test(c, stock_client);
    tcase_add_test(c, versions);
    tcase_add_test(c, defaults_and_clamps);
    tcase_add_test(c, refused);
    tcase_add_test(c, endless_talk);
    tcase_add_test(c, modes);
    tcase_add_test(c, cleaned);
    tcase_add_test(c, names_that_hold_elements);
    tcase_add_test(c, other_ways_of_counting);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
