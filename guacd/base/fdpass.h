/* Descriptors and messages over Unix sockets. Two kinds of socket: SOCK_STREAM carries Guacamole
 * (its first byte may carry one descriptor), SOCK_SEQPACKET carries control messages, one JSON
 * object each, with up to FDPASS_MAX descriptors. A descriptor received is close-on-exec. */
#ifndef GUAC_BASE_FDPASS_H
#define GUAC_BASE_FDPASS_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "guacd/base/err.h"

#define FDPASS_MAX 4
#define CTL_MESSAGE_MAX 131072 /* bytes of one control message; larger bodies go as descriptors */

/* Bytes with descriptors (fds may be NULL, nfds 0). Returns as sendmsg. */
ssize_t fdpass_send(int sock, const void *data, size_t len, const int *fds, size_t nfds);
/* As recvmsg. *nfds: room in, number out. Truncated control data closes all and fails EPROTO. */
ssize_t fdpass_recv(int sock, void *data, size_t len, int *fds, size_t *nfds);

/* Listening SOCK_SEQPACKET at `path` (107 bytes at most; an old socket there is replaced), mode
 * as for chmod. */
int ctl_listen(const char *path, mode_t mode, struct err *e);
int ctl_connect(const char *path, struct err *e);
int stream_listen(const char *path, mode_t mode, struct err *e);
int stream_connect(const char *path, struct err *e);
/* Who is at the other end. */
int ctl_peer(int sock, uid_t *uid, pid_t *pid);

/* One message. Blocking or not as the socket is; -1 with errno EAGAIN kept when it would block. */
int ctl_send(int sock, json_t *msg, const int *fds, size_t nfds, struct err *e);
/* A new reference, or NULL: e->status 0 and text empty = the peer closed; errno EAGAIN as above. */
json_t *ctl_recv(int sock, int *fds, size_t *nfds, struct err *e);
/* Send and wait up to timeout_ms for the answer; {"ok":false,"status":…,"error":…} becomes `e`. */
json_t *ctl_call(int sock, json_t *msg, const int *fds, size_t nfds, int *rfds, size_t *nrfds,
                 int timeout_ms, struct err *e);

#endif
