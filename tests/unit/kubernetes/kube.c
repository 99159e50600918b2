/* Frames, answers, statuses and pods of an API server: what each says, and what is refused. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guacd/backends/kubernetes/archive.h"
#include "guacd/backends/kubernetes/http1.h"
#include "guacd/backends/kubernetes/script.h"
#include "guacd/backends/kubernetes/status.h"
#include "guacd/backends/kubernetes/ws.h"
#include "guacd/proto/status.h"

static const struct kwhere where = { "shop", "web-1", "main", "exec", "sh" };

START_TEST(accept_of_the_rfc) {
    char out[29];
    ws_accept("dGhlIHNhbXBsZSBub25jZQ==", out);
    ck_assert_str_eq(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

START_TEST(pieces_of_a_message) {
    struct ws w = { 0 };
    struct ws_piece p;
    struct err e = { 0 };
    /* a message in two frames with a ping between, its first frame not whole yet */
    const char data[] = "\x02\x04"
                        "\x01"
                        "abc"
                        "\x89\x02hi"
                        "\x80\x01"
                        "d";
    ck_assert_int_eq(ws_next(&w, data, 4, &p, &e), WS_OK);
    ck_assert(p.first && !p.last && p.len == 2 && p.used == 4);
    ck_assert_int_eq(ws_next(&w, data + 4, sizeof data - 5, &p, &e), WS_OK);
    ck_assert(!p.first && !p.last && p.len == 2 && memcmp(p.data, "bc", 2) == 0);
    ck_assert_int_eq(ws_next(&w, data + 6, sizeof data - 7, &p, &e), WS_OK);
    ck_assert(p.op == WS_PING && p.len == 2 && p.used == 4);
    ck_assert_int_eq(ws_next(&w, data + 10, sizeof data - 11, &p, &e), WS_OK);
    ck_assert(p.op == WS_BINARY && !p.first && p.last && p.len == 1 && *p.data == 'd');
    ck_assert_int_eq(ws_next(&w, data, 0, &p, &e), WS_MORE);
}
END_TEST

START_TEST(lies_of_a_server) {
    static const struct {
        const char *data;
        size_t len;
        const char *says;
    } lies[] = {
        { "\xc2\x00", 2, "reserved" },
        { "\x82\x80", 2, "masked" },
        { "\x83\x00", 2, "unknown" },
        { "\x8b\x00", 2, "unknown" },
        { "\x09\x00", 2, "control" },
        { "\x89\x7e\x00\x7e", 4, "control" },
        { "\x80\x00", 2, "continues" },
        { "\x02\x01x\x82\x00", 5, "within" },
        { "\x82\x7f\x80\0\0\0\0\0\0\0", 10, "negative" },
        { "\x88\x01x", 3, "half" },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct ws w = { 0 };
        struct ws_piece p;
        struct err e = { 0 };
        size_t at = 0;
        enum ws_result r;
        while ((r = ws_next(&w, lies[i].data + at, lies[i].len - at, &p, &e)) == WS_OK)
            at += p.used;
        ck_assert_int_eq(r, WS_BAD);
        ck_assert_msg(strstr(e.text, lies[i].says), "%s: %s", lies[i].says, e.text);
    }
}
END_TEST

START_TEST(chunks_byte_by_byte) {
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n6;x\r\n, you!\r\n0\r\n\r\nbehind";
    struct http1_head h;
    struct http1_body b;
    struct err e = { 0 };
    struct buf out = { 0 };
    size_t used, from;
    buf_init(&out, 64);
    for (size_t n = 0; n < 47; n++)
        ck_assert_int_eq(http1_head(text, n, &h, &used, &e), HTTP1_MORE);
    ck_assert_int_eq(http1_head(text, sizeof text - 1, &h, &from, &e), HTTP1_OK);
    ck_assert(h.status == 200 && h.chunked && !h.close);
    http1_body_init(&b, &h);
    enum http1_result r = HTTP1_MORE;
    for (size_t to = from; r == HTTP1_MORE && to < sizeof text; to++) {
        r = http1_body(&b, text + from, to - from, false, &used, &out, &e);
        from += used;
    }
    ck_assert_int_eq(r, HTTP1_OK);
    ck_assert_str_eq(buf_str(&out), "hello, you!");
    ck_assert_str_eq(text + from, "behind");
    buf_fini(&out);
}
END_TEST

START_TEST(how_commands_end) {
    static const struct {
        const char *json, *says;
        int status; /* 0: it ran */
    } ends[] = {
        { "{\"status\":\"Success\"}", "The command ended.", 0 },
        { "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":"
          "[{\"reason\":\"ExitCode\",\"message\":\"7\"}]}}",
          "The command ended with status 7.", 0 },
        { "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":"
          "[{\"reason\":\"ExitCode\",\"message\":\"143\"}]}}",
          "by signal 15", 0 },
        { "{\"status\":\"Failure\",\"reason\":\"InternalError\",\"message\":\"exec: \\\"sh\\\": "
          "executable file not found in $PATH\"}",
          "has no program sh", STATUS_RESOURCE_NOT_FOUND },
        { "{\"status\":\"Failure\",\"message\":\"exec: permission denied\"}", "does not let sh run",
          STATUS_CLIENT_FORBIDDEN },
        { "{\"status\":\"Failure\",\"message\":\"container not running (x)\"}", "does not run",
          STATUS_UPSTREAM_UNAVAILABLE },
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct kstatus st;
        struct err e = { 0 };
        char text[256] = "";
        ck_assert(kstatus_parse(ends[i].json, strlen(ends[i].json), &st));
        bool ran = kstatus_ended(&st, &where, text, sizeof text, &e);
        ck_assert_int_eq(ran, ends[i].status == 0);
        ck_assert_int_eq(e.status, ends[i].status);
        ck_assert_msg(strstr(ran ? text : e.text, ends[i].says), "%s", ran ? text : e.text);
    }
}
END_TEST

START_TEST(words_of_a_command) {
    static const struct {
        const char *line, *words[5];
    } lines[] = {
        { "", { NULL } },
        { "  sh  ", { "sh" } },
        { "sh -c 'a  b' \"c \\\"d\\\" \\n\" e\\ f", { "sh", "-c", "a  b", "c \"d\" \\n", "e f" } },
        { "'' x''y", { "", "xy" } },
    };
    struct err e = { 0 };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct buf out = { 0 };
        buf_init(&out, 256);
        int n = kwords(lines[i].line, &out, &e);
        const char *p = out.data;
        for (int w = 0; w < n; w++, p += strlen(p) + 1)
            ck_assert_str_eq(p, lines[i].words[w]);
        ck_assert(n == 5 || !lines[i].words[n]);
        buf_fini(&out);
    }
    struct buf out = { 0 };
    buf_init(&out, 256);
    ck_assert_int_eq(kwords("sh 'x", &out, &e), -1);
    ck_assert_int_eq(e.status, STATUS_CLIENT_BAD_REQUEST);
    buf_fini(&out);
}
END_TEST

START_TEST(the_newest_ready_pod) {
    static const char list[] =
        "{\"items\":["
        "{\"metadata\":{\"name\":\"old\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},"
        "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}"
        "]}},"
        "{\"metadata\":{\"name\":\"new\",\"creationTimestamp\":\"2026-02-01T00:00:00Z\"},"
        "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}"
        "]}},"
        "{\"metadata\":{\"name\":\"gone\",\"creationTimestamp\":\"2026-03-01T00:00:00Z\","
        "\"deletionTimestamp\":\"x\"},"
        "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}"
        "]}},"
        "{\"metadata\":{\"name\":\"sick\"},\"status\":{\"phase\":\"Pending\"}}]}";
    struct kpod p;
    char why[256];
    ck_assert(kpods_choose(list, sizeof list - 1, &p, why, sizeof why));
    ck_assert_str_eq(p.name, "new");
    ck_assert(strstr(why, "gone: Terminating") && strstr(why, "sick: Pending"));
    ck_assert(!kpods_choose("{\"items\":[]}", 12, &p, why, sizeof why));
    ck_assert_str_eq(why, "there is none");
}
END_TEST

START_TEST(archives) {
    char block[2 * TAR_BLOCK] = "";
    struct tar t = { 0 };
    struct tar_piece p;
    struct err e = { 0 };
    tar_header(block, "part", 3);
    memcpy(block + TAR_BLOCK, "abc", 3);
    ck_assert_int_eq(tar_next(&t, block, 100, &p, &e), TAR_MORE);
    ck_assert_uint_eq(p.used, 0);
    ck_assert_int_eq(tar_next(&t, block, sizeof block, &p, &e), TAR_MEMBER);
    ck_assert(p.file && p.size == 3 && p.used == TAR_BLOCK);
    ck_assert_int_eq(tar_next(&t, block + TAR_BLOCK, TAR_BLOCK, &p, &e), TAR_DATA);
    ck_assert(p.len == 3 && memcmp(p.data, "abc", 3) == 0 && p.used == 3);
    memset(block, 0, TAR_BLOCK);
    char rest[2 * TAR_BLOCK - 3] = "";
    ck_assert_int_eq(tar_next(&t, rest, sizeof rest, &p, &e), TAR_END);
    t = (struct tar){ 0 };
    tar_header(block, "part", 3);
    block[TAR_BLOCK - 1] = 'x';
    ck_assert_int_eq(tar_next(&t, block, sizeof block, &p, &e), TAR_BAD);
    ck_assert(*e.text);
    ck_assert_uint_eq(tar_padding(0), 0);
    ck_assert_uint_eq(tar_padding(1), 511);
    ck_assert_uint_eq(tar_padding(1024), 0);
}
END_TEST

START_TEST(entries) {
    static const char text[] = "81a4 12 1700000001 ./a\nb/\n4000 -1 0 ./c/\n";
    struct entry x;
    size_t used;
    for (size_t n = 0; n < 25; n++)
        ck_assert_int_eq(entry_next(text, n, &x, &used), ENTRY_MORE);
    ck_assert_int_eq(entry_next(text, sizeof text - 1, &x, &used), ENTRY_OK);
    ck_assert(x.mode == 0x81a4 && x.size == 12 && x.mtime == 1700000001 && x.name_len == 3 &&
              memcmp(x.name, "a\nb", 3) == 0);
    ck_assert_int_eq(entry_next(text + used, sizeof text - 1 - used, &x, &used), ENTRY_OK);
    ck_assert(x.mode == 0x4000 && x.size == UINT64_MAX && x.mtime == 0);
    ck_assert_int_eq(entry_next("ls: no/\n", 9, &x, &used), ENTRY_BAD);
    ck_assert_int_eq(entry_next("1 2 3 ./a/b/\n", 13, &x, &used), ENTRY_BAD);
}
END_TEST

/* Whatever a name holds, it is plain ASCII on its way, and one word. */
START_TEST(names_in_a_query) {
    _buf_cleanup_ struct buf b = { 0 };
    buf_init(&b, 64u << 10);
    script_query(&b, "get", "/a%s\\n\xff'\n");
    const char *end = strstr(buf_str(&b), "command=get&command=");
    ck_assert_ptr_nonnull(end);
    ck_assert_str_eq(end, "command=get&command=%2Fa%25%25s%5C%5Cn%5C377%27%5C012&");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("kubernetes/kube");
    TCase *c = tcase_create("kube");
    tcase_add_test(c, accept_of_the_rfc);
    tcase_add_test(c, pieces_of_a_message);
    tcase_add_test(c, lies_of_a_server);
    tcase_add_test(c, chunks_byte_by_byte);
    tcase_add_test(c, how_commands_end);
    tcase_add_test(c, words_of_a_command);
    tcase_add_test(c, the_newest_ready_pod);
    tcase_add_test(c, archives);
    tcase_add_test(c, entries);
    tcase_add_test(c, names_in_a_query);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
