/* The scan in front of libvterm: what it cuts, what it drops, and that it does not matter where a
 * read ends. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "guacd/base/buf.h"
#include "guacd/term/scan.h"

static void on_text(void *arg, const char *data, size_t len) {
    struct buf *b = arg;
    if (!b->len || b->data[b->len - 1] != '\1') /* pieces of one run are one */
        buf_puts(b, "T:");
    else
        b->len--;
    buf_add(b, data, len);
    buf_putc(b, '\1');
}

static void on_escape(void *arg, char intermediate, char final) {
    buf_printf(arg, "E:%c%c|", intermediate ? intermediate : '.', final);
}

static void on_csi(void *arg, const struct scan_csi *q) {
    buf_printf(arg, "C:%c", q->leader ? q->leader : '.');
    for (int i = 0; i < q->count; i++)
        buf_printf(arg, "%d%c", (int)q->param[i], q->joined >> i & 1 ? ':' : ';');
    buf_printf(arg, "%c%c|", q->intermediate ? q->intermediate : '.', q->final);
}

static void on_string(void *arg, char kind, const char *data, size_t len) {
    buf_printf(arg, "S:%c", kind);
    buf_add(arg, data, len);
    buf_putc(arg, '|');
    ck_assert_int_eq(data[len], '\0');
}

static const struct scan_ops ops = { on_text, on_escape, on_csi, on_string };

static const char *scan(const char *data, size_t len, size_t step) {
    static struct buf b;
    buf_fini(&b);
    buf_init(&b, 4u << 20);
    struct scan s = { 0 };
    for (size_t i = 0; i < len; i += step)
        scan_feed(&s, data + i, len - i < step ? len - i : step, &ops, &b);
    scan_fini(&s);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '\1')
            b.data[i] = '|';
    return buf_str(&b);
}

static const struct {
    const char *in, *out;
} vectors[] = {
    { "plain text\r\n", "T:plain text\r\n|" },
    { "a\033[31mb", "T:a|C:.31;.m|T:b|" },
    { "\033[m", "C:.-1;.m|" },
    { "\033[;5H", "C:.-1;5;.H|" },
    { "\033[38:2::1:2:3m", "C:.38:2:-1:1:2:3;.m|" },
    { "\033[?1049h", "C:?1049;.h|" },
    { "\033[?2026$p", "C:?2026;$p|" },
    { "\033[>c\033[=c\033[!p\033[4 q", "C:>-1;.c|C:=-1;.c|C:.-1;!p|C:.4; q|" },
    { "\033[99999999999A", "C:.65535;.A|" },
    { "\033[1?2hx", "T:x|" },                /* a leader in the wrong place */
    { "\033[ !px", "T:x|" },                 /* two intermediates */
    { "\033[3\r1mx", "T:\r|C:.31;.m|T:x|" }, /* a control in between works at once */
    { "\033[3\0301m", "T:1m|" },             /* CAN */
    { "\033[31\033[32m", "C:.32;.m|" },      /* ESC begins anew */
    { "\033[31\xE4m", "T:m|" },
    { "\0337\033(0\033#8\033)!x", "E:.7|E:(0|E:#8|" },
    { "\033]0;title\007\033]2;b\033\\c", "S:]0;title|S:]2;b|T:c|" },
    { "\033Pq\033\\\033_a\033\\\033^b\033\\\033Xc\033\\", "S:Pq|S:_a|S:^b|S:Xc|" },
    { "\033]0;broken\033[1mx", "C:.1;.m|T:x|" },
    { "\033]0;gone\030x", "T:x|" },
    { "\033\\x", "T:x|" },
    { "\xC2\x9B"
      "31mx\xC2\xA9\xC2\x80",
      "T:31mx\xC2\xA9|" }, /* C1 in UTF-8 is dropped */
    { "\xC2", "" },
    { "\033[31;\177"
      "4m",
      "C:.31;4;.m|" },
};

START_TEST(known) {
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        ck_assert_str_eq(scan(vectors[i].in, strlen(vectors[i].in), 1000), vectors[i].out);
}
END_TEST

START_TEST(cut_anywhere) {
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        for (size_t step = 1; step < 8; step++)
            ck_assert_str_eq(scan(vectors[i].in, strlen(vectors[i].in), step), vectors[i].out);
    /* Noise: the same whatever the step. */
    static const char letters[] = "ab\033\033[];:?0123m\xC2\x9B\007\\P \xE2\x82\xAC\r";
    uint32_t x = 1;
    char noise[4000];
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof noise; i++) {
            x = x * 1664525u + 1013904223u;
            noise[i] = letters[(x >> 16) % (sizeof letters - 1)];
        }
        char *whole = strdup(scan(noise, sizeof noise, sizeof noise));
        ck_assert_str_eq(scan(noise, sizeof noise, 1 + (size_t)round % 37), whole);
        free(whole);
    }
}
END_TEST

START_TEST(limits) {
    struct buf b;
    buf_init(&b, 8u << 20);
    buf_puts(&b, "\033[1");
    for (int i = 0; i < 100; i++)
        buf_puts(&b, ";2");
    buf_puts(&b, "mend");
    ck_assert_str_eq(scan(b.data, b.len, 7), "T:end|"); /* too many parameters */
    buf_clear(&b);
    buf_puts(&b, "\033[1");
    for (int i = 1; i < SCAN_PARAMS_MAX; i++)
        buf_puts(&b, ";2");
    buf_puts(&b, "m");
    ck_assert_str_eq(strrchr(scan(b.data, b.len, 7), ';'), ";.m|");
    buf_clear(&b);
    buf_puts(&b, "\033]0;");
    for (size_t i = 0; i < SCAN_STRING_MAX + 10; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\007end");
    ck_assert_str_eq(scan(b.data, b.len, 65536), "T:end|"); /* too long a string */
    buf_fini(&b);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("term scan");
    TCase *c = tcase_create("scan");
    tcase_add_test(c, known);
    tcase_add_test(c, cut_anywhere);
    tcase_add_test(c, limits);
    suite_add_tcase(s, c);
    return s;
}
UNIT_MAIN(suite)
