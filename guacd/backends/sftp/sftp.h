/* Files over SFTP, on an SSH connection that is logged in: the terminal's own (ssh.so), or one
 * beside a desktop (beside.h). Never blocks; everything is for the connection's thread.
 *
 * libssh2 keeps the state of an unfinished call a channel, not a file: a second file's read would
 * take up the first one's. So each transfer has a channel of its own (a lane), and the first lane
 * answers all questions; where the server allows no second channel, everything goes by the first.
 */
#ifndef GUAC_BACKENDS_SFTP_SFTP_H
#define GUAC_BACKENDS_SFTP_SFTP_H

#include <libssh2.h>
#include <stdbool.h>
#include <stddef.h>

#include "guacd/session/backend.h"

struct sftp;

struct sftp_conf {
    LIBSSH2_SESSION *lib; /* non-blocking; its sends are taken whole or not at all */
    const char *root;     /* folder of the target that is the top; "": "/" */
    const char *drop;     /* folder of the target for dropped files; "": the login's own */
    /* Bytes that may be sent now without being stuck halfway. */
    size_t (*room)(void *arg);
    void *arg;
};

/* Begins to open it; what is wrong with it is told to people, never fatal. NULL with e. */
struct sftp *sftp_new(struct session *s, const struct sftp_conf *conf, struct err *e);
/* No channel is closed politely: the connection ends with it. NULL is fine. */
void sftp_free(struct sftp *c);
int sftp_fd(const struct sftp *c); /* -1: nothing to poll (yet) */
/* Whatever can be done now: call it when sftp_fd() or the socket is readable, when what was to be
 * sent is gone. true: something moved, so there may be more at once. */
bool sftp_step(struct sftp *c);
/* Read what came while nothing was asked: keep-alives, a farewell. Only where no other channel is
 * read all the time. false: the connection is over. */
bool sftp_drain(struct sftp *c);
/* Bytes of files are on their way. */
bool sftp_busy(const struct sftp *c);

#endif
