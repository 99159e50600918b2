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
/* As recvmsg. *nfds: room in, number out. More descriptors than there is room for close all and
 * fail EPROTO, a packet longer than len fails EMSGSIZE. */
ssize_t fdpass_recv(int sock, void *data, size_t len, int *fds, size_t *nfds);

/* Listening SOCK_SEQPACKET at `path` (107 bytes at most), mode as for chmod, non-blocking. An old
 * socket there is replaced unless somebody still listens on it. */
int ctl_listen(const char *path, mode_t mode, struct err *e);
/* Connected, blocking; gives up after 5 s when the listener's queue is full. Status 0x0208. */
int ctl_connect(const char *path, struct err *e);
int stream_listen(const char *path, mode_t mode, struct err *e);
int stream_connect(const char *path, struct err *e);
/* Who is at the other end. */
int ctl_peer(int sock, uid_t *uid, pid_t *pid);

/* One message. Blocking or not as the socket is; -1 with errno EAGAIN kept when it would block. */
int ctl_send(int sock, json_t *msg, const int *fds, size_t nfds, struct err *e);
/* A new reference, or NULL: e->status 0 and text empty (and errno 0) = the peer closed; errno
 * EAGAIN as above; after anything else the socket is to be closed. */
json_t *ctl_recv(int sock, int *fds, size_t *nfds, struct err *e);
/* Send and wait up to timeout_ms for the answer; {"ok":false,"status":…,"error":…} becomes `e`
 * (errno EREMOTEIO). After errno ETIMEDOUT the answer may still come: close the socket. */
json_t *ctl_call(int sock, json_t *msg, const int *fds, size_t nfds, int *rfds, size_t *nrfds,
                 int timeout_ms, struct err *e);

#endif
