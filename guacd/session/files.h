/* A file system of the target, shown to people as a Guacamole object: folders as stream indices,
 * files as streams, both ways. A backend fills `struct files_impl` (SFTP, a drive, a pod); roles,
 * policy, limits, flow control, hashes and the recording are kept here, so that no backend and no
 * page decides any of them.
 *
 * Threads: one thread of the backend's serves a file system. It polls files_fd() and calls
 * files_dispatch(), which calls the three functions below; they must not block for long (a step of
 * a local disk is fine, a server's answer is not): what cannot go on now returns, and goes on
 * later, told by `more` or by the backend's own descriptors. All files_* calls of this header are
 * for that thread. Different file systems of one session may have different threads.
 *
 * Paths given to a backend are the person's: absolute from the top of this file system ("/",
 * "/a/b"), the bytes of the target (any but NUL), without "//", "." and "..", at most
 * FILES_PATH_MAX. Confining them to a folder is the backend's: it knows what links are. */
#ifndef GUAC_SESSION_FILES_H
#define GUAC_SESSION_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"

#define FILES_PATH_MAX 4096           /* bytes, NUL included */
#define FILES_NAME_MAX 1024           /* bytes of one entry's name */
#define FILES_BUFFER (1u << 20)       /* of one stream between the two threads */
#define FILES_LIST_MAX (16u << 20)    /* of one listing */
#define FILES_LIST_ENTRIES_MAX 100000 /* of one listing */
#define FILES_OPS_MAX 64              /* under way in one file system */
#define FILES_MAX 4                   /* file systems of one session */
#define FILES_SIZE_UNKNOWN UINT64_MAX

struct session;
struct files;
struct files_op; /* one request under way; the backend may use it from begin() until files_done()
                    or the return of cancel(), and never after */

enum files_kind {
    FILES_GET,   /* list a folder or read a file: the backend looks which it is */
    FILES_PUT,   /* write a file (made or cut to nothing), its folders made as needed */
    FILES_FOLDER /* make a folder, and those above it; one that is there is good */
};

struct files_impl {
    /* Something is asked for. Ends in one files_done(), now or later, unless it is cancelled. */
    void (*begin)(void *arg, struct files_op *op);
    /* There is room again (GET), or bytes, or the end of them (PUT), after files_room() or
     * files_take() gave 0; or the session goes on after a pause. */
    void (*more)(void *arg, struct files_op *op);
    /* Nobody wants it any more, or policy ended it: let go of it before returning; no
     * files_done(). What is half written should be removed if this op made it. */
    void (*cancel)(void *arg, struct files_op *op);
};

struct files_conf {
    const char *name; /* as people see it, UTF-8 */
    /* The parameters that forbid a direction: "sftp-disable-download", … NULL: none. Gateway rows
     * and read-only are looked at besides. */
    const char *disable_download, *disable_upload;
    const char *drop; /* folder, as a path of this file system, of files that are dropped onto the
                         picture; NULL: its top */
};

/* Shown to who may see it at once, until files_close(). NULL with e. `impl` and `arg` stay the
 * backend's; conf is copied. */
struct files *files_open(struct session *s, const struct files_conf *conf,
                         const struct files_impl *impl, void *arg, struct err *e);
/* Every op still under way is cancelled and told as broken off; no other call may follow. At the
 * latest in the backend's close(). `why`: a sentence for people. NULL f is fine. */
void files_close(struct files *f, const char *why);
/* Readable while files_dispatch() has something to do. */
int files_fd(const struct files *f);
void files_dispatch(struct files *f);
/* Send this file to the owner without being asked (a folder that stands for "download"); policy
 * applies. begin() follows with FILES_GET. */
void files_offer(struct files *f, const char *path);

/* ---- an op ------------------------------------------------------------------------------------
 */

enum files_kind files_kind(const struct files_op *op);
const char *files_path(const struct files_op *op);
/* The backend's own, NULL at first. */
void *files_tag(const struct files_op *op);
void files_set_tag(struct files_op *op, void *tag);

/* GET, once, before anything else: it is a folder; or a file with that many bytes
 * (FILES_SIZE_UNKNOWN). false: policy does not let it out; the op is over, as after files_done().
 */
void files_is_folder(struct files_op *op);
bool files_is_file(struct files_op *op, uint64_t size);

struct files_entry {
    const char *name; /* bytes of the target; "." and ".." and what no path can name are skipped */
    size_t name_len;
    bool folder;      /* or a link to one */
    bool special;     /* neither file nor folder: shown, not to be read */
    uint64_t size;    /* FILES_SIZE_UNKNOWN */
    int64_t mtime_ms; /* Unix; 0: unknown */
};
/* false: the listing is full, stop (it is told as cut short). */
bool files_entry(struct files_op *op, const struct files_entry *entry);

/* GET of a file: bytes that may be given now; 0: more() follows. */
size_t files_room(struct files_op *op);
void files_give(struct files_op *op, const void *data, size_t len); /* len <= files_room() */

/* PUT, once, before files_take(): the target has opened the file, the person may send. */
void files_ready(struct files_op *op);
/* PUT: moves at most max bytes to data; 0: nothing there now (more() follows), or nothing ever
 * again: then *whole. */
size_t files_take(struct files_op *op, void *data, size_t max, bool *whole);
/* The target has taken that many of them for good: only this acknowledges them to the person. */
void files_wrote(struct files_op *op, size_t len);

/* Over: status 0, or why not, with a sentence for the person. The op is gone afterwards. A GET of
 * a file that fails halfway is never told as whole; a PUT is good only once the target has closed
 * the file. */
void files_done(struct files_op *op, int status, const char *text);

#endif
