/* Shared by the files of files.h: the backend's side (files.c), the person's (files_user.c,
 * files_stream.c) and what is written down of it (files_tell.c). */
#ifndef GUAC_SESSION_FILES_OP_H
#define GUAC_SESSION_FILES_OP_H

#include <openssl/evp.h>
#include <pthread.h>

#include "guacd/base/buf.h"
#include "guacd/session/files.h"
#include "guacd/session/session.h"

#define FILES_WINDOW_MAX 512u /* blobs on their way to a person, or from him */
#define FILES_WINDOW_FIRST 16u

enum files_type { TYPE_UNKNOWN, TYPE_FOLDER, TYPE_FILE };

#define OP_BEGIN 1u
#define OP_MORE 2u
#define OP_CANCEL 4u

struct files_op {
    struct files_op *next;
    struct files *f;
    enum files_kind kind;
    char *path; /* the target's */
    void *tag;
    EVP_MD_CTX *hash; /* GET: wire thread; PUT: backend's, until finished */

    /* wire thread */
    uint64_t id; /* over all file systems of a session, from 1 */
    struct user *u;
    char by[160];
    char *name;            /* as he called it */
    int stream;            /* GET: ours; PUT: his; -1: none yet, or no more */
    bool drop;             /* PUT: from a `file` instruction; GET: offered by one */
    bool wide;             /* entries as our own page reads them */
    bool basic;            /* names without characters above U+FFFF */
    bool told;             /* GET: `body` is out; PUT: acknowledged for the first time */
    bool over;             /* detached: told, recorded */
    bool heard;            /* GET: the first ack came */
    uint64_t passed;       /* GET: sent; PUT: acknowledged */
    uint64_t came;         /* PUT: from him */
    unsigned window, lead; /* GET: blobs that may be unanswered; that are. PUT: lead only */
    struct {
        uint32_t bytes, ms;
    } blobs[FILES_WINDOW_MAX]; /* unanswered, oldest at first */
    unsigned first;
    uint32_t best_ms; /* GET: shortest answer */
    uint32_t shrunk_ms;

    /* under files.lock */
    unsigned pending;     /* OP_*: to be told to the backend */
    bool begun, finished; /* the backend knows it; has let go of it */
    bool starved;         /* it waits for more() */
    bool refused;         /* by policy */
    bool whole;           /* PUT: all bytes came */
    bool ready;           /* PUT: opened */
    bool cut;             /* listing: not all of it */
    enum files_type type;
    uint64_t size, given, wrote;
    size_t entries;
    struct buf data; /* GET: to the person; PUT: from him */
    int status;
    char why[256];
};

struct files {
    struct session *s;
    int object; /* its number in the protocol, from 1 */
    char *name, *drop;
    bool download, upload; /* policy */
    uint64_t limit;        /* bytes of one file, 0: none */
    const struct files_impl *impl;
    void *arg;
    int fd;
    pthread_mutex_t lock;
    bool posted, paused, closed;
    struct files_op *ops; /* oldest first; added and removed by the wire thread */
    size_t count;
    bool shown; /* wire thread */
};

/* files.c: wire thread */
/* A new op at the end of the list, to be filled in and started. NULL: no memory, or too many. */
struct files_op *files_add(struct files *f, enum files_kind kind, const char *path);
void files_start(struct files_op *op);
/* Look at this file system again, on the wire thread; under the lock. */
void files_post(struct files *f);
/* Tell the backend; under the lock. */
void files_pend(struct files_op *op, unsigned what);
/* Frees what both sides have let go of. Only where nobody walks the list: from files_serve(). */
void files_sweep(struct files *f);

/* files_user.c */
void files_serve(struct files *f); /* what the backend did goes on to people */
/* It is over for the person: told and recorded; the backend is told to stop unless it has. */
void files_over(struct files_op *op, const char *state, int status, const char *why);

/* files_stream.c: a GET on its way out */
void files_out(struct files_op *op);

/* files_tell.c */
void files_tell(struct files_op *op, const char *state, int status, const char *why);
void files_tell_refused(struct files *f, struct user *u, const char *dir, const char *name,
                        int status, const char *why);
json_t *files_policy(struct session *s, struct user *u);

#endif
