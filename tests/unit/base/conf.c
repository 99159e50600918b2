#include "guacd/base/conf.h"

#include <string.h>

#include "guacd/base/util.h"
#include "tests/unit/unit.h"

struct config {
    char *listen, *name, *key_file, *proxies, *folder;
    long port;
    bool foreground, fast;
};

#define ROW(key, type, field, def, min, max, letter, help) \
    { key, type, offsetof(struct config, field), def, min, max, letter, help }

static const struct conf_row rows[] = {
    ROW("listen-address", CONF_STRING, listen, "127.0.0.1", 0, 0, 'b', "Where to listen."),
    ROW("port", CONF_INT, port, "4822", 1, 65535, 'l', "Which port."),
    ROW("name", CONF_STRING, name, NULL, 0, 0, 0, "A required one."),
    ROW("key-file", CONF_SECRET_FILE, key_file, "", 0, 0, 'K', "The key."),
    ROW("trusted-proxies", CONF_LIST, proxies, "", 0, 0, 0, "Who is believed."),
    ROW("folder", CONF_PATH, folder, "/var/lib", 0, 0, 0, "Where things lie."),
    ROW("foreground", CONF_BOOL, foreground, "false", 0, 0, 'f', "Stay."),
    ROW("fast", CONF_BOOL, fast, "true", 0, 0, 'F', "Hurry."),
};

static char file[] = "/tmp/guac-conf-XXXXXX";
static struct conf_table table;
static struct config c;
static struct err e;
static char *args[16];
static size_t arg_count;

static void put(const char *text) {
    FILE *f = fopen(file, "w");
    fputs(text, f);
    fclose(f);
}

static void setup(void) {
    close(mkstemp(file));
    table = (struct conf_table){ "guac-test", "Tests configuration.", rows, ARRAY_LEN(rows), file };
    put("");
    c = (struct config){ 0 };
    e = (struct err){ 0 };
}

static void teardown(void) {
    conf_free(&table, &c);
    unlink(file);
}

/* Words as one string, split at blanks. */
static enum conf_result load(const char *line) {
    static char words[512];
    char *argv[32] = { words };
    int argc = 0;
    snprintf(words, sizeof words, "prog %s", line);
    for (char *save, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    e = (struct err){ 0 };
    conf_free(&table, &c);
    c = (struct config){ 0 };
    return conf_load(&table, &c, argc, argv, args, &arg_count, &e);
}

static void good(const char *line) {
    enum conf_result r = load(line);
    ck_assert_msg(r == CONF_OK, "%s: %s", line, e.text);
}

static void bad(const char *line, const char *message) {
    ck_assert_int_eq(load(line), CONF_BAD);
    ck_assert_str_eq(e.text, message);
}

START_TEST(later_sources_win) {
    good("--name x");
    ck_assert_str_eq(c.listen, "127.0.0.1");
    ck_assert_int_eq(c.port, 4822);
    ck_assert_ptr_null(c.key_file);
    ck_assert_ptr_null(c.proxies);
    ck_assert(!c.foreground && c.fast);
    put("# a comment\n\n  name = from the file \r\nport=5\nfast = no\n listen-address = a=b # c");
    good("");
    ck_assert_str_eq(c.name, "from the file");
    ck_assert_str_eq(c.listen, "a=b # c");
    ck_assert_int_eq(c.port, 5);
    ck_assert(!c.fast);
    setenv("GUAC_TEST_PORT", "6", 1);
    setenv("GUAC_TEST_LISTEN_ADDRESS", "::", 1);
    good("");
    ck_assert_int_eq(c.port, 6);
    ck_assert_str_eq(c.listen, "::");
    good("--port 7 --name=y --fast --foreground=yes");
    ck_assert_int_eq(c.port, 7);
    ck_assert_str_eq(c.name, "y");
    ck_assert(c.fast && c.foreground);
    setenv("GUAC_TEST_PORT", "", 1); /* empty: the default */
    good("");
    ck_assert_int_eq(c.port, 4822);
    unsetenv("GUAC_TEST_PORT");
    unsetenv("GUAC_TEST_LISTEN_ADDRESS");
}
END_TEST

START_TEST(short_options_and_words) {
    good("-b 0.0.0.0 -l99 --name n -fK /k one -- -f --two");
    ck_assert_str_eq(c.listen, "0.0.0.0");
    ck_assert_int_eq(c.port, 99);
    ck_assert_str_eq(c.key_file, "/k");
    ck_assert(c.foreground);
    ck_assert_uint_eq(arg_count, 3);
    ck_assert_str_eq(args[0], "one");
    ck_assert_str_eq(args[1], "-f");
    ck_assert_str_eq(args[2], "--two");
    good("--name n --no-fast");
    ck_assert(!c.fast);
    char *argv[] = { args[0], args[0] };
    ck_assert_int_eq(conf_load(&table, &c, 2, argv, NULL, NULL, &e), CONF_BAD);
    ck_assert_str_eq(e.text, "command line: 'one' is no option");
}
END_TEST

START_TEST(mistakes_name_their_place) {
    table.default_file = "/no/such.conf";
    bad("", "'name' is not set: --name, GUAC_TEST_NAME, or a line in /no/such.conf");
    bad("--nmae x", "command line: unknown key 'nmae', did you mean 'name'?");
    bad("--trusted-proxy x", "command line: unknown key 'trusted-proxy', did you mean "
                             "'trusted-proxies'?");
    bad("--zzz=x", "command line: unknown key 'zzz' (--help lists them)");
    bad("--name", "command line: --name needs a value");
    bad("-b", "command line: -b needs a value");
    bad("-x", "command line: unknown option '-x' (--help lists them)");
    bad("--port 70000", "command line: 'port' is between 1 and 65535, not 70000");
    bad("--port 8o", "command line: 'port' is a number, not '8o'");
    bad("--port 99999999999999999999", "command line: 'port' is a number, not "
                                       "'99999999999999999999'");
    bad("--fast=maybe", "command line: 'fast' is true or false, not 'maybe'");
    bad("--no-port", "command line: unknown key 'no-port' (--help lists them)");
    bad("--config", "--config needs a file");
    bad("--config /no/such", "/no/such: No such file or directory");
    setenv("GUAC_TEST_PROT", "1", 1);
    bad("--name x",
        "environment variable GUAC_TEST_PROT: unknown key 'prot', did you mean 'port'?");
    unsetenv("GUAC_TEST_PROT");
}
END_TEST

static void bad_file(const char *text, const char *message) {
    put(text);
    ck_assert_int_eq(load("--name x"), CONF_BAD);
    size_t len = strlen(file);
    ck_assert_mem_eq(e.text, file, len);
    ck_assert_str_eq(e.text + len, message);
}

START_TEST(mistakes_name_their_line) {
    bad_file("port = 1\n\nprot = 2\n", ":3: unknown key 'prot', did you mean 'port'?");
    bad_file("port = 1\nport = 2\n", ":2: 'port' is already set on line 1");
    bad_file("nonsense\n", ":1: expected 'key = value'");
    bad_file("name = \xff\n", ":1: not UTF-8");
    bad_file("port = x\n", ":1: 'port' is a number, not 'x'");
    bad_file("= x\n", ":1: unknown key '' (--help lists them)");
    ck_assert_int_eq(truncate(file, (1 << 20) + 1), 0);
    ck_assert_int_eq(load("--name x"), CONF_BAD);
    ck_assert_ptr_nonnull(strstr(e.text, "larger than"));
}
END_TEST

START_TEST(kubernetes_service_links_are_not_ours) {
    setenv("GUAC_TEST_SERVICE_HOST", "10.0.0.1", 1);
    setenv("GUAC_TEST_SERVICE_PORT_HTTP", "80", 1);
    setenv("GUAC_TEST_PORT", "tcp://10.0.0.1:80", 1);
    setenv("GUAC_TEST_PORT_80_TCP_ADDR", "10.0.0.1", 1);
    good("--name x");
    ck_assert_int_eq(c.port, 4822);
    unsetenv("GUAC_TEST_SERVICE_HOST");
    unsetenv("GUAC_TEST_SERVICE_PORT_HTTP");
    unsetenv("GUAC_TEST_PORT");
    unsetenv("GUAC_TEST_PORT_80_TCP_ADDR");
}
END_TEST

START_TEST(another_file) {
    char other[] = "/tmp/guac-conf-XXXXXX";
    close(mkstemp(other));
    FILE *f = fopen(other, "w");
    fputs("name = other\n", f);
    fclose(f);
    put("name = default\nport = 1\n");
    char line[64];
    snprintf(line, sizeof line, "--config %s", other);
    good(line);
    ck_assert_str_eq(c.name, "other");
    ck_assert_int_eq(c.port, 4822);
    setenv("GUAC_TEST_CONFIG", other, 1);
    good("");
    ck_assert_str_eq(c.name, "other");
    unsetenv("GUAC_TEST_CONFIG");
    unlink(file); /* the default file may be missing */
    good("--name x");
    unlink(other);
}
END_TEST

static char shown[8192];

static void show(const char *line) {
    char path[] = "/tmp/guac-conf-out-XXXXXX";
    int out = mkstemp(path), old = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    ck_assert_int_eq(load(line), CONF_EXIT);
    fflush(stdout);
    dup2(old, STDOUT_FILENO);
    close(old);
    ssize_t n = pread(out, shown, sizeof shown - 1, 0);
    shown[n > 0 ? n : 0] = '\0';
    close(out);
    unlink(path);
}

START_TEST(prints_what_it_would_read) {
    show("--print-config --name x --port 9 --no-fast --key-file /secret/path");
    static const char want[] = "listen-address = 127.0.0.1\nport = 9\nname = x\n"
                               "key-file = /secret/path\ntrusted-proxies =\nfolder = /var/lib\n"
                               "foreground = false\nfast = false\n";
    ck_assert_str_eq(shown, want);
    put(want);
    show("--print-config");
    ck_assert_str_eq(shown, want);
}
END_TEST

START_TEST(explains_itself) {
    show("--help --nonsense");
    ck_assert_ptr_nonnull(strstr(shown, "guac-test - Tests configuration.\n"));
    ck_assert_ptr_nonnull(strstr(shown, "  -b, --listen-address TEXT\n          Where to listen. "
                                        "(default 127.0.0.1)\n"));
    ck_assert_ptr_nonnull(
        strstr(shown, "      --name TEXT\n          A required one. (required)\n"));
    ck_assert_ptr_nonnull(strstr(shown, "GUAC_TEST_KEY"));
    show("-v");
    ck_assert_int_eq(strncmp(shown, "guac-test ", 10), 0);
    show("--print-manual");
    ck_assert_int_eq(strncmp(shown, ".SH CONFIGURATION\n", 18), 0);
    ck_assert_ptr_nonnull(strstr(shown,
                                 ".TP\n.B \\-\\-listen\\-address \\fITEXT\\fR, \\fB\\-b\\fR\n"
                                 "Where to listen. Default: 127.0.0.1.\n"));
}
END_TEST

static int collect(const char *item, void *arg) {
    strcat(arg, item);
    strcat(arg, "|");
    return strcmp(item, "stop") == 0 ? 7 : 0;
}

START_TEST(lists) {
    char out[64] = "";
    ck_assert_int_eq(conf_each(" a, b\tc,,", collect, out), 0);
    ck_assert_str_eq(out, "a|b|c|");
    ck_assert_int_eq(conf_each("stop d", collect, out), 7);
    ck_assert_str_eq(out, "a|b|c|stop|");
    ck_assert_int_eq(conf_each(NULL, collect, out), 0);
    ck_assert_int_eq(conf_each("", collect, out), 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base/conf");
    TCase *t = tcase_create("conf");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, later_sources_win);
    tcase_add_test(t, short_options_and_words);
    tcase_add_test(t, mistakes_name_their_place);
    tcase_add_test(t, mistakes_name_their_line);
    tcase_add_test(t, kubernetes_service_links_are_not_ours);
    tcase_add_test(t, another_file);
    tcase_add_test(t, prints_what_it_would_read);
    tcase_add_test(t, explains_itself);
    tcase_add_test(t, lists);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
