/* The folder catalogue, live: what editors and mounts do to files, wrong ones harming no other,
 * secrets. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crd/catalog.h"
#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

static char dir[64];
static struct catalog *catalog;

static void put(const char *name, const char *text, mode_t mode) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void folder(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static const char *resource(const char *name, const char *host) {
    static char text[512];
    snprintf(text, sizeof text,
             "apiVersion: catalyst.openova.io/v1alpha1\nkind: GuacamoleConnection\n"
             "metadata: {name: %s, namespace: relay}\n"
             "spec: {protocol: ssh, hostname: %s, audience: {keycloakRoles: [a]}}\n",
             name, host);
    return text;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void setup(void) {
    snprintf(dir, sizeof dir, "/tmp/crd-folder-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_init("test", LOG_LEVEL_ERROR);
    catalog = NULL;
}

static void teardown(void) {
    catalog_free(catalog);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void start(void) {
    struct err e = { 0 };
    catalog = catalog_folder_new(dir, &e);
    ck_assert_msg(catalog != NULL, "%s", e.text);
}

/* Waits up to two seconds for the host of relay/<name>; NULL host: gone; "!": listed with errors.
 */
static void becomes(const char *name, const char *host) {
    uint64_t until = clock_ms() + 2000;
    for (;;) {
        struct snapshot *s = catalog_snapshot(catalog);
        struct connection *c = snapshot_find(s, "relay", name);
        bool ok =
            !host ? !c
                  : c && (*host == '!' ? !connection_usable(c)
                                       : connection_usable(c) && strcmp(c->hostname, host) == 0);
        uint64_t generation = s->generation;
        snapshot_unref(s);
        if (ok)
            return;
        ck_assert_msg(clock_ms() < until, "%s did not become %s", name, host ? host : "gone");
        catalog_wait(catalog, generation, 200);
    }
}

START_TEST(live) {
    put("a.yaml", resource("a", "one"), 0644);
    start();
    becomes("a", "one");
    put("a.yaml", resource("a", "two"), 0644); /* written in place */
    becomes("a", "two");
    put(".a.yaml.tmp", resource("a", "three"), 0644);
    char from[512], to[512];
    snprintf(from, sizeof from, "%s/.a.yaml.tmp", dir);
    snprintf(to, sizeof to, "%s/a.yaml", dir);
    ck_assert_int_eq(rename(from, to), 0); /* as editors do */
    becomes("a", "three");
    put("b.yml", resource("b", "four"), 0644);
    becomes("b", "four");
    put("c.txt", resource("c", "five"), 0644);
    put("d.yaml~", resource("d", "five"), 0644);
    ck_assert_int_eq(remove(to), 0);
    becomes("a", NULL);
    becomes("b", "four");
    becomes("c", NULL);
    becomes("d", NULL);
}
END_TEST

/* A mounted ConfigMap: files are links through a link that is swapped. */
START_TEST(config_map) {
    folder("..v1");
    folder("..v2");
    put("..v1/a.yaml", resource("a", "one"), 0644);
    put("..v2/a.yaml", resource("a", "two"), 0644);
    char link[512], data[512], tmp[512];
    snprintf(link, sizeof link, "%s/a.yaml", dir);
    snprintf(data, sizeof data, "%s/..data", dir);
    snprintf(tmp, sizeof tmp, "%s/..data_tmp", dir);
    ck_assert_int_eq(symlink("..v1", data), 0);
    ck_assert_int_eq(symlink("..data/a.yaml", link), 0);
    start();
    becomes("a", "one");
    ck_assert_int_eq(symlink("..v2", tmp), 0);
    ck_assert_int_eq(rename(tmp, data), 0);
    becomes("a", "two");
}
END_TEST

START_TEST(wrong_ones_harm_none) {
    put("good.yaml", resource("good", "one"), 0644);
    put("bad.yaml", resource("bad", "'a b'"), 0644);
    put("broken.yaml", "a: [\n", 0644);
    put("two.yaml", resource("good", "elsewhere"), 0644); /* the name is taken */
    start();
    becomes("good", "one");
    becomes("bad", "!");
    struct snapshot *s = catalog_snapshot(catalog);
    struct connection *c = snapshot_find(s, "", "broken.yaml");
    ck_assert_ptr_nonnull(c);
    ck_assert_ptr_nonnull(strstr(json_string_value(json_array_get(c->errors, 0)), "line 2"));
    ck_assert_uint_eq(s->count, 4);
    snapshot_unref(s);
    /* a good file that breaks keeps its names, listed with the error; nobody takes them over */
    put("good.yaml", "metadata: {{{", 0644);
    becomes("good", "!");
    put("good.yaml", resource("good", "again"), 0644);
    becomes("good", "again");
    put("bad.yaml", resource("bad", "fine"), 0644);
    becomes("bad", "fine");
    put("bad.yaml", "}", 0644);
    becomes("bad", "!");
}
END_TEST

START_TEST(policies_outlive_a_slip) {
    put("p.yaml",
        "apiVersion: catalyst.openova.io/v1\nkind: EnvironmentPolicy\nmetadata: {name: p}\n"
        "spec: {appliesTo: {environments: [prod]}, rules: [{kind: jit-required}]}\n",
        0644);
    start();
    put("p.yaml", "spec: [", 0644);
    struct snapshot *s = catalog_snapshot(catalog);
    for (uint64_t until = clock_ms() + 2000; json_array_size(s->problems) == 0;) {
        ck_assert(clock_ms() < until);
        catalog_wait(catalog, s->generation, 200);
        snapshot_unref(s);
        s = catalog_snapshot(catalog);
    }
    ck_assert_uint_eq(s->policy_count, 1);
    ck_assert(s->policies[0]->jit_required);
    snapshot_unref(s);
}
END_TEST

START_TEST(lists_and_kinds) {
    put("l.yaml",
        "kind: List\nitems:\n"
        "- {apiVersion: catalyst.openova.io/v1alpha1, kind: GuacamoleConnection,\n"
        "   metadata: {name: x, namespace: relay},\n"
        "   spec: {protocol: ssh, hostname: h, audience: {keycloakRoles: [a]}}}\n"
        "- {kind: ConfigMap}\n- {kind: List, items: []}\n",
        0644);
    put("lock.yaml", "kind: GuacamoleLock\n", 0644);
    start();
    becomes("x", "h");
    struct snapshot *s = catalog_snapshot(catalog);
    ck_assert_uint_eq(json_array_size(s->problems), 1);
    snapshot_unref(s);
}
END_TEST

static const char *value(const struct secret_set *s, const char *key) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].key, key) == 0)
            return s->items[i].value.data;
    return NULL;
}

static void secret_is(const char *name, const char *key, const char *want) {
    struct secret_set out = { 0 };
    struct err e = { 0 };
    ck_assert_msg(catalog_secret(catalog, "relay", name, &out, &e) == 0, "%s", e.text);
    ck_assert_str_eq(value(&out, key), want);
    secret_set_fini(&out);
}

static void secret_fails(const char *namespace, const char *name, const char *why) {
    struct secret_set out = { 0 };
    struct err e = { 0 };
    ck_assert_int_eq(catalog_secret(catalog, namespace, name, &out, &e), -1);
    ck_assert_msg(strstr(e.text, why) != NULL, "'%s' is not in '%s'", why, e.text);
    ck_assert_uint_eq(out.count, 0);
}

START_TEST(secrets) {
    folder("secrets");
    folder("secrets/relay");
    folder("secrets/relay/login");
    put("secrets/relay/login/username", "root\n", 0600);
    put("secrets/relay/login/password", "p w", 0640);
    folder("secrets/relay/open");
    put("secrets/relay/open/password", "x", 0644);
    put("s.yaml",
        "kind: Secret\nmetadata: {name: doc, namespace: relay}\n"
        "stringData: {password: plain}\ndata: {username: cm9vdA==, password: eA==}\n"
        "---\nkind: Secret\nmetadata: {name: odd, namespace: relay}\n"
        "data: {password: '***'}\n",
        0600);
    put("w.yaml",
        "kind: Secret\nmetadata: {name: wide, namespace: relay}\nstringData: {password: x}\n",
        0644);
    start();
    secret_is("login", "username", "root");
    secret_is("login", "password", "p w");
    secret_is("doc", "password", "plain");
    secret_is("doc", "username", "root");
    secret_fails("relay", "open", "may be read by everybody");
    secret_fails("relay", "wide", "everybody may read it");
    secret_fails("relay", "odd", "no base64");
    secret_fails("relay", "none", "there is no Secret relay/none");
    secret_fails("relay", "../login", "names no Secret");
    secret_fails("..", "login", "names no Secret");
    /* read when needed: a new password counts at once */
    put("secrets/relay/login/password", "new", 0600);
    secret_is("login", "password", "new");
}
END_TEST

START_TEST(no_folder) {
    struct err e = { 0 };
    ck_assert_ptr_null(catalog_folder_new("/nonexistent/folder", &e));
    ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent/folder"));
}
END_TEST

static void count_call(void *arg) {
    ++*(_Atomic int *)arg;
}

START_TEST(watcher) {
    _Atomic int calls = 0;
    start();
    catalog_watch(catalog, count_call, &calls);
    put("a.yaml", resource("a", "one"), 0644);
    becomes("a", "one");
    for (int i = 0; i < 100 && calls == 0; i++)
        usleep(10000);
    ck_assert_int_ge(calls, 1);
    catalog_watch(catalog, NULL, NULL);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("folder");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, live);
    tcase_add_test(t, config_map);
    tcase_add_test(t, wrong_ones_harm_none);
    tcase_add_test(t, policies_outlive_a_slip);
    tcase_add_test(t, lists_and_kinds);
    tcase_add_test(t, secrets);
    tcase_add_test(t, no_folder);
    tcase_add_test(t, watcher);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
