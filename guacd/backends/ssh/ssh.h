/* Inside of the SSH backend: a terminal (guacd/term) and libssh2, never blocking, on one thread. */
#ifndef GUAC_BACKENDS_SSH_SSH_H
#define GUAC_BACKENDS_SSH_SSH_H

#include <libssh2.h>
#include <stdbool.h>
#include <stdint.h>

#include "guacd/backends/console/console.h"
#include "guacd/backends/sftp/pin.h"
#include "guacd/backends/sftp/sftp.h"
#include "guacd/backends/ssh/pace.h"
#include "guacd/base/buf.h"
#include "guacd/base/err.h"
#include "guacd/proto/args.h"
#include "guacd/session/backend.h"

#define SSH_READ_CHUNK 32768       /* what the terminal is fed at once */
#define SSH_READ_BUDGET 131072     /* taken from the socket before events are looked at again */
#define SSH_WINDOW (512u << 10)    /* what may be under way to us: 1/100 s of a flood */
#define SSH_WIRE_LIMIT (64u << 10) /* encrypted, not yet taken by the kernel */
#define SSH_WIRE_MAX (1u << 20)
#define SSH_FILE_LIMIT (48u << 10) /* of SSH_WIRE_LIMIT: what is typed always finds room */

struct login;

struct ssh {
    struct session *s;
    const struct args *args;
    int fd;
    LIBSSH2_SESSION *lib;
    LIBSSH2_CHANNEL *channel;
    struct console con;

    /* libssh2 cannot take a partial send and then something else; so it never meets one. */
    struct buf wire;
    size_t budget;    /* bytes it may still take from the socket in this turn */
    bool more;        /* the budget was used up: there is more to read */
    bool peer_closed; /* seen, but told to libssh2 only once its queue is empty */
    bool tell_closed;
    uint64_t heard_ms, alive_ms;
    int alive_interval; /* seconds, 0: none */

    struct pace pace;
    bool paced;        /* there is more to write than it allows */
    struct sftp *sftp; /* NULL: not enabled */

    struct login *login; /* auth.c, while it lasts */
    char *username;
    char host[256];
    int port;
};

/* wire.c: libssh2 and the socket */
int ssh_wire_start(struct ssh *c, struct err *e);
/* Wait for the socket, or fail: `deadline` (ms, 0: none) passed, or END came. */
int ssh_wait(struct ssh *c, uint64_t deadline, struct err *e);
int ssh_flush(struct ssh *c); /* -1: the socket is broken */
/* What libssh2 says, as a sentence and a status. */
int ssh_error(struct ssh *c, int rc, const char *what, struct err *e);

/* memory.c: what libssh2 allocates with */
void *ssh_alloc(size_t size, void **arg);
void *ssh_realloc(void *p, size_t size, void **arg);
void ssh_free(void *p, void **arg);

/* hostkey.c */
int ssh_check_host(struct ssh *c, struct err *e);
void ssh_prefer_host_keys(struct ssh *c);

/* auth.c */
int ssh_login(struct ssh *c, struct err *e);

/* shell.c: the channel, and what goes through it */
int ssh_shell(struct ssh *c, struct err *e);
int ssh_files(struct ssh *c, struct err *e); /* beside it, in the same loop */
int ssh_run(struct ssh *c, struct err *e);

#endif
