/* The parameter tables: that every row makes sense, that all fit into one instruction, and how
 * values are taken and given back. */
#include "tests/unit/unit.h"

#include "guacd/base/util.h"
#include "guacd/proto/args.h"
#include "guacd/proto/handshake.h"
#include "guacd/proto/status.h"

static void check_row(const struct protocol *p, const struct arg_spec *row, size_t i) {
    size_t index;
    ck_assert_msg(protocol_arg_find(p, row->name, &index) == row && index == i,
                  "%s: %s is there twice", p->name, row->name);
    ck_assert_msg(row->help && strlen(row->help) > 3 && row->help[strlen(row->help) - 1] == '.',
                  "%s: help", row->name);
    ck_assert_msg((row->choices != NULL) == (row->type == ARG_ENUM), "%s: choices", row->name);
    ck_assert_msg(!(row->flags & ARG_GATEWAY) || !(row->flags & (ARG_LOCAL | ARG_LIVE)),
                  "%s: a gateway row is neither local nor live", row->name);
    ck_assert_msg(row->type != ARG_INT || row->min < row->max, "%s: bounds", row->name);
    struct args *a = args_new(p);
    struct err e = { 0 };
    ck_assert_msg(args_set(a, row->name, row->def, strlen(row->def), &e), "%s: its default: %s",
                  row->name, e.text);
    args_free(a);
}

START_TEST(rows) {
    for (size_t i = 0; protocols[i]; i++) {
        const struct protocol *p = protocols[i];
        ck_assert_ptr_eq(protocol_find(p->name), p);
        size_t n = 0;
        for (const struct arg_spec *row; (row = protocol_arg(p, n)); n++)
            check_row(p, row, n);
        ck_assert_msg(n + 2 <= INSTR_ELEMENTS_MAX, "%s: %zu rows are too many", p->name, n);
        ck_assert_ptr_null(protocol_arg(p, n + 1000));
    }
    ck_assert_ptr_null(protocol_find("telnet"));
    ck_assert_ptr_null(protocol_find(""));
}
END_TEST

/* Names that users' templates carry (features.md). */
START_TEST(names) {
    static const struct {
        const char *protocol, *names;
    } want[] = {
        { "ssh", "hostname port timeout username password private-key public-key passphrase "
                 "host-key known-hosts command enable-sftp sftp-root-directory "
                 "sftp-disable-download sftp-disable-upload server-alive-interval locale timezone "
                 "enable-agent read-only font-name font-size color-scheme scrollback backspace "
                 "func-keys-and-keypad terminal-type disable-copy disable-paste "
                 "clipboard-buffer-size recording-path recording-name typescript-path "
                 "typescript-name create-typescript-path wol-send-packet" },
        { "vnc", "hostname port username password encodings color-depth swap-red-blue cursor "
                 "autoretry clipboard-encoding dest-host dest-port reverse-connect listen-timeout "
                 "disable-display-resize disable-server-input force-lossless compress-level "
                 "quality-level read-only sftp-hostname" },
        { "rdp",
          "hostname port timeout domain username password width height dpi color-depth "
          "security ignore-cert cert-tofu cert-fingerprints disable-auth server-layout "
          "timezone initial-program console console-audio disable-audio enable-audio-input "
          "enable-printing printer-name enable-drive drive-name drive-path "
          "create-drive-path disable-download disable-upload remote-app remote-app-dir "
          "remote-app-args static-channels client-name enable-wallpaper enable-theming "
          "enable-font-smoothing enable-full-window-drag enable-desktop-composition "
          "enable-menu-animations disable-bitmap-caching disable-offscreen-caching "
          "disable-gfx preconnection-id preconnection-blob resize-method enable-touch "
          "gateway-hostname load-balance-info force-lossless normalize-clipboard read-only" },
        { "kubernetes", "hostname port use-ssl client-cert client-key ca-cert ignore-cert "
                        "namespace pod container exec-command token impersonate-user "
                        "impersonate-groups pod-selector font-name read-only" },
        { "demo", "session connection owner owner-name started grace max-duration idle-timeout "
                  "warn-before recording-keys allow-copy allow-paste allow-download allow-upload "
                  "require-tap address-allow address-deny host-key-policy" },
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        _free_ char *list = strdup(want[i].names);
        char *rest = list;
        for (char *name; (name = strsep(&rest, " "));)
            ck_assert_msg(protocol_arg_find(protocol_find(want[i].protocol), name, NULL) != NULL,
                          "%s lacks %s", want[i].protocol, name);
    }
}
END_TEST

static bool set(struct args *a, const char *name, const char *value) {
    struct err e = { 0 };
    bool done = args_set(a, name, value, strlen(value), &e);
    ck_assert(done == (e.status == 0));
    ck_assert(done || (e.status == STATUS_CLIENT_BAD_REQUEST && strstr(e.text, name)));
    return done;
}

START_TEST(values) {
    struct args *a = args_new(protocol_find("ssh"));
    ck_assert_int_eq(args_int(a, "port"), 22);
    ck_assert(!args_is_set(a, "port"));
    ck_assert(set(a, "port", "2222") && args_is_set(a, "port"));
    ck_assert(!set(a, "port", "0") && !set(a, "port", "65536") && !set(a, "port", "22a"));
    ck_assert_int_eq(args_int(a, "port"), 2222);
    ck_assert(set(a, "port", ""));
    ck_assert_int_eq(args_int(a, "port"), 22);

    ck_assert(set(a, "read-only", "yes") && args_bool(a, "read-only"));
    ck_assert(set(a, "read-only", "off") && !args_bool(a, "read-only"));
    ck_assert(!set(a, "read-only", "TRUE") && !set(a, "read-only", "ja"));
    ck_assert(args_bool(a, "allow-copy"));

    ck_assert(set(a, "backspace", "8") && !set(a, "backspace", "12"));
    ck_assert(!set(a, "backspace", "127|8") && !set(a, "recording-keys", "mask"));
    ck_assert_str_eq(args_str(a, "backspace"), "8");

    ck_assert(!set(a, "hostname", "a\nb") && !set(a, "hostname", "a\x7f"));
    ck_assert(set(a, "command", "a\nb"));
    ck_assert(!args_set(a, "command", "a\0b", 3, NULL) && !args_set(a, "command", "\xff", 1, NULL));
    ck_assert_str_eq(args_str(a, "command"), "a\nb");
    ck_assert(!set(a, "no-such-name", "1"));
    ck_assert_ptr_eq(args_protocol(a), protocol_find("ssh"));
    args_free(a);
    args_free(NULL);
}
END_TEST

START_TEST(secrets) {
    struct args *a = args_new(protocol_find("ssh"));
    ck_assert(set(a, "password", "hunter2") && set(a, "private-key", "---\nkey\n---"));
    ck_assert(set(a, "username", "olga"));
    ck_assert_str_eq(args_str(a, "password"), "hunter2");
    args_wipe_secrets(a);
    ck_assert_str_eq(args_str(a, "password"), "");
    ck_assert_str_eq(args_str(a, "private-key"), "");
    ck_assert_str_eq(args_str(a, "username"), "olga");
    args_free(a);

    static const char *const secret[] = { "password", "private-key", "passphrase" };
    for (size_t i = 0; i < ARRAY_LEN(secret); i++)
        ck_assert(protocol_arg_find(protocol_find("ssh"), secret[i], NULL)->flags & ARG_SECRET);
    ck_assert(protocol_arg_find(protocol_find("kubernetes"), "token", NULL)->flags & ARG_SECRET);
    ck_assert(protocol_arg_find(protocol_find("rdp"), "drive-path", NULL)->flags & ARG_LOCAL);
}
END_TEST

START_TEST(unknown_name_is_a_bug) {
    struct args *a = args_new(protocol_find("ssh"));
    args_str(a, "no-such-name");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("args");
    TCase *c = tcase_create("args");
    tcase_add_test(c, rows);
    tcase_add_test(c, names);
    tcase_add_test(c, values);
    tcase_add_test(c, secrets);
    tcase_add_test_raise_signal(c, unknown_name_is_a_bug, 6);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
