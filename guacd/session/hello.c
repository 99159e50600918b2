/* The handshake of one user, on the loop like everything else: the first byte of a process brings
 * the tap, and after `select $id` the rest of the bytes belongs to another process. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/fdpass.h"
#include "guacd/base/log.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

static void on_handshake(struct user *u, enum handshake_result r, const struct err *e) {
    if (r == HANDSHAKE_BAD) {
        log_warning("handshake refused: %s", e->text);
        user_end(u, e->status, e->text);
    } else if (r == HANDSHAKE_SELECTED) {
        start_selected(u);
    } else if (r == HANDSHAKE_CONNECTED) {
        start_connected(u);
    }
}

/* The first byte of all, with the tap in gateway mode. */
static void read_first(struct user *u) {
    struct session *s = u->s;
    char byte;
    int tap = -1;
    size_t nfds = 1, used = 0;
    ssize_t n = fdpass_recv(u->link.fd, &byte, 1, &tap, &nfds);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        user_drop(u, "he hung up before the first byte");
        return;
    }
    u->fresh = false;
    if (nfds && s->gateway)
        record_descriptor(s, tap);
    else if (nfds)
        close(tap);
    struct err e = { 0 };
    if (s->gateway && !nfds) {
        err_set(&e, STATUS_CLIENT_FORBIDDEN,
                "No tap came with the connection: not recorded, not served.");
        on_handshake(u, HANDSHAKE_BAD, &e);
    } else {
        enum handshake_result r = handshake_server_feed(u->hs, &byte, 1, &used, &e);
        on_handshake(u, r, &e);
    }
}

/* Takes from the socket what belongs to the handshake and not a byte more. */
void hello_read(struct user *u) {
    char data[4096];
    if (u->fresh)
        read_first(u);
    while (u->phase == USER_HANDSHAKE && !u->fresh) {
        ssize_t n = link_peek(&u->link, data, sizeof(data));
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                user_drop(u, "he hung up during the handshake");
            break;
        }
        size_t used = 0;
        struct err e = { 0 };
        enum handshake_result r = handshake_server_feed(u->hs, data, (size_t)n, &used, &e);
        if (used && link_read(&u->link, data, used) != (ssize_t)used) {
            user_drop(u, "his connection broke");
            break;
        }
        on_handshake(u, r, &e);
    }
    explicit_bzero(data, sizeof(data));
}
