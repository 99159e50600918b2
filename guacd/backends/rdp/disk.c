#include "guacd/backends/rdp/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/util.h"

#define HOLE UINT32_MAX

struct disk {
    int fd;
    struct disk_node top;
    uint64_t serial;
    size_t nodes;
    uint32_t most, used, high; /* blocks: allowed, with bytes in them, ever used */
    uint64_t listed;           /* in all nodes, holes too: a bound on memory */
    uint32_t *spare;           /* those below `high` that are free */
    uint32_t spare_count, spare_room;
};

struct disk *disk_new(int fd, uint64_t quota) {
    struct disk *d = calloc(1, sizeof(*d));
    if (!d) {
        close(fd);
        return NULL;
    }
    d->fd = fd;
    d->most = (uint32_t)MIN_OF(quota / DISK_BLOCK, (uint64_t)HOLE - 1);
    d->top = (struct disk_node){ .name = strdup(""), .folder = true, .refs = 1 };
    d->top.made_ms = d->top.wrote_ms = (int64_t)clock_wall_ms();
    if (d->top.name)
        return d;
    disk_free(d);
    return NULL;
}

struct disk_node *disk_top(struct disk *d) {
    return &d->top;
}

uint64_t disk_quota(const struct disk *d) {
    return (uint64_t)d->most * DISK_BLOCK;
}

uint64_t disk_left(const struct disk *d) {
    return (uint64_t)(d->most - d->used) * DISK_BLOCK;
}

/* ---- blocks -------------------------------------------------------------------------------------
 */

/* Free ones read as zeros: given back to the file system, or else overwritten. */
static bool clear(struct disk *d, uint32_t block) {
    static const char zeros[DISK_BLOCK];
    off_t at = (off_t)block * DISK_BLOCK;
    return fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, DISK_BLOCK) == 0 ||
           pwrite(d->fd, zeros, sizeof(zeros), at) == sizeof(zeros);
}

static void give_back(struct disk *d, uint32_t block) {
    if (block == HOLE)
        return;
    if (d->spare_count == d->spare_room) {
        uint32_t room = MAX_OF(64u, d->spare_room * 2);
        uint32_t *more = realloc(d->spare, room * sizeof(*more));
        if (!more)
            return; /* lost for this session, as is one that cannot be cleared */
        d->spare = more;
        d->spare_room = room;
    }
    if (!clear(d, block))
        return;
    d->spare[d->spare_count++] = block;
    d->used--;
}

static enum disk_result take(struct disk *d, uint32_t *block) {
    if (*block != HOLE)
        return DISK_OK;
    if (d->used >= d->most)
        return DISK_FULL;
    *block = d->spare_count ? d->spare[--d->spare_count] : d->high++;
    d->used++;
    return DISK_OK;
}

static void shorten(struct disk *d, struct disk_node *n, size_t count) {
    while (n->block_count > count)
        give_back(d, n->blocks[--n->block_count]), d->listed--;
    if (count == 0) {
        free(n->blocks);
        n->blocks = NULL;
    }
}

static enum disk_result lengthen(struct disk *d, struct disk_node *n, size_t count) {
    if (count <= n->block_count)
        return DISK_OK;
    if (d->listed + (count - n->block_count) > 4ull * d->most + DISK_NODES_MAX)
        return DISK_FULL;
    uint32_t *more = realloc(n->blocks, count * sizeof(*more));
    if (!more)
        return DISK_FAILED;
    n->blocks = more;
    d->listed += count - n->block_count;
    while (n->block_count < count)
        n->blocks[n->block_count++] = HOLE;
    return DISK_OK;
}

static size_t blocks_of(uint64_t bytes) {
    return (size_t)((bytes + DISK_BLOCK - 1) / DISK_BLOCK);
}

/* ---- nodes --------------------------------------------------------------------------------------
 */

static void destroy(struct disk *d, struct disk_node *n) {
    shorten(d, n, 0);
    free(n->name);
    free(n);
    d->nodes--;
}

void disk_hold(struct disk_node *n) {
    n->refs++;
}

void disk_drop(struct disk *d, struct disk_node *n) {
    if (n && --n->refs == 0)
        destroy(d, n);
}

static void free_below(struct disk_node *n) {
    while (n->children) {
        struct disk_node *child = n->children;
        n->children = child->next;
        free_below(child);
        free(child->blocks);
        free(child->name);
        free(child);
    }
}

void disk_free(struct disk *d) {
    if (!d)
        return;
    free_below(&d->top);
    free(d->top.name);
    free(d->spare);
    close(d->fd);
    free(d);
}

struct disk_node *disk_nameless(struct disk *d) {
    struct disk_node *n = d->nodes < DISK_NODES_MAX ? calloc(1, sizeof(*n)) : NULL;
    if (!n)
        return NULL;
    d->nodes++;
    n->refs = 1;
    n->gone = true;
    n->made_ms = n->wrote_ms = (int64_t)clock_wall_ms();
    return n;
}

static struct disk_node *child_of(const struct disk_node *folder, const char *name, size_t len) {
    struct disk_node *n = folder->children;
    while (n && (strlen(n->name) != len || strncasecmp(n->name, name, len) != 0))
        n = n->next;
    return n;
}

/* What Windows has no name for, no path of ours can name either. */
static bool is_name(const char *name, size_t len) {
    if (len == 0 || len > DISK_NAME_MAX || name[len - 1] == '.' || name[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || strchr("\\/:*?\"<>|", name[i]))
            return false;
    return utf8_count(name, len) >= 0;
}

bool disk_is_path(const char *path) {
    unsigned depth = 0;
    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t len = strcspn(path, "/");
        if (!is_name(path, len) || ++depth > DISK_DEPTH_MAX)
            return false;
        path += len;
    }
    return depth > 0;
}

/* The folder that `path` is in, and the last name. */
static enum disk_result walk(struct disk *d, const char *path, bool make, struct disk_node **in,
                             const char **last) {
    struct disk_node *at = &d->top;
    unsigned depth = 0;
    path += strspn(path, "/");
    for (const char *slash; (slash = strchr(path, '/')) && slash[strspn(slash, "/")];
         path = slash + strspn(slash, "/")) {
        size_t len = (size_t)(slash - path);
        struct disk_node *next = child_of(at, path, len);
        if (!next && make) {
            char *name = strndup(path, len);
            struct disk_node *n =
                is_name(path, len) && depth < DISK_DEPTH_MAX ? disk_nameless(d) : NULL;
            if (!n || !name) {
                free(name);
                disk_drop(d, n);
                return is_name(path, len) ? DISK_FULL : DISK_BAD_NAME;
            }
            n->folder = true;
            n->name = name;
            n->gone = false;
            n->parent = at;
            n->serial = ++d->serial;
            struct disk_node **end = &at->children;
            while (*end)
                end = &(*end)->next;
            *end = next = n;
        }
        if (!next || !next->folder || ++depth > DISK_DEPTH_MAX)
            return DISK_NO_WAY;
        at = next;
    }
    *in = at;
    *last = path;
    return DISK_OK;
}

static size_t name_len(const char *last) {
    return strcspn(last, "/");
}

enum disk_result disk_find(struct disk *d, const char *path, struct disk_node **out) {
    struct disk_node *in;
    const char *last;
    enum disk_result r = walk(d, path, false, &in, &last);
    if (r)
        return r;
    struct disk_node *n = name_len(last) ? child_of(in, last, name_len(last)) : in;
    if (!n)
        return DISK_NOT_FOUND;
    *out = n;
    return DISK_OK;
}

enum disk_result disk_make_above(struct disk *d, const char *path) {
    struct disk_node *in;
    const char *last;
    return walk(d, path, true, &in, &last);
}

static void unlink_node(struct disk_node *n) {
    struct disk_node **at = &n->parent->children;
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    n->next = NULL;
    n->parent->wrote_ms = (int64_t)clock_wall_ms();
    n->parent = NULL;
    n->gone = true;
}

enum disk_result disk_remove(struct disk *d, struct disk_node *n) {
    if (n == &d->top || n->children)
        return DISK_NOT_EMPTY;
    if (n->gone)
        return DISK_NOT_FOUND;
    unlink_node(n);
    disk_drop(d, n);
    return DISK_OK;
}

static unsigned depth_below(const struct disk_node *n) {
    unsigned most = 0;
    for (const struct disk_node *c = n->children; c; c = c->next)
        most = MAX_OF(most, 1 + depth_below(c));
    return most;
}

static unsigned depth_of(const struct disk_node *n) {
    unsigned depth = 0;
    for (; n->parent; n = n->parent)
        depth++;
    return depth;
}

static bool is_in(const struct disk_node *n, const struct disk_node *folder) {
    for (; n; n = n->parent)
        if (n == folder)
            return true;
    return false;
}

enum disk_result disk_place(struct disk *d, struct disk_node *n, const char *path, bool replace) {
    struct disk_node *in;
    const char *last;
    enum disk_result r = walk(d, path, false, &in, &last);
    if (r)
        return r;
    size_t len = name_len(last);
    if (!is_name(last, len))
        return len ? DISK_BAD_NAME : DISK_EXISTS;
    if (is_in(in, n) || depth_of(in) + 1 + depth_below(n) > DISK_DEPTH_MAX)
        return DISK_NO_WAY;
    struct disk_node *old = child_of(in, last, len);
    if (old && old != n && (!replace || old->folder))
        return old->folder && replace ? DISK_IS_FOLDER : DISK_EXISTS;
    char *name = strndup(last, len);
    if (!name)
        return DISK_FAILED;
    if (old && old != n)
        disk_remove(d, old);
    if (n->gone)
        n->refs++; /* the tree's own */
    else
        unlink_node(n);
    free(n->name);
    n->name = name;
    n->gone = false;
    n->parent = in;
    n->serial = ++d->serial;
    struct disk_node **end = &in->children;
    while (*end)
        end = &(*end)->next;
    *end = n;
    in->wrote_ms = (int64_t)clock_wall_ms();
    return DISK_OK;
}

enum disk_result disk_make(struct disk *d, const char *path, bool folder, struct disk_node **out) {
    if (disk_find(d, path, out) == DISK_OK)
        return DISK_EXISTS;
    struct disk_node *n = disk_nameless(d);
    if (!n)
        return DISK_FULL;
    n->folder = folder;
    enum disk_result r = disk_place(d, n, path, false);
    disk_drop(d, n);
    if (r == DISK_OK)
        *out = n; /* the tree holds it */
    return r;
}

bool disk_path(const struct disk_node *n, char *out, size_t max) {
    const struct disk_node *way[DISK_DEPTH_MAX + 2];
    size_t count = 0, len = 0;
    if (n->gone)
        return false;
    for (; n->parent && count < ARRAY_LEN(way); n = n->parent)
        way[count++] = n;
    while (count > 0) {
        const char *name = way[--count]->name;
        size_t more = strlen(name) + 1;
        if (len + more >= max)
            return false;
        out[len] = '/';
        memcpy(out + len + 1, name, more);
        len += more;
    }
    if (len == 0 && max > 1)
        memcpy(out, "/", 2);
    return len > 0 || max > 1;
}

struct disk_node *disk_next(const struct disk_node *folder, uint64_t serial) {
    struct disk_node *n = folder->children;
    while (n && n->serial <= serial)
        n = n->next;
    return n;
}

/* ---- bytes --------------------------------------------------------------------------------------
 */

enum disk_result disk_read(struct disk *d, const struct disk_node *n, uint64_t at, void *data,
                           size_t len, size_t *got) {
    char *to = data;
    size_t whole = at < n->size ? (size_t)MIN_OF((uint64_t)len, n->size - at) : 0;
    for (size_t done = 0, part; done < whole; done += part) {
        uint64_t from = at + done;
        size_t in = (size_t)(from % DISK_BLOCK), i = (size_t)(from / DISK_BLOCK);
        part = MIN_OF(whole - done, DISK_BLOCK - in);
        uint32_t block = i < n->block_count ? n->blocks[i] : HOLE;
        memset(to + done, 0, part); /* holes, and what the file behind does not reach */
        if (block != HOLE &&
            pread(d->fd, to + done, part, (off_t)block * DISK_BLOCK + (off_t)in) < 0)
            return DISK_FAILED;
    }
    *got = whole;
    return DISK_OK;
}

/* Blocks first, so that a write that there is no room for changes nothing that can be read. */
static enum disk_result make_room(struct disk *d, struct disk_node *n, uint64_t at, size_t len) {
    size_t first = (size_t)(at / DISK_BLOCK), end = blocks_of(at + len);
    enum disk_result r = lengthen(d, n, end);
    for (size_t i = first; r == DISK_OK && i < end; i++)
        r = take(d, &n->blocks[i]);
    return r;
}

/* What is cut off must not come back when it grows again. */
static enum disk_result clear_end(struct disk *d, struct disk_node *n) {
    static const char zeros[DISK_BLOCK];
    size_t in = (size_t)(n->size % DISK_BLOCK), i = (size_t)(n->size / DISK_BLOCK);
    if (in == 0 || i >= n->block_count || n->blocks[i] == HOLE)
        return DISK_OK;
    size_t rest = DISK_BLOCK - in;
    off_t at = (off_t)n->blocks[i] * DISK_BLOCK + (off_t)in;
    return pwrite(d->fd, zeros, rest, at) == (ssize_t)rest ? DISK_OK : DISK_FAILED;
}

enum disk_result disk_write(struct disk *d, struct disk_node *n, uint64_t at, const void *data,
                            size_t len) {
    const char *from = data;
    if (len == 0)
        return DISK_OK;
    if (at > disk_quota(d) || len > disk_quota(d) - at)
        return DISK_FULL;
    enum disk_result r = make_room(d, n, at, len);
    for (size_t done = 0, part; r == DISK_OK && done < len; done += part) {
        uint64_t to = at + done;
        size_t in = (size_t)(to % DISK_BLOCK);
        part = MIN_OF(len - done, DISK_BLOCK - in);
        off_t place = (off_t)n->blocks[to / DISK_BLOCK] * DISK_BLOCK + (off_t)in;
        ssize_t got = pwrite(d->fd, from + done, part, place);
        if (got != (ssize_t)part)
            r = got >= 0 || errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? DISK_FULL
                                                                                 : DISK_FAILED;
    }
    if (r) {
        shorten(d, n, blocks_of(n->size));
        clear_end(d, n);
        return r;
    }
    n->size = MAX_OF(n->size, at + len);
    n->wrote_ms = (int64_t)clock_wall_ms();
    return DISK_OK;
}

enum disk_result disk_resize(struct disk *d, struct disk_node *n, uint64_t size) {
    /* What is left of its last block is room, too. */
    if (size > n->size && (size > disk_quota(d) || size - n->size > disk_left(d) + DISK_BLOCK))
        return DISK_FULL;
    bool shorter = size < n->size;
    n->size = size;
    n->wrote_ms = (int64_t)clock_wall_ms();
    if (!shorter)
        return DISK_OK;
    shorten(d, n, blocks_of(size));
    return clear_end(d, n);
}
