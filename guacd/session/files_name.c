#include "guacd/session/files_name.h"

#include <stdint.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

bool files_name_good(const char *name, size_t len) {
    if (!len || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
        return false;
    return !memchr(name, '/', len) && !memchr(name, '\0', len);
}

/* Shown as it is? Not what moves the cursor, ends a line, or turns the direction of text. */
static bool plain(uint32_t cp, bool basic) {
    if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || (basic && cp > 0xFFFF))
        return false;
    return !((cp >= 0x200B && cp <= 0x200F && cp != 0x200D) || (cp >= 0x2028 && cp <= 0x202E) ||
             (cp >= 0x2066 && cp <= 0x2069) || cp == 0x061C || cp == 0xFEFF);
}

int files_name_show(const char *name, size_t len, bool basic, struct buf *out) {
    for (size_t at = 0, n; at < len; at += n) {
        uint32_t cp = 0;
        n = utf8_decode(name + at, len - at, &cp);
        bool good = n && plain(cp, basic);
        if (good && cp == '\\')
            buf_putc(out, '\\');
        if (good)
            buf_add(out, name + at, n);
        n = n ? n : 1;
        for (size_t i = 0; !good && i < n; i++)
            buf_printf(out, "\\x%02X", (unsigned char)name[at + i]);
    }
    return out->failed ? -1 : 0;
}

int files_path_show(const char *path, bool basic, struct buf *out) {
    while (*path) {
        size_t n = strcspn(path, "/");
        files_name_show(path, n, basic, out);
        path += n;
        if (*path)
            buf_putc(out, *path++);
    }
    return out->failed ? -1 : 0;
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One component, appended to out. */
static void unescape(const char *text, size_t len, struct buf *out) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len && text[i + 1] == '\\') {
            i++;
        } else if (text[i] == '\\' && i + 3 < len && text[i + 1] == 'x' && hex(text[i + 2]) >= 0 &&
                   hex(text[i + 3]) >= 0) {
            buf_putc(out, (char)(hex(text[i + 2]) << 4 | hex(text[i + 3])));
            i += 3;
            continue;
        }
        buf_putc(out, text[i]);
    }
}

int files_path_read(const char *text, size_t len, char *out, size_t size, struct err *e) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, size - 1);
    for (size_t at = 0; at < len;) {
        const char *slash = memchr(text + at, '/', len - at);
        size_t n = slash ? (size_t)(slash - text) - at : len - at;
        if (n && !(n == 1 && text[at] == '.')) {
            buf_putc(&b, '/');
            size_t start = b.len;
            unescape(text + at, n, &b);
            if (!b.failed && !files_name_good(b.data + start, b.len - start))
                return err_set(e, STATUS_CLIENT_BAD_REQUEST, "No file can have such a name.");
        }
        at += n + 1;
    }
    if (b.failed)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "This path is too long.");
    if (!b.len)
        buf_putc(&b, '/');
    memcpy(out, b.data, b.len);
    out[b.len] = '\0';
    return 0;
}
