/* Names and paths of files: any bytes of a target are shown as valid UTF-8 and found again; what a
 * person asks for never leaves the top. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/session/files_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const char *name, size_t len, bool basic) {
    struct buf shown;
    buf_init(&shown, 4 * len + 8);
    buf_putc(&shown, '/');
    if (files_name_show(name, len, basic, &shown) < 0 || utf8_count(shown.data, shown.len) < 0)
        abort();
    for (size_t i = 0; i < shown.len; i++)
        if ((unsigned char)shown.data[i] < 0x20 || shown.data[i] == 0x7F)
            abort();
    char path[8192];
    struct err e = { 0 };
    int r = files_path_read(shown.data, shown.len, path, sizeof(path), &e);
    if (files_name_good(name, len) && len + 2 < sizeof(path) &&
        (r < 0 || strlen(path) != len + 1 || memcmp(path + 1, name, len) != 0))
        abort();
    buf_fini(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    there_and_back(text, size, false);
    there_and_back(text, size, true);
    char path[4096];
    struct err e = { 0 };
    if (files_path_read(text, size, path, sizeof(path), &e) < 0) {
        if (!e.status)
            abort();
        return 0;
    }
    if (path[0] != '/' || strstr(path, "//") || (path[1] && path[strlen(path) - 1] == '/'))
        abort();
    for (const char *p = path; (p = strchr(p, '/')); p++)
        if (p[1] == '.' && (!p[2] || p[2] == '/' || (p[2] == '.' && (!p[3] || p[3] == '/'))))
            abort();
    struct buf shown;
    buf_init(&shown, 4 * sizeof(path));
    char again[4096];
    if (files_path_show(path, false, &shown) < 0 ||
        files_path_read(shown.data, shown.len, again, sizeof(again), &e) < 0 ||
        strcmp(path, again) != 0)
        abort();
    buf_fini(&shown);
    return 0;
}
