/* Which addresses are files and which are the page's own. */
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/proxy/assets.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/assets-XXXXXX";
static const char *const files[] = { "index.html", "error.css", "assets/app-0A1B.js" };
static struct assets *a;

static char *at(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void setup(void) {
    struct err e = { 0 };
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mkdir(at("assets"), 0700), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *f = fopen(at(files[i]), "w");
        ck_assert_ptr_nonnull(f);
        fputs(files[i], f);
        fclose(f);
    }
    a = assets_load(folder, &e);
    ck_assert_msg(a, "%s", e.text);
}

static void teardown(void) {
    assets_free(a);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(at(files[i]));
    rmdir(at("assets"));
    rmdir(folder);
}

START_TEST(an_address_leads_to_its_file_the_page_or_nothing) {
    static const struct {
        const char *path, *file;
    } rows[] = {
        { "/", "/index.html" },
        { "/connections", "/index.html" },
        { "/replay/019a9f00-0000-7000-8000-000000000001", "/index.html" },
        { "/join/019a9f00-0000-7000-8000-000000000001.c2VjcmV0", "/index.html" },
        { "/error.css", "/error.css" },
        { "/assets/app-0A1B.js", "/assets/app-0A1B.js" },
        { "/assets/app-OLD1.js", NULL },
        { "/robots.txt", NULL },
        { "/favicon.ico", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct asset *found = assets_find(a, rows[i].path);
        ck_assert_msg(!found == !rows[i].file, "%s", rows[i].path);
        if (found)
            ck_assert_str_eq(found->path, rows[i].file);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("assets");
    TCase *c = tcase_create("assets");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, an_address_leads_to_its_file_the_page_or_nothing);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
