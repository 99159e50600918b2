/* The drive as a server meets it, by the messages of MS-RDPEFS, and what lies below. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guacd/backends/clip/clip.h"
#include "guacd/backends/rdp/bytes.h"
#include "guacd/backends/rdp/devices.h"
#include "guacd/backends/rdp/disk.h"
#include "guacd/backends/rdp/drive_irp.h"
#include "guacd/base/util.h"
#include "tests/unit/unit.h"

#define QUOTA (8u * DISK_BLOCK)

static struct drive drive;
static struct devices devices;
static struct buf sent; /* what was sent, one after the other */
static unsigned messages;
static char written[256];

static void on_send(void *arg, const void *data, size_t len) {
    (void)arg;
    messages++;
    ck_assert_int_eq(buf_add(&sent, data, len), 0);
}

static void on_written(void *arg, const struct disk_node *n) {
    (void)arg;
    ck_assert(disk_path(n, written, sizeof(written)));
}

static void setup(void) {
    drive =
        (struct drive){ .disk = disk_new(memfd_create("disk", 0), QUOTA), .written = on_written };
    ck_assert_ptr_nonnull(drive.disk);
    devices = (struct devices){
        .drive = &drive, .computer = "desk", .name = "Files: all", .send = on_send
    };
    buf_init(&sent, 8u << 20);
    messages = 0;
    written[0] = '\0';
}

static void teardown(void) {
    drive_close_all(&drive);
    disk_free(drive.disk);
    buf_fini(&sent);
}

/* ---- the disk ----------------------------------------------------------------------------------
 */

static struct disk_node *made(const char *path, bool folder) {
    struct disk_node *n = NULL;
    ck_assert_int_eq(disk_make(drive.disk, path, folder, &n), DISK_OK);
    return n;
}

START_TEST(names) {
    struct disk_node *n, *top = disk_top(drive.disk);
    char path[64];
    struct disk_node *a = made("/a", true), *f = made("/a/Mixed Case", false);
    ck_assert_int_eq(disk_find(drive.disk, "/A/mixed case", &n), DISK_OK);
    ck_assert_ptr_eq(n, f);
    ck_assert(disk_path(f, path, sizeof(path)));
    ck_assert_str_eq(path, "/a/Mixed Case");
    ck_assert(!disk_path(f, path, 13));
    ck_assert_int_eq(disk_make(drive.disk, "/A/MIXED CASE", false, &n), DISK_EXISTS);
    ck_assert_int_eq(disk_find(drive.disk, "/a/none", &n), DISK_NOT_FOUND);
    ck_assert_int_eq(disk_find(drive.disk, "/b/none", &n), DISK_NO_WAY);
    ck_assert_int_eq(disk_find(drive.disk, "/a/mixed case/below", &n), DISK_NO_WAY);
    ck_assert_int_eq(disk_find(drive.disk, "/", &n), DISK_OK);
    ck_assert_ptr_eq(n, top);
    static const char *const bad[] = { "/a/..", "/..",   "/a/b:c", "/a/b\\c", "/a/x\n", "/a/ends.",
                                       "/a/b ", "/a/b*", "/a/b?",  "/a/\xFF", "/a/b|c", "/a/\"" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(disk_make(drive.disk, bad[i], false, &n) == DISK_BAD_NAME &&
                          !disk_is_path(bad[i]),
                      "%s", bad[i]);
    ck_assert(disk_is_path("/a/b c.d/grün"));
    ck_assert(!disk_is_path("/"));
    ck_assert(!disk_is_path("/a:/b"));
    ck_assert_int_eq(disk_place(drive.disk, a, "/a/into itself", false), DISK_NO_WAY);
    ck_assert_int_eq(disk_remove(drive.disk, a), DISK_NOT_EMPTY);
    ck_assert_int_eq(disk_remove(drive.disk, top), DISK_NOT_EMPTY);
    ck_assert_int_eq(disk_make_above(drive.disk, "/x/y/z/file"), DISK_OK);
    ck_assert_int_eq(disk_find(drive.disk, "/x/y/z", &n), DISK_OK);
    ck_assert(n->folder);
}
END_TEST

START_TEST(deep_and_many) {
    char path[DISK_DEPTH_MAX * 2 + 8] = "";
    for (int i = 0; i < DISK_DEPTH_MAX + 2; i++)
        strcat(path, "/d");
    ck_assert_int_ne(disk_make_above(drive.disk, path), DISK_OK);
    static struct disk_node
        *held[2 * DISK_NODES_MAX]; /* nameless: no one is looked for among them */
    unsigned count = 0;
    while (count < 2 * DISK_NODES_MAX && (held[count] = disk_nameless(drive.disk)))
        count++;
    ck_assert_uint_lt(count, DISK_NODES_MAX + 1);
    disk_drop(drive.disk, held[0]);
    ck_assert_ptr_nonnull(held[0] = disk_nameless(drive.disk)); /* who leaves makes room */
    while (count > 0)
        disk_drop(drive.disk, held[--count]);
}
END_TEST

START_TEST(bytes_of_files) {
    struct disk_node *f = made("/f", false);
    char out[200];
    size_t got;
    ck_assert_int_eq(disk_write(drive.disk, f, DISK_BLOCK - 3, "abcdef", 6), DISK_OK);
    ck_assert_uint_eq(f->size, DISK_BLOCK + 3);
    ck_assert_int_eq(disk_read(drive.disk, f, DISK_BLOCK - 6, out, sizeof(out), &got), DISK_OK);
    ck_assert_uint_eq(got, 9);
    ck_assert_mem_eq(out, "\0\0\0abcdef", 9);
    ck_assert_uint_eq(disk_left(drive.disk), QUOTA - 2 * DISK_BLOCK);
    /* What was cut off does not come back. */
    ck_assert_int_eq(disk_resize(drive.disk, f, DISK_BLOCK - 2), DISK_OK);
    ck_assert_int_eq(disk_resize(drive.disk, f, DISK_BLOCK + 3), DISK_OK);
    ck_assert_int_eq(disk_read(drive.disk, f, DISK_BLOCK - 3, out, 6, &got), DISK_OK);
    ck_assert_mem_eq(out, "a\0\0\0\0\0", 6);
    ck_assert_uint_eq(disk_left(drive.disk), QUOTA - DISK_BLOCK);
    /* Nor does what another file held. */
    struct disk_node *g = made("/g", false);
    ck_assert_int_eq(disk_resize(drive.disk, f, 0), DISK_OK);
    ck_assert_int_eq(disk_write(drive.disk, g, 10, "x", 1), DISK_OK);
    ck_assert_int_eq(disk_resize(drive.disk, g, DISK_BLOCK), DISK_OK);
    char *all = malloc(DISK_BLOCK);
    ck_assert_int_eq(disk_read(drive.disk, g, 0, all, DISK_BLOCK, &got), DISK_OK);
    for (size_t i = 0; i < DISK_BLOCK; i++)
        ck_assert_int_eq(all[i], i == 10 ? 'x' : 0);
    free(all);
}
END_TEST

START_TEST(quota) {
    struct disk_node *f = made("/f", false), *g = made("/g", false);
    char *block = calloc(1, QUOTA + 1);
    ck_assert_int_eq(disk_write(drive.disk, f, 0, block, QUOTA + 1), DISK_FULL);
    ck_assert_uint_eq(f->size, 0);
    ck_assert_uint_eq(disk_left(drive.disk), QUOTA);
    ck_assert_int_eq(disk_write(drive.disk, f, 0, block, QUOTA - DISK_BLOCK), DISK_OK);
    ck_assert_int_eq(disk_write(drive.disk, g, 0, block, DISK_BLOCK + 1), DISK_FULL);
    ck_assert_uint_eq(g->size, 0);
    ck_assert_int_eq(disk_write(drive.disk, g, 0, block, DISK_BLOCK), DISK_OK);
    ck_assert_int_eq(disk_write(drive.disk, g, DISK_BLOCK, "x", 1), DISK_FULL);
    ck_assert_int_eq(disk_write(drive.disk, g, UINT64_MAX - 3, "x", 1), DISK_FULL);
    ck_assert_int_eq(disk_resize(drive.disk, g, UINT64_MAX), DISK_FULL);
    /* One that somebody holds keeps its bytes, and gives them back then. */
    disk_hold(f);
    ck_assert_int_eq(disk_remove(drive.disk, f), DISK_OK);
    ck_assert_uint_eq(disk_left(drive.disk), 0);
    disk_drop(drive.disk, f);
    ck_assert_uint_eq(disk_left(drive.disk), QUOTA - DISK_BLOCK);
    free(block);
}
END_TEST

START_TEST(places) {
    struct disk_node *n, *old = made("/old", false), *fresh = disk_nameless(drive.disk);
    made("/folder", true);
    ck_assert_int_eq(disk_place(drive.disk, fresh, "/old", false), DISK_EXISTS);
    ck_assert_int_eq(disk_place(drive.disk, fresh, "/folder", true), DISK_IS_FOLDER);
    ck_assert_int_eq(disk_find(drive.disk, "/old", &n), DISK_OK);
    ck_assert_ptr_eq(n, old);
    ck_assert_int_eq(disk_place(drive.disk, fresh, "/old", true), DISK_OK);
    disk_drop(drive.disk, fresh);
    ck_assert_int_eq(disk_find(drive.disk, "/old", &n), DISK_OK);
    ck_assert_ptr_eq(n, fresh);
    ck_assert_int_eq(disk_place(drive.disk, fresh, "/folder/New", false), DISK_OK);
    ck_assert_int_eq(disk_find(drive.disk, "/old", &n), DISK_NOT_FOUND);
    ck_assert_int_eq(disk_place(drive.disk, fresh, "/folder/new", false), DISK_OK);
    ck_assert_str_eq(fresh->name, "new"); /* only its case changes */
}
END_TEST

/* ---- requests -----------------------------------------------------------------------------------
 */

struct answer {
    uint32_t status, file;
    struct bytes body;
};

/* fields: pairs of value and width, ended by width 0; then data. */
static struct answer ask(uint32_t major, uint32_t minor, uint32_t file, const uint64_t *fields,
                         const void *data, size_t len) {
    struct buf m;
    buf_init(&m, 4u << 20);
    const uint64_t head[] = {
        0x4472, 2, 0x4952, 2, 1, 4, file, 4, 77, 4, major, 4, minor, 4, 0, 0
    };
    for (const uint64_t *f = head; f[1]; f += 2)
        bytes_put(&m, f[0], (unsigned)f[1]);
    for (; fields && fields[1]; fields += 2)
        bytes_put(&m, fields[0], (unsigned)fields[1]);
    buf_add(&m, data, len);
    buf_clear(&sent);
    messages = 0;
    devices_hear(&devices, m.data, m.len);
    buf_fini(&m);
    struct answer a = { .status = DRIVE_SILENT };
    if (messages == 0)
        return a;
    ck_assert_uint_eq(messages, 1);
    struct bytes in = { (const uint8_t *)sent.data, sent.len, false };
    ck_assert_uint_eq(bytes_u32(&in), 0x49434472);
    ck_assert_uint_eq(bytes_u32(&in), 1);
    ck_assert_uint_eq(bytes_u32(&in), 77);
    a.status = bytes_u32(&in);
    a.body = in;
    ck_assert(!in.bad);
    return a;
}

static struct answer ask_with_path(uint32_t major, uint32_t minor, uint32_t file,
                                   const uint64_t *fields, const char *path) {
    struct buf text;
    buf_init(&text, 1024);
    clip_from_utf8(CLIP_UTF16, path, strlen(path), &text);
    buf_add(&text, "\0", 2);
    uint64_t all[40];
    size_t n = 0;
    for (; fields[1]; fields += 2, n += 2)
        memcpy(all + n, fields, 2 * sizeof(*all));
    for (size_t i = 0; i < n; i += 2)
        if (all[i] == UINT64_MAX) /* where its length goes */
            all[i] = text.len;
    all[n] = all[n + 1] = 0;
    struct answer a = ask(major, minor, file, all, text.data, text.len);
    buf_fini(&text);
    return a;
}

enum { ANY_FOLDER = 0x1, NO_FOLDER = 0x40, ON_CLOSE = 0x1000 };
enum { OPEN = 1, CREATE, OPEN_IF, OVERWRITE, OVERWRITE_IF };

static struct answer create(const char *path, uint32_t how, uint32_t options) {
    const uint64_t f[] = { 0, 4, 0, 8, 0, 4, 7, 4, how, 4, options, 4, UINT64_MAX, 4, 0, 0 };
    struct answer a = ask_with_path(0, 0, 0, f, path);
    a.file = bytes_u32(&a.body);
    return a;
}

static uint32_t close_file(uint32_t file) {
    return ask(2, 0, file, NULL, "", 0).status;
}

static uint32_t write_at(uint32_t file, uint64_t at, const char *text) {
    const uint64_t f[] = { strlen(text), 4, at, 8, 0, 8, 0, 8, 0, 4, 0, 0 };
    return ask(4, 0, file, f, text, strlen(text)).status;
}

static uint32_t list_one(uint32_t file, bool first, const char *pattern, char name[64]) {
    const uint64_t f[] = { 3, 4, first, 1, UINT64_MAX, 4, 0, 8, 0, 8, 0, 7, 0, 0 };
    struct answer a = ask_with_path(12, 1, file, f, pattern);
    if (a.status)
        return a.status;
    uint32_t len = bytes_u32(&a.body);
    ck_assert_uint_eq(len, a.body.left);
    bytes_skip(&a.body, 93);
    struct buf text;
    buf_init(&text, 64);
    ck_assert_int_eq(clip_to_utf8(CLIP_UTF16, a.body.p, a.body.left, &text), 0);
    strcpy(name, buf_str(&text));
    buf_fini(&text);
    return 0;
}

START_TEST(write_and_read) {
    struct answer a = create("\\new.txt", CREATE, NO_FOLDER);
    ck_assert_uint_eq(a.status, 0);
    uint32_t file = a.file;
    ck_assert_uint_eq(write_at(file, 0, "hello"), 0);
    ck_assert_uint_eq(write_at(file, UINT64_MAX, " world"), 0); /* at its end */
    ck_assert_str_eq(written, "");
    ck_assert_uint_eq(close_file(file), 0);
    ck_assert_str_eq(written, "/new.txt");
    ck_assert_uint_eq(close_file(file), 0xC0000008);
    a = create("\\NEW.TXT", OPEN, 0);
    const uint64_t all[] = { 1u << 31, 4, 0, 8, 0, 8, 0, 8, 0, 4, 0, 0 };
    struct answer r = ask(3, 0, a.file, all, "", 0);
    ck_assert_uint_eq(r.status, 0);
    ck_assert_uint_eq(bytes_u32(&r.body), 11);
    ck_assert_uint_eq(r.body.left, 11);
    ck_assert_mem_eq(r.body.p, "hello world", 11);
    const uint64_t behind[] = { 10, 4, 11, 8, 0, 8, 0, 8, 0, 4, 0, 0 };
    ck_assert_uint_eq(ask(3, 0, a.file, behind, "", 0).status, 0xC0000011);
    const uint64_t standard[] = { 5, 4, 22, 4, 0, 8, 0, 8, 0, 8, 0, 0 };
    r = ask(5, 0, a.file, standard, "", 0);
    ck_assert_uint_eq(bytes_u32(&r.body), 22);
    bytes_skip(&r.body, 8);
    ck_assert_uint_eq(bytes_get(&r.body, 8), 11);
    ck_assert_uint_eq(close_file(a.file), 0);
}
END_TEST

START_TEST(dispositions) {
    ck_assert_uint_eq(create("\\none", OPEN, 0).status, 0xC000000F);
    ck_assert_uint_eq(create("\\none", OVERWRITE, 0).status, 0xC000000F);
    ck_assert_uint_eq(create("\\f", OPEN_IF, 0).status, 0);
    ck_assert_uint_eq(create("\\f", CREATE, 0).status, 0xC0000035);
    ck_assert_uint_eq(create("\\f", OPEN, ANY_FOLDER).status, 0xC0000103);
    ck_assert_uint_eq(create("\\d", CREATE, ANY_FOLDER).status, 0);
    ck_assert_uint_eq(create("\\d", OPEN, NO_FOLDER).status, 0xC00000BA);
    ck_assert_uint_eq(create("\\d\\..\\f", OPEN, 0).status, 0xC000003A);
    ck_assert_uint_eq(create("\\d\\a:b", CREATE, 0).status, 0xC0000033);
    struct answer a = create("\\f", OPEN, 0);
    write_at(a.file, 0, "text");
    create("\\f", OVERWRITE_IF, 0);
    const uint64_t all[] = { 9, 4, 0, 8, 0, 8, 0, 8, 0, 4, 0, 0 };
    ck_assert_uint_eq(ask(3, 0, a.file, all, "", 0).status, 0xC0000011);
    /* Removed when it is closed. */
    a = create("\\f", OPEN, ON_CLOSE);
    close_file(a.file);
    ck_assert_uint_eq(create("\\f", OPEN, 0).status, 0xC000000F);
    /* As many as there is room for. */
    unsigned opened = 0;
    while (opened < 2 * DRIVE_OPENS_MAX && create("\\d", OPEN, 0).status == 0)
        opened++;
    ck_assert_uint_lt(opened, DRIVE_OPENS_MAX);
}
END_TEST

START_TEST(listing) {
    static const char *const all[] = { "a.txt", "b.TXT", "grün 漢", "sub" };
    char name[64];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char path[64];
        snprintf(path, sizeof(path), "\\%s", all[i]);
        create(path, CREATE, i == 3 ? ANY_FOLDER : 0);
    }
    uint32_t top = create("\\", OPEN, ANY_FOLDER).file;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ck_assert_uint_eq(list_one(top, i == 0, "\\*", name), 0);
        ck_assert_str_eq(name, all[i]);
    }
    ck_assert_uint_eq(list_one(top, false, "", name), 0x80000006);
    ck_assert_uint_eq(list_one(top, true, "\\*.txt", name), 0);
    ck_assert_uint_eq(list_one(top, false, "", name), 0);
    ck_assert_str_eq(name, "b.TXT");
    ck_assert_uint_eq(list_one(top, false, "", name), 0x80000006);
    ck_assert_uint_eq(list_one(top, true, "\\none*", name), 0xC000000F);
    ck_assert_uint_eq(list_one(top, true, "\\???", name), 0);
    ck_assert_str_eq(name, "sub");
    /* Removing what was told skips nothing. */
    ck_assert_uint_eq(list_one(top, true, "\\*", name), 0);
    close_file(create("\\a.txt", OPEN, ON_CLOSE).file);
    drive_close_all(&drive);
    top = create("\\", OPEN, ANY_FOLDER).file;
    ck_assert_uint_eq(list_one(top, true, "\\*", name), 0);
    ck_assert_str_eq(name, "b.TXT");
}
END_TEST

START_TEST(renaming_and_removing) {
    uint32_t d = create("\\d", CREATE, ANY_FOLDER).file, f = create("\\d\\f", CREATE, 0).file;
    const uint64_t to[] = { 10, 4, 0, 4, 0, 8, 0, 8, 0, 8, 0, 1, 0, 1, UINT64_MAX, 4, 0, 0 };
    ck_assert_uint_eq(ask_with_path(6, 0, d, to, "\\d\\inside").status, 0xC000003A);
    ck_assert_uint_eq(ask_with_path(6, 0, f, to, "\\moved").status, 0);
    const uint64_t gone[] = { 13, 4, 1, 4, 0, 8, 0, 8, 0, 8, 1, 1, 0, 0 };
    ck_assert_uint_eq(ask(6, 0, f, gone, "", 0).status, 0);
    close_file(f);
    ck_assert_uint_eq(create("\\moved", OPEN, 0).status, 0xC000000F);
    create("\\d\\g", CREATE, 0);
    ck_assert_uint_eq(ask(6, 0, d, gone, "", 0).status, 0xC0000101);
    const uint64_t size[] = { 20, 4, 8, 4, 0, 8, 0, 8, 0, 8, 1ull << 40, 8, 0, 0 };
    uint32_t g = create("\\d\\g", OPEN, 0).file;
    ck_assert_uint_eq(ask(6, 0, g, size, "", 0).status, 0xC000007F);
    const uint64_t full[] = { 7, 4, 32, 4, 0, 8, 0, 8, 0, 8, 0, 0 };
    struct answer v = ask(10, 0, g, full, "", 0);
    ck_assert_uint_eq(bytes_u32(&v.body), 32);
    ck_assert_uint_eq(bytes_get(&v.body, 8), QUOTA / DISK_BLOCK);
    ck_assert_uint_eq(ask(12, 2, d, NULL, "", 0).status, DRIVE_SILENT);
    ck_assert_uint_eq(ask(14, 0, g, NULL, "", 0).status, 0xC0000010);
    ck_assert_uint_eq(ask(99, 0, g, NULL, "", 0).status, 0xC00000BB);
}
END_TEST

/* ---- beginning ----------------------------------------------------------------------------------
 */

static void hear(const char *data, size_t len) {
    devices_hear(&devices, data, len);
}
#define HEAR(text) hear(text, sizeof(text) - 1)

START_TEST(announcing) {
    static const char capable[] = "rDPS\1\0\0\0\1\0\x2c\0\2\0\0\0\2\0\0\0\0\0\0\0\1\0\x0c\0\xff\xff"
                                  "\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    HEAR("rDnI\1\0\x0d\0\x2a\0\0\0");
    ck_assert_uint_eq(messages, 2);
    ck_assert_mem_eq(sent.data,
                     "rDCC\1\0\x0c\0\x2a\0\0\0rDNC\1\0\0\0\0\0\0\0\x0a\0\0\0d\0e\0s\0k\0\0", 34);
    hear(capable, 52);
    ck_assert_uint_eq(messages, 3);
    HEAR("rDCC\1\0\x0c\0\x2a\0\0\0");
    ck_assert_uint_eq(messages, 3); /* it will tell of the login */
    buf_clear(&sent);
    HEAR("rDLU");
    HEAR("rDLU");
    ck_assert_uint_eq(messages, 4);
    ck_assert_mem_eq(sent.data, "rDAD\1\0\0\0\x8\0\0\0\1\0\0\0Files__a\x0b\0\0\0Files__all\0", 39);
    ck_assert_uint_eq(sent.len, 39);
    /* A server that tells of nothing gets it at once; one without a drive never. */
    HEAR("rDnI\1\0\5\0\x2a\0\0\0");
    HEAR("rDCC\1\0\5\0\x2a\0\0\0");
    ck_assert_uint_eq(messages, 7);
    devices.drive = NULL;
    HEAR("rDnI\1\0\5\0\x2a\0\0\0");
    HEAR("rDCC\1\0\5\0\x2a\0\0\0");
    HEAR("rDRI\1\0\0\0\1\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0");
    ck_assert_uint_eq(messages, 9);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("rdp/drive");
    TCase *t = tcase_create("drive");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names);
    tcase_add_test(t, deep_and_many);
    tcase_add_test(t, bytes_of_files);
    tcase_add_test(t, quota);
    tcase_add_test(t, places);
    tcase_add_test(t, write_and_read);
    tcase_add_test(t, dispositions);
    tcase_add_test(t, listing);
    tcase_add_test(t, renaming_and_removing);
    tcase_add_test(t, announcing);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
