/* One op on its way through libssh2: each step is one call that may have to be repeated. A task
 * that was cancelled goes on to the end of its call, closes what it opened, and goes. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/sftp/sftp_path.h"
#include "guacd/backends/sftp/sftp_priv.h"
#include "guacd/base/clock.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define LINKS_MAX 2000 /* of a folder, that are followed to see where they lead */
#define MADE_FILE 0644
#define MADE_FOLDER 0755
#define FULL_BYTES (1u << 20) /* a disk with less than that counts as full */

static void leave(struct lane *lane) {
    struct task *t = lane->task;
    if (t->transfer && t->rate_ms)
        t->c->busy--;
    lane->task = NULL;
    if (t->op)
        files_done(t->op, t->status, t->why);
    task_free(t);
}

void task_free(struct task *t) {
    if (!t)
        return;
    buf_wipe(&t->out);
    free(t);
}

static void fail(struct task *t, int status, const char *why) {
    t->status = status;
    snprintf(t->why, sizeof t->why, "%s", why);
}

/* It ends here; the handle is closed at first. */
static bool stop(struct task *t) {
    t->step = t->handle ? STEP_CLOSE : STEP_OVER;
    return true;
}

static bool refused(struct lane *lane, int rc) {
    struct task *t = lane->task;
    sftp_explain(t->c, lane->lib, rc, &t->status, t->why, sizeof t->why);
    return stop(t);
}

static bool says(struct lane *lane, int rc, unsigned long code) {
    return rc == LIBSSH2_ERROR_SFTP_PROTOCOL && libssh2_sftp_last_error(lane->lib) == code;
}

static bool missing(struct lane *lane, int rc) {
    return says(lane, rc, LIBSSH2_FX_NO_SUCH_FILE) || says(lane, rc, LIBSSH2_FX_NO_SUCH_PATH);
}

static unsigned length(const char *path) {
    return (unsigned)strlen(path);
}

/* ---- where it is -------------------------------------------------------------------------------
 */

/* The target resolves the links of what is there; what is not there yet lies in a folder that is.
 */
static bool run_real(struct lane *lane) {
    struct task *t = lane->task;
    char real[SFTP_PATH_MAX];
    int n = libssh2_sftp_symlink_ex(lane->lib, t->work, length(t->work), real, sizeof real - 1,
                                    LIBSSH2_SFTP_REALPATH);
    if (n == LIBSSH2_ERROR_EAGAIN)
        return false;
    enum files_kind kind = t->op ? files_kind(t->op) : FILES_GET;
    if (n == LIBSSH2_ERROR_SFTP_PROTOCOL && kind != FILES_GET && sftp_path_up(t->work))
        return true; /* what cannot be looked at cannot be opened either */
    if (says(lane, n, LIBSSH2_FX_FAILURE)) {
        fail(t, STATUS_RESOURCE_CONFLICT, "A file stands where a folder is meant.");
        return stop(t);
    }
    if (n < 0)
        return refused(lane, n);
    real[n] = '\0';
    if (!sftp_path_below(t->c->root, real)) {
        fail(t, STATUS_CLIENT_FORBIDDEN, "This leads out of the folder that may be used here.");
        return stop(t);
    }
    memcpy(t->work, t->path, sizeof t->work);
    t->step = kind == FILES_GET ? STEP_STAT : kind == FILES_PUT ? STEP_MAKE : STEP_FOLDERS;
    return true;
}

static bool is_type(const LIBSSH2_SFTP_ATTRIBUTES *a, unsigned long type) {
    return a->flags & LIBSSH2_SFTP_ATTR_PERMISSIONS &&
           (a->permissions & LIBSSH2_SFTP_S_IFMT) == type;
}

static bool run_stat(struct lane *lane) {
    struct task *t = lane->task;
    int rc =
        libssh2_sftp_stat_ex(lane->lib, t->path, length(t->path), LIBSSH2_SFTP_STAT, &t->attrs);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (rc)
        return refused(lane, rc);
    if (!t->op)
        return stop(t);
    if (is_type(&t->attrs, LIBSSH2_SFTP_S_IFDIR)) {
        t->step = STEP_OPEN_FOLDER;
        return true;
    }
    if (t->attrs.flags & LIBSSH2_SFTP_ATTR_PERMISSIONS &&
        !is_type(&t->attrs, LIBSSH2_SFTP_S_IFREG)) {
        fail(t, STATUS_CLIENT_FORBIDDEN, "This is neither a file nor a folder.");
        return stop(t);
    }
    t->step = STEP_OPEN;
    return true;
}

/* ---- listing -----------------------------------------------------------------------------------
 */

static bool run_open(struct lane *lane, unsigned long flags, int type) {
    struct task *t = lane->task;
    t->handle = libssh2_sftp_open_ex(lane->lib, t->path, length(t->path), flags, MADE_FILE, type);
    int rc = t->handle ? 0 : libssh2_session_last_errno(t->c->conf.lib);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (rc)
        return refused(lane, rc);
    if (type == LIBSSH2_SFTP_OPENDIR) {
        t->step = STEP_ENTRY;
        if (t->op)
            files_is_folder(t->op);
    } else {
        t->step = STEP_READ;
    }
    return true;
}

static bool tell_entry(struct task *t) {
    const LIBSSH2_SFTP_ATTRIBUTES *a = &t->attrs;
    bool typed = a->flags & LIBSSH2_SFTP_ATTR_PERMISSIONS;
    const struct files_entry entry = {
        .name = t->name,
        .name_len = t->name_len,
        .folder = is_type(a, LIBSSH2_SFTP_S_IFDIR),
        .special = typed && !is_type(a, LIBSSH2_SFTP_S_IFDIR) && !is_type(a, LIBSSH2_SFTP_S_IFREG),
        .size = a->flags & LIBSSH2_SFTP_ATTR_SIZE ? a->filesize : FILES_SIZE_UNKNOWN,
        .mtime_ms = a->flags & LIBSSH2_SFTP_ATTR_ACMODTIME ? (int64_t)a->mtime * 1000 : 0,
    };
    t->step = STEP_ENTRY;
    if (!t->op || !files_entry(t->op, &entry))
        stop(t);
    return true;
}

static bool run_entry(struct lane *lane) {
    struct task *t = lane->task;
    if (!t->op)
        return stop(t);
    int n = libssh2_sftp_readdir_ex(t->handle, t->name, sizeof t->name, NULL, 0, &t->attrs);
    if (n == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (n == LIBSSH2_ERROR_BUFFER_TOO_SMALL)
        return true; /* no name of ours: left out */
    if (n < 0)
        return refused(lane, n);
    if (n == 0)
        return stop(t);
    t->name_len = (size_t)n;
    if (is_type(&t->attrs, LIBSSH2_SFTP_S_IFLNK) && t->links++ < LINKS_MAX &&
        !memchr(t->name, '/', t->name_len) && !memchr(t->name, '\0', t->name_len) &&
        (size_t)snprintf(t->work, sizeof t->work, "%s/%.*s", t->path, n, t->name) <
            sizeof t->work) {
        t->step = STEP_LINK;
        return true;
    }
    return tell_entry(t);
}

static bool run_link(struct lane *lane) {
    struct task *t = lane->task;
    LIBSSH2_SFTP_ATTRIBUTES a;
    int rc = libssh2_sftp_stat_ex(lane->lib, t->work, length(t->work), LIBSSH2_SFTP_STAT, &a);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (rc == 0)
        t->attrs = a; /* else it leads nowhere: special */
    return tell_entry(t);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* As much ahead as the link carries in a moment, so that it never idles and a terminal on the same
 * connection does not wait long behind it. */
static void learn_rate(struct task *t, size_t got) {
    uint64_t now = clock_ms();
    t->rate_bytes += got;
    if (now - t->rate_ms < SFTP_AHEAD_MS)
        return;
    uint64_t carried = t->rate_bytes * SFTP_AHEAD_MS / (now - t->rate_ms) / 4;
    uint64_t most = MIN_OF((uint64_t)t->ahead * 2, (uint64_t)SFTP_READ_MAX);
    carried = MIN_OF(carried + carried / 2, most);
    t->ahead = MAX_OF((size_t)carried, (size_t)SFTP_READ_FIRST / 2);
    t->rate_bytes = 0;
    t->rate_ms = now;
}

/* The file is told to the session when it is open, so that what cannot be opened never begins. */
static bool first_read(struct task *t) {
    uint64_t size =
        t->attrs.flags & LIBSSH2_SFTP_ATTR_SIZE ? t->attrs.filesize : FILES_SIZE_UNKNOWN;
    t->rate_ms = clock_ms();
    t->c->busy++;
    if (files_is_file(t->op, size))
        return true;
    t->op = NULL;
    return stop(t);
}

static bool run_read(struct lane *lane) {
    struct task *t = lane->task;
    if (!t->op)
        return stop(t);
    if (!t->rate_ms)
        return first_read(t);
    size_t room = MIN_OF(files_room(t->op), t->ahead);
    if (room < SFTP_READ_FIRST / 2 || t->c->conf.room(t->c->conf.arg) < 16384)
        return false;
    ssize_t n = libssh2_sftp_read(t->handle, t->c->read_buf, room);
    if (n == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (n < 0)
        return refused(lane, (int)n);
    if (n == 0)
        return stop(t);
    files_give(t->op, t->c->read_buf, (size_t)n);
    learn_rate(t, (size_t)n);
    return true;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

/* A file that is not there is made, and removed again should it not come whole. */
static bool run_make(struct lane *lane) {
    struct task *t = lane->task;
    t->made = t->step == STEP_MAKE;
    unsigned long flags =
        LIBSSH2_FXF_WRITE | (t->made ? LIBSSH2_FXF_CREAT | LIBSSH2_FXF_EXCL : LIBSSH2_FXF_TRUNC);
    t->handle = libssh2_sftp_open_ex(lane->lib, t->path, length(t->path), flags, MADE_FILE,
                                     LIBSSH2_SFTP_OPENFILE);
    int rc = t->handle ? 0 : libssh2_session_last_errno(t->c->conf.lib);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (rc == 0) {
        t->step = STEP_WRITE;
        t->rate_ms = clock_ms();
        t->c->busy++;
        if (t->op)
            files_ready(t->op);
        return true;
    }
    if (t->made && missing(lane, rc) && !t->tried) {
        t->tried = true;
        t->step = STEP_FOLDERS;
        sftp_path_up(t->work);
        return true;
    }
    if (t->made &&
        (says(lane, rc, LIBSSH2_FX_FAILURE) || says(lane, rc, LIBSSH2_FX_FILE_ALREADY_EXISTS))) {
        t->step = STEP_REPLACE;
        return true;
    }
    if (!t->made && says(lane, rc, LIBSSH2_FX_FAILURE)) {
        fail(t, STATUS_RESOURCE_CONFLICT,
             "No file can be written there: a folder has its name, or a file stands above it.");
        return stop(t);
    }
    return refused(lane, rc);
}

/* Each folder of work from the top; those that are there already refuse, which is good. */
static bool run_folders(struct lane *lane) {
    struct task *t = lane->task;
    const char *from = t->work + (t->at ? t->at : MAX_OF(strlen(t->c->root), (size_t)1));
    const char *slash = strchr(*from == '/' ? from + 1 : from, '/');
    size_t n = slash ? (size_t)(slash - t->work) : strlen(t->work);
    int rc = libssh2_sftp_mkdir_ex(lane->lib, t->work, (unsigned)n, MADE_FOLDER);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    t->at = n;
    if (!t->work[n])
        t->step = STEP_CHECK_FOLDER;
    return true;
}

static bool run_check_folder(struct lane *lane) {
    struct task *t = lane->task;
    LIBSSH2_SFTP_ATTRIBUTES a;
    int rc = libssh2_sftp_stat_ex(lane->lib, t->work, length(t->work), LIBSSH2_SFTP_STAT, &a);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (rc && missing(lane, rc)) {
        fail(t, STATUS_CLIENT_FORBIDDEN, "The target does not permit to make this folder.");
        return stop(t);
    }
    if (rc)
        return refused(lane, rc);
    if (!is_type(&a, LIBSSH2_SFTP_S_IFDIR)) {
        fail(t, STATUS_RESOURCE_CONFLICT, "A file stands where a folder is meant.");
        return stop(t);
    }
    if (!t->put)
        return stop(t);
    t->step = STEP_MAKE;
    return true;
}

static void take_bytes(struct task *t) {
    size_t room = t->out.max - t->out.len;
    while (!t->whole && room) {
        size_t n = MIN_OF(room, (size_t)65536);
        char *place = buf_reserve(&t->out, n);
        n = place ? files_take(t->op, place, n, &t->whole) : 0;
        t->out.len += n;
        room -= n;
        if (!n)
            break;
    }
}

static bool run_write(struct lane *lane) {
    struct task *t = lane->task;
    if (!t->op)
        return stop(t);
    take_bytes(t);
    if (!t->out.len)
        return t->whole ? stop(t) : false;
    size_t room = t->c->conf.room(t->c->conf.arg);
    if (room < 16384 && !t->sent)
        return false;
    size_t count = MIN_OF(t->out.len, t->sent + room - MIN_OF(room, room / 8 + 4096));
    ssize_t n = libssh2_sftp_write(t->handle, t->out.data, MAX_OF(count, (size_t)1));
    bool went_on = count > t->sent;
    t->sent = MAX_OF(t->sent, count);
    if (n == LIBSSH2_ERROR_EAGAIN || n == 0) /* nothing is confirmed; more may be on its way */
        return went_on && t->sent < t->out.len;
    if (n < 0) {
        refused(lane, (int)n);
        if (says(lane, (int)n, LIBSSH2_FX_FAILURE))
            t->step = STEP_SPACE;
        return true;
    }
    buf_consume(&t->out, (size_t)n);
    t->sent -= MIN_OF(t->sent, (size_t)n);
    files_wrote(t->op, (size_t)n);
    return true;
}

/* OpenSSH calls a full disk a failure like any other. */
static bool run_space(struct lane *lane) {
    struct task *t = lane->task;
    LIBSSH2_SFTP_STATVFS v;
    int rc = libssh2_sftp_fstatvfs(t->handle, &v);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    if (rc == 0 && v.f_bavail * v.f_frsize < FULL_BYTES)
        fail(t, STATUS_UPSTREAM_ERROR, "The target's disk is full.");
    else
        fail(t, STATUS_UPSTREAM_ERROR,
             "The target could not write it: its disk or your quota may be full.");
    return stop(t);
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static bool run_close(struct lane *lane) {
    struct task *t = lane->task;
    int rc = libssh2_sftp_close_handle(t->handle);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return false;
    t->handle = NULL;
    if (rc && !t->status && t->put)
        sftp_explain(t->c, lane->lib, rc, &t->status, t->why, sizeof t->why);
    bool half = t->made && (!t->op || t->status);
    t->step = half ? STEP_REMOVE : STEP_OVER;
    return true;
}

static bool run_remove(struct lane *lane) {
    struct task *t = lane->task;
    if (libssh2_sftp_unlink_ex(lane->lib, t->path, length(t->path)) == LIBSSH2_ERROR_EAGAIN)
        return false;
    t->step = STEP_OVER;
    return true;
}

/* A download goes on in a lane of its own, so that listings do not wait for it. */
static bool move_over(struct lane *lane) {
    struct task *t = lane->task;
    t->transfer = true;
    lane->task = NULL;
    t->next = t->c->tasks;
    t->c->tasks = t;
    return true;
}

bool task_run(struct lane *lane) {
    struct task *t = lane->task;
    switch (t->step) {
    case STEP_REAL:
        return run_real(lane);
    case STEP_STAT:
        return run_stat(lane);
    case STEP_OPEN_FOLDER:
        return run_open(lane, 0, LIBSSH2_SFTP_OPENDIR);
    case STEP_ENTRY:
        return run_entry(lane);
    case STEP_LINK:
        return run_link(lane);
    case STEP_OPEN:
        return t->transfer ? run_open(lane, LIBSSH2_FXF_READ, LIBSSH2_SFTP_OPENFILE)
                           : move_over(lane);
    case STEP_MAKE:
    case STEP_REPLACE:
        return run_make(lane);
    case STEP_FOLDERS:
        return run_folders(lane);
    case STEP_CHECK_FOLDER:
        return run_check_folder(lane);
    case STEP_READ:
        return run_read(lane);
    case STEP_WRITE:
        return run_write(lane);
    case STEP_SPACE:
        return run_space(lane);
    case STEP_CLOSE:
        return run_close(lane);
    case STEP_REMOVE:
        return run_remove(lane);
    case STEP_OVER:
        leave(lane);
        return true;
    }
    return false;
}
