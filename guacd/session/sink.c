#include "guacd/session/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/buf.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define PIECE (64u << 10)

struct sink {
    int fd;
    int why; /* errno of the write that failed, 0: none did */
    struct buf waiting;
};

struct sink *sink_new(int fd, struct err *e) {
    _close_ int owned = fd;
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        err_set(e, STATUS_RESOURCE_CONFLICT, "another session writes to it");
        return NULL;
    }
    if (ftruncate(fd, 0) < 0) {
        err_errno(e, STATUS_SERVER_ERROR, "it cannot be written anew");
        return NULL;
    }
    struct sink *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(e, STATUS_SERVER_BUSY, "no memory for it");
        return NULL;
    }
    k->fd = steal_fd(&owned);
    buf_init(&k->waiting, 2 * PIECE);
    return k;
}

static int write_all(struct sink *k, const char *data, size_t len) {
    while (len && !k->why) {
        ssize_t n = write(k->fd, data, len);
        if (n < 0 && errno != EINTR)
            k->why = errno;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return k->why ? -1 : 0;
}

int sink_flush(struct sink *k) {
    write_all(k, k->waiting.data, k->waiting.len);
    buf_clear(&k->waiting);
    return k->why ? -1 : 0;
}

int sink_add(struct sink *k, const void *data, size_t len) {
    if (k->waiting.len + len > PIECE && sink_flush(k) < 0)
        return -1;
    if (len > PIECE)
        return write_all(k, data, len);
    if (buf_add(&k->waiting, data, len) < 0)
        k->why = ENOMEM;
    return k->why ? -1 : 0;
}

bool sink_pending(const struct sink *k) {
    return k->waiting.len > 0;
}

const char *sink_why(const struct sink *k) {
    return strerror(k->why);
}

void sink_free(struct sink *k) {
    if (!k)
        return;
    sink_flush(k);
    buf_fini(&k->waiting);
    close(k->fd);
    free(k);
}
