#include "guacd/backends/rdp/drive_irp.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/clip/clip.h"
#include "guacd/backends/rdp/bytes.h"
#include "guacd/backends/rdp/disk.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"

/* MS-ERREF 2.3.1 */
enum {
    OK = 0,
    NO_MORE_FILES = 0x80000006,
    FAILED = 0xC0000001,
    NOT_IMPLEMENTED = 0xC0000002,
    BAD_HANDLE = 0xC0000008,
    BAD_PARAMETER = 0xC000000D,
    NO_SUCH_FILE = 0xC000000F,
    BAD_REQUEST = 0xC0000010, /* no device control is known */
    END_OF_FILE = 0xC0000011,
    ACCESS_DENIED = 0xC0000022,
    BAD_NAME = 0xC0000033,
    EXISTS = 0xC0000035,
    NO_PATH = 0xC000003A,
    DISK_IS_FULL = 0xC000007F,
    NO_RESOURCES = 0xC000009A,
    IS_FOLDER = 0xC00000BA,
    NOT_SUPPORTED = 0xC00000BB,
    NOT_EMPTY = 0xC0000101,
    NOT_A_FOLDER = 0xC0000103,
};

/* MS-RDPEFS 2.2.1.4 */
enum { CREATE, CLOSE = 2, READ, WRITE, QUERY, SET, QUERY_VOLUME = 10, DIRECTORY = 12 };
enum { CONTROL = 14, LOCK = 17, MINOR_LIST = 1, MINOR_WATCH = 2 };
/* MS-SMB2 2.2.13 */
enum { SUPERSEDE, OPEN, CREATE_NEW, OPEN_IF, OVERWRITE, OVERWRITE_IF };
#define OPTION_FOLDER 0x1u
#define OPTION_NOT_FOLDER 0x40u
#define OPTION_REMOVE 0x1000u
/* MS-FSCC 2.4, 2.5, 2.6 */
enum { LIST = 1, LIST_FULL, LIST_BOTH, LIST_NAMES = 12 };
enum { BASIC = 4, STANDARD = 5, RENAME = 10, DISPOSITION = 13, ALLOCATION = 19, END = 20 };
enum { TAG = 35 };
enum { VOLUME = 1, VOLUME_SIZE = 3, DEVICE, ATTRIBUTES, FULL_SIZE = 7 };
#define ATTRIBUTE_FOLDER 0x10u
#define ATTRIBUTE_ARCHIVE 0x20u
#define SECTOR 512u
#define PATH_MAX_UTF8 8192

static const uint32_t statuses[] = {
    [DISK_OK] = OK,
    [DISK_NOT_FOUND] = NO_SUCH_FILE,
    [DISK_NO_WAY] = NO_PATH,
    [DISK_EXISTS] = EXISTS,
    [DISK_IS_FOLDER] = ACCESS_DENIED,
    [DISK_NOT_EMPTY] = NOT_EMPTY,
    [DISK_BAD_NAME] = BAD_NAME,
    [DISK_FULL] = DISK_IS_FULL,
    [DISK_FAILED] = FAILED,
};

/* ---- bytes --------------------------------------------------------------------------------------
 */

/* UTF-16 with backslashes (xrdp: slashes, too); NULL: cannot be one. */
static char *path_of(struct bytes *in, size_t bytes) {
    struct buf text;
    buf_init(&text, PATH_MAX_UTF8);
    if (in->bad || in->left < bytes || clip_to_utf8(CLIP_UTF16, in->p, bytes & ~1ul, &text) < 0) {
        buf_fini(&text);
        return NULL;
    }
    bytes_skip(in, bytes);
    buf_putc(&text, '\0');
    char *path = text.failed ? NULL : strdup(text.data);
    for (char *p = path; p && *p; p++)
        *p = *p == '\\' ? '/' : *p;
    buf_fini(&text);
    return path;
}

static void put_name(struct buf *out, const char *name) {
    clip_from_utf8(CLIP_UTF16, name, strlen(name), out);
}

/* 100 ns since 1601 */
static uint64_t filetime(int64_t unix_ms) {
    return (uint64_t)(unix_ms + 11644473600000) * 10000;
}

static void put_times(struct buf *out, const struct disk_node *n) {
    bytes_put(out, filetime(n->made_ms), 8);
    bytes_put(out, filetime(n->wrote_ms), 8);
    bytes_put(out, filetime(n->wrote_ms), 8);
    bytes_put(out, filetime(n->wrote_ms), 8);
}

static uint32_t attributes(const struct disk_node *n) {
    return n->folder ? ATTRIBUTE_FOLDER : ATTRIBUTE_ARCHIVE;
}

static uint64_t allocated(const struct disk_node *n) {
    return (n->size + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
}

/* ---- opening and closing ------------------------------------------------------------------------
 */

static struct drive_open *open_of(struct drive *d, uint32_t file) {
    return file >= 1 && file <= DRIVE_OPENS_MAX && d->opens[file - 1].node ? &d->opens[file - 1]
                                                                           : NULL;
}

static void close_one(struct drive *d, struct drive_open *o) {
    struct disk_node *n = o->node;
    if (o->remove && !n->gone)
        disk_remove(d->disk, n);
    else if (o->wrote && !n->gone && d->written)
        d->written(d->arg, n);
    disk_drop(d->disk, n);
    free(o->pattern);
    *o = (struct drive_open){ 0 };
}

void drive_close_all(struct drive *d) {
    for (size_t i = 0; i < DRIVE_OPENS_MAX; i++)
        if (d->opens[i].node)
            close_one(d, &d->opens[i]);
}

/* What is there, or is made, by the disposition; *was: Information of the answer. */
static uint32_t find_or_make(struct drive *d, const char *path, uint32_t how, uint32_t options,
                             struct disk_node **n, uint8_t *was) {
    enum { SUPERSEDED, OPENED, CREATED, OVERWRITTEN };
    bool may_make = how != OPEN && how != OVERWRITE;
    enum disk_result r = disk_find(d->disk, path, n);
    if (r == DISK_NOT_FOUND && may_make) {
        *was = CREATED;
        return statuses[disk_make(d->disk, path, options & OPTION_FOLDER, n)];
    }
    if (r)
        return statuses[r];
    if (how == CREATE_NEW)
        return EXISTS;
    if (options & OPTION_FOLDER && !(*n)->folder)
        return NOT_A_FOLDER;
    if (options & OPTION_NOT_FOLDER && (*n)->folder)
        return IS_FOLDER;
    *was = OPENED;
    if (how == OPEN || how == OPEN_IF)
        return OK;
    *was = how == SUPERSEDE ? SUPERSEDED : OVERWRITTEN;
    return (*n)->folder ? EXISTS : statuses[disk_resize(d->disk, *n, 0)];
}

static uint32_t create(struct drive *d, struct bytes *in, struct buf *out) {
    bytes_skip(in, 4 + 8 + 4 + 4); /* access, allocation, attributes, sharing */
    uint32_t how = bytes_u32(in), options = bytes_u32(in), bytes = bytes_u32(in);
    char *path = path_of(in, bytes);
    struct disk_node *n = NULL;
    uint8_t was = 0;
    size_t i = 0;
    while (i < DRIVE_OPENS_MAX && d->opens[i].node)
        i++;
    uint32_t status = !path || how > OVERWRITE_IF ? BAD_PARAMETER
                      : i == DRIVE_OPENS_MAX      ? NO_RESOURCES
                                                  : find_or_make(d, path, how, options, &n, &was);
    free(path);
    if (status == OK) {
        disk_hold(n);
        d->opens[i] = (struct drive_open){ .node = n, .remove = options & OPTION_REMOVE };
        /* One that was made or emptied is complete, though nothing may follow. */
        d->opens[i].wrote = !n->folder && was != 1;
    }
    bytes_put(out, status == OK ? i + 1 : 0, 4);
    bytes_put(out, was, 1);
    return status;
}

static uint32_t close_file(struct drive *d, struct drive_open *o, struct bytes *in,
                           struct buf *out) {
    (void)in;
    if (o)
        close_one(d, o);
    bytes_put(out, 0, 5);
    return o ? OK : BAD_HANDLE;
}

/* ---- bytes of a file ----------------------------------------------------------------------------
 */

static uint32_t read_file(struct drive *d, struct drive_open *o, struct bytes *in,
                          struct buf *out) {
    size_t len = bytes_u32(in), got = 0;
    len = MIN_OF(len, (size_t)DRIVE_READ_MAX);
    uint64_t at = bytes_get(in, 8);
    uint32_t status = !o                ? BAD_HANDLE
                      : in->bad         ? BAD_PARAMETER
                      : o->node->folder ? BAD_REQUEST
                                        : OK;
    size_t head = out->len;
    bytes_put(out, 0, 4);
    char *to = status == OK ? buf_reserve(out, len) : NULL;
    if (status == OK && !to && len)
        return NO_RESOURCES;
    if (to)
        status = statuses[disk_read(d->disk, o->node, at, to, len, &got)];
    if (status == OK && got == 0 && len > 0)
        return END_OF_FILE;
    out->len += got;
    for (unsigned i = 0; i < 4; i++)
        out->data[head + i] = (char)(got >> 8 * i & 0xFF);
    return status;
}

static uint32_t write_file(struct drive *d, struct drive_open *o, struct bytes *in,
                           struct buf *out) {
    uint32_t len = bytes_u32(in);
    uint64_t at = bytes_get(in, 8);
    bytes_skip(in, 20);
    uint32_t status = !o                          ? BAD_HANDLE
                      : in->bad || in->left < len ? BAD_PARAMETER
                      : o->node->folder           ? BAD_REQUEST
                                                  : OK;
    if (status == OK && at == UINT64_MAX) /* MS-FSCC: to its end */
        at = o->node->size;
    if (status == OK)
        status = statuses[disk_write(d->disk, o->node, at, in->p, len)];
    if (status == OK)
        o->wrote = true;
    bytes_put(out, status == OK ? len : 0, 4);
    bytes_put(out, 0, 1);
    return status;
}

/* ---- what is known of a file --------------------------------------------------------------------
 */

static uint32_t query(struct drive *d, struct drive_open *o, struct bytes *in, struct buf *out) {
    (void)d;
    uint32_t class = bytes_u32(in);
    const struct disk_node *n = o ? o->node : NULL;
    if (n && class == BASIC) {
        bytes_put(out, 36, 4);
        put_times(out, n);
        bytes_put(out, attributes(n), 4);
    } else if (n && class == STANDARD) {
        bytes_put(out, 22, 4);
        bytes_put(out, allocated(n), 8);
        bytes_put(out, n->size, 8);
        bytes_put(out, 1, 4);
        bytes_put(out, o->remove, 1);
        bytes_put(out, n->folder, 1);
    } else if (n && class == TAG) {
        bytes_put(out, 8, 4);
        bytes_put(out, attributes(n), 4);
        bytes_put(out, 0, 4);
    } else {
        bytes_put(out, 0, 4);
        return n ? NOT_SUPPORTED : BAD_HANDLE;
    }
    return OK;
}

static uint32_t rename_to(struct drive *d, struct disk_node *n, struct bytes *in) {
    bool replace = bytes_get(in, 1);
    bytes_skip(in, 1);
    char *path = path_of(in, bytes_u32(in));
    uint32_t status =
        path ? statuses[disk_place(d->disk, n, path, replace)] : (uint32_t)BAD_PARAMETER;
    free(path);
    return status;
}

static uint32_t set_one(struct drive *d, struct drive_open *o, uint32_t class, struct bytes *in) {
    uint64_t value;
    switch (class) {
    case BASIC: /* times and attributes: this disk has its own */
        return OK;
    case END:
    case ALLOCATION:
        value = bytes_get(in, 8);
        if (in->bad || o->node->folder)
            return BAD_PARAMETER;
        /* An allocation that is no shorter than the file says what will come. */
        if (class == ALLOCATION && value >= o->node->size)
            return value - o->node->size > disk_left(d->disk) + DISK_BLOCK ? DISK_IS_FULL : OK;
        o->wrote = true;
        return statuses[disk_resize(d->disk, o->node, value)];
    case DISPOSITION:
        value = in->left ? bytes_get(in, 1) : 1;
        if (value && (o->node->children || o->node == disk_top(d->disk)))
            return NOT_EMPTY;
        o->remove = value;
        return OK;
    case RENAME:
        return o->node == disk_top(d->disk) || o->node->gone ? ACCESS_DENIED
                                                             : rename_to(d, o->node, in);
    default:
        return NOT_SUPPORTED;
    }
}

static uint32_t set(struct drive *d, struct drive_open *o, struct bytes *in, struct buf *out) {
    uint32_t class = bytes_u32(in), len = bytes_u32(in);
    bytes_skip(in, 24);
    bytes_put(out, len, 4);
    return !o ? BAD_HANDLE : in->bad ? BAD_PARAMETER : set_one(d, o, class, in);
}

/* ---- the volume ---------------------------------------------------------------------------------
 */

static void put_units(struct buf *out, const struct disk *disk, bool full) {
    bytes_put(out, full ? 32 : 24, 4);
    bytes_put(out, disk_quota(disk) / DISK_BLOCK, 8);
    bytes_put(out, disk_left(disk) / DISK_BLOCK, 8);
    if (full)
        bytes_put(out, disk_left(disk) / DISK_BLOCK, 8);
    bytes_put(out, DISK_BLOCK / SECTOR, 4);
    bytes_put(out, SECTOR, 4);
}

static uint32_t query_volume(struct drive *d, struct drive_open *o, struct bytes *in,
                             struct buf *out) {
    static const char label[] = "S\0e\0s\0s\0i\0o\0n\0\0", system[] = "F\0A\0T\0003\0002\0\0";
    (void)o;
    switch (bytes_u32(in)) {
    case VOLUME:
        bytes_put(out, 17 + sizeof(label) - 1, 4);
        bytes_put(out, filetime(disk_top(d->disk)->made_ms), 8);
        bytes_put(out, 0, 4);
        bytes_put(out, sizeof(label) - 1, 4);
        bytes_put(out, 0, 1);
        buf_add(out, label, sizeof(label) - 1);
        return OK;
    case ATTRIBUTES:
        bytes_put(out, 12 + sizeof(system) - 1, 4);
        bytes_put(out, 0x2 | 0x4, 4); /* keeps case, Unicode */
        bytes_put(out, 255, 4);
        bytes_put(out, sizeof(system) - 1, 4);
        buf_add(out, system, sizeof(system) - 1);
        return OK;
    case VOLUME_SIZE:
        put_units(out, d->disk, false);
        return OK;
    case FULL_SIZE:
        put_units(out, d->disk, true);
        return OK;
    case DEVICE:
        bytes_put(out, 8, 4);
        bytes_put(out, 7, 4); /* a disk */
        bytes_put(out, 0, 4);
        return OK;
    default:
        bytes_put(out, 0, 4);
        return NOT_SUPPORTED;
    }
}

/* ---- listing ------------------------------------------------------------------------------------
 */

/* DOS patterns: '*' and '<' any run, '?' and '>' one byte or none at the end, '"' a dot. */
static bool matches(const char *pattern, const char *name) {
    const char *star = NULL, *from = NULL;
    while (*name) {
        if (*pattern == '*' || *pattern == '<') {
            star = ++pattern;
            from = name;
        } else if (*pattern &&
                   (*pattern == '?' || *pattern == '>' || (*pattern == '"' && *name == '.') ||
                    tolower((unsigned char)*pattern) == tolower((unsigned char)*name))) {
            pattern++, name++;
        } else if (star) {
            pattern = star;
            name = ++from;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*<?>")] == '\0' || strcmp(pattern, ".*") == 0;
}

static uint32_t put_entry(uint32_t class, const struct disk_node *n, struct buf *out) {
    struct buf name;
    buf_init(&name, 4 * DISK_NAME_MAX);
    put_name(&name, n->name);
    uint32_t len = (uint32_t)name.len;
    static const uint32_t heads[] = {
        [LIST] = 64, [LIST_FULL] = 68, [LIST_BOTH] = 93, [LIST_NAMES] = 12
    };
    bytes_put(out, heads[class] + len, 4);
    bytes_put(out, 0, 4);
    bytes_put(out, 0, 4);
    if (class != LIST_NAMES) {
        put_times(out, n);
        bytes_put(out, n->size, 8);
        bytes_put(out, allocated(n), 8);
        bytes_put(out, attributes(n), 4);
    }
    bytes_put(out, len, 4);
    if (class == LIST_FULL || class == LIST_BOTH)
        bytes_put(out, 0, 4);
    if (class == LIST_BOTH) /* no short name */
        for (int i = 0; i < 25; i++)
            bytes_put(out, 0, 1);
    buf_add(out, name.data ? name.data : "", name.len);
    buf_fini(&name);
    return OK;
}

static uint32_t list_next(struct drive_open *o, uint32_t class, bool first, struct buf *out) {
    struct disk_node *n = o->node->gone ? NULL : disk_next(o->node, o->listed);
    while (n && !matches(o->pattern, n->name))
        n = disk_next(o->node, n->serial);
    if (!n) {
        bytes_put(out, 0, 4);
        bytes_put(out, 0, 1);
        return first ? NO_SUCH_FILE : NO_MORE_FILES;
    }
    o->listed = n->serial;
    return put_entry(class, n, out);
}

static uint32_t list(struct drive_open *o, struct bytes *in, struct buf *out) {
    uint32_t class = bytes_u32(in);
    bool first = bytes_get(in, 1);
    uint32_t bytes = bytes_u32(in);
    bytes_skip(in, 23);
    uint32_t status = OK;
    if (!o || !o->node->folder)
        status = o ? NOT_A_FOLDER : BAD_HANDLE;
    else if (class != LIST && class != LIST_FULL && class != LIST_BOTH && class != LIST_NAMES)
        status = NOT_SUPPORTED;
    if (status == OK && first) {
        char *path = path_of(in, bytes), *slash = path ? strrchr(path, '/') : NULL;
        char *pattern = path ? strdup(slash ? slash + 1 : path) : NULL;
        free(path);
        free(o->pattern);
        o->pattern = pattern;
        o->listed = 0;
    }
    if (status == OK && !o->pattern)
        status = BAD_PARAMETER;
    if (status == OK)
        return list_next(o, class, first, out);
    bytes_put(out, 0, 4);
    bytes_put(out, 0, 1);
    return status;
}

static uint32_t nothing(struct buf *out, uint32_t status, unsigned bytes) {
    bytes_put(out, 0, bytes);
    return status;
}

/* ---- */

uint32_t drive_answer(struct drive *d, const struct drive_request *q, struct buf *out) {
    struct bytes in = { q->data, q->len, false };
    struct drive_open *o = open_of(d, q->file);
    switch (q->major) {
    case CREATE:
        return create(d, &in, out);
    case CLOSE:
        return close_file(d, o, &in, out);
    case READ:
        return read_file(d, o, &in, out);
    case WRITE:
        return write_file(d, o, &in, out);
    case QUERY:
        return query(d, o, &in, out);
    case SET:
        return set(d, o, &in, out);
    case QUERY_VOLUME:
        return query_volume(d, o, &in, out);
    case DIRECTORY:
        if (q->minor == MINOR_LIST)
            return list(o, &in, out);
        /* "Tell me when something changes" waits until the end: nothing is kept of it. */
        return q->minor == MINOR_WATCH ? DRIVE_SILENT : nothing(out, NOT_SUPPORTED, 4);
    case LOCK: /* nobody else opens files here */
        return nothing(out, o ? OK : BAD_HANDLE, 5);
    case CONTROL:
        return nothing(out, BAD_REQUEST, 4);
    default:
        return nothing(out, NOT_SUPPORTED, 4);
    }
}
