/* Shared by the files of the SFTP module: sftp.c (lanes, life), task.c (one op's way), explain.c.
 */
#ifndef GUAC_BACKENDS_SFTP_PRIV_H
#define GUAC_BACKENDS_SFTP_PRIV_H

#include <libssh2_sftp.h>
#include <stdint.h>

#include "guacd/backends/sftp/sftp.h"
#include "guacd/base/buf.h"
#include "guacd/session/files.h"

#define SFTP_LANES 4 /* channels: one for questions, the rest for transfers */
#define SFTP_PATH_MAX (2 * FILES_PATH_MAX)
#define SFTP_READ_MAX (512u << 10) /* of one call; four times as much is asked for ahead */
#define SFTP_READ_FIRST (64u << 10)
#define SFTP_WRITE_MAX (1u << 20) /* sent, and not confirmed yet */
#define SFTP_AHEAD_MS 150 /* of a link's rate may be under way: a terminal waits behind it */

enum step {
    STEP_REAL, /* is it below the top? */
    STEP_STAT,
    STEP_OPEN_FOLDER,
    STEP_ENTRY,
    STEP_LINK, /* where a link leads */
    STEP_OPEN,
    STEP_MAKE,    /* PUT: a file that is not there yet */
    STEP_REPLACE, /* PUT: one that is */
    STEP_FOLDERS, /* make what is missing above it, or itself */
    STEP_CHECK_FOLDER,
    STEP_READ,
    STEP_WRITE,
    STEP_CLOSE,
    STEP_SPACE, /* why did writing fail? */
    STEP_REMOVE,
    STEP_OVER,
};

struct sftp;

struct task {
    struct task *next;
    struct sftp *c;
    struct files_op *op; /* NULL: cancelled */
    enum step step;
    bool put;
    bool transfer;                                 /* wants a lane of its own */
    bool made;                                     /* PUT: the file was not there before */
    bool tried;                                    /* PUT: folders were made */
    char path[SFTP_PATH_MAX], work[SFTP_PATH_MAX]; /* of the target */
    size_t at;                                     /* STEP_FOLDERS: in work */
    LIBSSH2_SFTP_HANDLE *handle;
    int status; /* how it will end */
    char why[256];
    /* listing */
    char name[FILES_NAME_MAX + 1];
    size_t name_len;
    LIBSSH2_SFTP_ATTRIBUTES attrs;
    unsigned links;
    /* transfer */
    struct buf out; /* PUT: taken, not confirmed */
    size_t sent;    /* … of it, given to libssh2 */
    bool whole;
    size_t ahead; /* GET */
    uint64_t rate_ms, rate_bytes;
};

struct lane {
    LIBSSH2_SFTP *lib;
    struct task *task;
};

struct sftp {
    struct session *s;
    struct sftp_conf conf;
    struct files *files; /* NULL: not open yet, or broken */
    char *root, *drop;   /* as configured, then resolved */
    enum { SFTP_OPENING, SFTP_ROOT, SFTP_HOME, SFTP_READY, SFTP_BROKEN } state;
    struct lane lanes[SFTP_LANES];
    unsigned open;      /* lanes in use */
    bool opening, full; /* a further lane is being opened; the server allows none */
    struct task *tasks; /* waiting for a lane, oldest first */
    unsigned busy;      /* transfers under way */
    char *read_buf;
};

/* task.c: as far as it goes now. true: something moved. When it is over, or wants another lane, it
 * has left this one (lane->task NULL). */
bool task_run(struct lane *lane);
void task_free(struct task *t);
/* explain.c: what libssh2 says of a failed call, into status and a sentence. */
void sftp_explain(struct sftp *c, LIBSSH2_SFTP *lib, int rc, int *status, char *why, size_t size);

#endif
