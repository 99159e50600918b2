#include "guacd/backends/sftp/sftp.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/backends/sftp/sftp_path.h"
#include "guacd/backends/sftp/sftp_priv.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define STEPS_A_TURN 32 /* of one task, before events are looked at again */

/* ---- requests ----------------------------------------------------------------------------------
 */

static void on_begin(void *arg, struct files_op *op) {
    struct sftp *c = arg;
    struct task *t = calloc(1, sizeof *t);
    if (!t || sftp_path_join(c->root, files_path(op), t->path, sizeof t->path) < 0) {
        free(t);
        files_done(op, STATUS_CLIENT_BAD_REQUEST, "This path is too long for the target.");
        return;
    }
    t->c = c;
    t->op = op;
    t->put = t->transfer = files_kind(op) == FILES_PUT;
    t->ahead = SFTP_READ_FIRST;
    buf_init(&t->out, SFTP_WRITE_MAX);
    t->out.secret = true;
    memcpy(t->work, t->path, sizeof t->work);
    t->step = strcmp(c->root, "/") != 0     ? STEP_REAL
              : files_kind(op) == FILES_GET ? STEP_STAT
              : files_kind(op) == FILES_PUT ? STEP_MAKE
                                            : STEP_FOLDERS;
    files_set_tag(op, t);
    struct task **p = &c->tasks;
    while (*p)
        p = &(*p)->next;
    *p = t;
}

static void on_more(void *arg, struct files_op *op) {
    (void)arg;
    (void)op; /* sftp_step() follows in any case */
}

/* What libssh2 is in the middle of has to be finished all the same. */
static void on_cancel(void *arg, struct files_op *op) {
    struct sftp *c = arg;
    struct task *t = files_tag(op);
    t->op = NULL;
    for (struct task **p = &c->tasks; *p; p = &(*p)->next)
        if (*p == t && !t->handle) {
            *p = t->next;
            task_free(t);
            return;
        }
}

static const struct files_impl impl = { on_begin, on_more, on_cancel };

/* ---- lanes -------------------------------------------------------------------------------------
 */

static void broken(struct sftp *c, const char *why) {
    c->state = SFTP_BROKEN;
    log_warning("files: %s", why);
    session_state(c->s, "files", why);
}

/* One more channel with an SFTP server behind it. 1: open, 0: not yet, -1: no. */
static int open_lane(struct sftp *c) {
    if (c->conf.room(c->conf.arg) < 4096)
        return 0;
    LIBSSH2_SFTP *lib = libssh2_sftp_init(c->conf.lib);
    c->opening = !lib && libssh2_session_last_errno(c->conf.lib) == LIBSSH2_ERROR_EAGAIN;
    if (c->opening)
        return 0;
    if (!lib)
        return -1;
    c->lanes[c->open++].lib = lib;
    return 1;
}

static int resolve(struct sftp *c, const char *path, char **out) {
    char real[SFTP_PATH_MAX];
    int n = libssh2_sftp_symlink_ex(c->lanes[0].lib, path, (unsigned)strlen(path), real,
                                    sizeof real - 1, LIBSSH2_SFTP_REALPATH);
    if (n == LIBSSH2_ERROR_EAGAIN)
        return 0;
    if (n <= 0 || real[0] != '/')
        return -1;
    real[n] = '\0';
    while (n > 1 && real[n - 1] == '/')
        real[--n] = '\0';
    free(*out);
    *out = strdup(real);
    return *out ? 1 : -1;
}

static void show(struct sftp *c) {
    const struct files_conf conf = { .name = "SFTP",
                                     .disable_download = "sftp-disable-download",
                                     .disable_upload = "sftp-disable-upload",
                                     .drop = sftp_path_inner(c->root, c->drop) };
    struct err e = { 0 };
    c->read_buf = malloc(SFTP_READ_MAX);
    c->files = c->read_buf ? files_open(c->s, &conf, &impl, c, &e) : NULL;
    c->state = SFTP_READY;
    if (!c->files)
        broken(c, e.text);
    else
        log_info("files: %s", c->root);
}

/* From the first channel to the first listing. */
static bool begin(struct sftp *c) {
    if (c->state == SFTP_OPENING) {
        int r = open_lane(c);
        if (r < 0)
            broken(c, "The target offers no files by SFTP.");
        if (r > 0)
            c->state = SFTP_ROOT;
        return r != 0;
    }
    if (c->state == SFTP_ROOT) {
        int r = resolve(c, c->root, &c->root);
        if (r < 0)
            broken(c, "The folder sftp-root-directory is not there on the target.");
        if (r > 0)
            c->state = SFTP_HOME;
        return r != 0;
    }
    /* A drop folder that is not there is made by the first file dropped into it. */
    int r = resolve(c, *c->drop ? c->drop : ".", &c->drop);
    if (r != 0)
        show(c);
    return r != 0;
}

static bool waits_for_lane(const struct sftp *c) {
    for (const struct task *t = c->tasks; t; t = t->next)
        if (t->transfer)
            return true;
    return false;
}

/* The oldest task this lane may take. */
static struct task *next_task(struct sftp *c, unsigned lane) {
    for (struct task **p = &c->tasks; *p; p = &(*p)->next) {
        struct task *t = *p;
        bool fits = t->transfer ? lane > 0 || (c->full && c->open == 1) : lane == 0;
        if (!fits)
            continue;
        *p = t->next;
        t->next = NULL;
        return t;
    }
    return NULL;
}

static bool more_lanes(struct sftp *c) {
    unsigned idle = 0;
    for (unsigned i = 1; i < c->open; i++)
        idle += !c->lanes[i].task;
    if (!c->opening && (c->full || idle || c->open == SFTP_LANES || !waits_for_lane(c)))
        return false;
    int r = open_lane(c);
    if (r < 0) {
        c->full = true;
        log_info("files: the target allows %u channels", c->open);
    }
    return r != 0;
}

static bool run_lane(struct sftp *c, unsigned i) {
    struct lane *lane = &c->lanes[i];
    bool moved = false;
    for (int n = 0; n < STEPS_A_TURN; n++) {
        if (!lane->task)
            lane->task = next_task(c, i);
        if (!lane->task || !task_run(lane))
            break;
        moved = true;
    }
    return moved;
}

bool sftp_step(struct sftp *c) {
    if (!c || c->state == SFTP_BROKEN)
        return false;
    if (c->state != SFTP_READY)
        return begin(c);
    files_dispatch(c->files);
    bool moved = more_lanes(c);
    for (unsigned i = 0; i < c->open; i++)
        moved |= run_lane(c, i);
    return moved;
}

/* ---- life --------------------------------------------------------------------------------------
 */

struct sftp *sftp_new(struct session *s, const struct sftp_conf *conf, struct err *e) {
    struct sftp *c = calloc(1, sizeof *c);
    if (c) {
        c->s = s;
        c->conf = *conf;
        c->root = strdup(*conf->root ? conf->root : "/");
        c->drop = strdup(conf->drop);
    }
    if (c && c->root && c->drop)
        return c;
    sftp_free(c);
    err_set(e, STATUS_SERVER_BUSY, "no memory for files");
    return NULL;
}

void sftp_free(struct sftp *c) {
    if (!c)
        return;
    files_close(c->files, "The connection to the target is closed.");
    while (c->tasks) {
        struct task *t = c->tasks;
        c->tasks = t->next;
        task_free(t);
    }
    for (unsigned i = 0; i < c->open; i++)
        task_free(c->lanes[i].task);
    free(c->read_buf);
    free(c->root);
    free(c->drop);
    free(c);
}

int sftp_fd(const struct sftp *c) {
    return c && c->files ? files_fd(c->files) : -1;
}

/* By way of the stream for errors, which no task reads. */
bool sftp_drain(struct sftp *c) {
    char text[1024];
    if (!c->open)
        return true;
    LIBSSH2_CHANNEL *channel = libssh2_sftp_get_channel(c->lanes[0].lib);
    ssize_t n = libssh2_channel_read_ex(channel, SSH_EXTENDED_DATA_STDERR, text, sizeof text);
    return (n >= 0 && !libssh2_channel_eof(channel)) || n == LIBSSH2_ERROR_EAGAIN;
}

bool sftp_busy(const struct sftp *c) {
    return c && c->busy;
}
