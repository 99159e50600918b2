/* One op on its way: a connection to the API server, our script in the container (script.h), an
 * archive one way or the other. */
#ifndef GUAC_BACKENDS_KUBERNETES_COPY_H
#define GUAC_BACKENDS_KUBERNETES_COPY_H

#include "guacd/backends/kubernetes/archive.h"
#include "guacd/backends/kubernetes/kube.h"
#include "guacd/session/files.h"

#define COPY_LINES_MAX (64u << 10) /* of a listing, not yet taken apart */

enum copy_stage {
    COPY_DIAL,
    COPY_ASK,
    COPY_WORD,     /* "folder", "file" or "ready" is to come */
    COPY_LIST,     /* entries */
    COPY_FILE,     /* an archive comes */
    COPY_SEND,     /* an archive goes */
    COPY_SENT,     /* its end is out: the size is to come */
    COPY_GIVEN_UP, /* tar failed: no more is sent; how the script ends is to come */
    COPY_WHOLE     /* all is there; how the script ends is to come */
};

struct copy {
    struct kube *k;
    struct files_op *op;
    struct conn conn;
    enum copy_stage stage;
    bool more;         /* look again, whatever poll says */
    uint64_t deadline; /* of the opening, ms */
    struct buf body;   /* of a refusal */
    struct buf lines;  /* of stdout: words, entries, headers of the archive */
    char said[256];    /* the first line of stderr */
    size_t said_len;
    bool said_all;
    struct tar tar;
    bool member;          /* the file's header came */
    uint64_t sent;        /* bytes of the file */
    size_t unheard;       /* of them, not yet with the kernel */
    char held[TAR_BLOCK]; /* the last block that was made: it goes with the next, so that a
                             connection that breaks leaves tar in the middle of a member */
    bool holds;
};

enum copy_result { COPY_GOES_ON, COPY_DONE, COPY_FAILED, COPY_REFUSED };

enum copy_result copy_open(struct copy *c, struct kube *k, struct files_op *op, uint64_t now,
                           struct err *e);
enum copy_result copy_run(struct copy *c, uint64_t now, struct err *e);
void copy_close(struct copy *c);
short copy_events(const struct copy *c);
int copy_wait_ms(const struct copy *c, uint64_t now); /* -1: for ever */

#endif
