/* To a connected descriptor: the library asks for one instead of dialling itself, for its target,
 * a gateway, or a host it was redirected to. */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/sandbox.h"
#include "guacd/proto/status.h"

size_t rdp_ports(const struct args *args, uint16_t *out, size_t max) {
    size_t n = beside_ports(args, out, max);
    if (n < max && args_is_set(args, "gateway-hostname"))
        out[n++] = (uint16_t)args_int(args, "gateway-port");
    if (n < max && !args_is_set(args, "port") &&
        strcmp(args_str(args, "security"), "vmconnect") == 0)
        out[n++] = 2179;
    else if (n < max)
        out[n++] = (uint16_t)args_int(args, "port");
    return n;
}

/* A further connection while connecting. The library makes one to try another security, to follow
 * a broker, and once more when a connection broke, which only loses the reason. false: not this
 * one. */
static bool may_repeat(struct rdp *r, const char *host) {
    uint32_t error = freerdp_get_last_error(r->context);
    bool same = strcmp(host, args_str(r->args, "hostname")) == 0;
    if (!r->first_error)
        r->first_error = error;
    if (same && error == FREERDP_ERROR_CONNECT_TRANSPORT_FAILED)
        return false;
    if (same || rdp_settings_needs(r->args) & SANDBOX_NEED_SOCKETS)
        return rdp_settings_needs(r->args) & (SANDBOX_NEED_SOCKETS | SANDBOX_NEED_TCP);
    err_set(&r->fail, STATUS_UPSTREAM_ERROR,
            "the RDP server passes the connection on to '%s': give the connection the "
            "load-balance-info of its broker",
            host);
    return false;
}

/* The sandbox may leave no way to ask for names again. */
static void remember(struct rdp *r, int fd) {
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 ||
        getnameinfo((struct sockaddr *)&peer, len, r->address, sizeof(r->address), NULL, 0,
                    NI_NUMERICHOST) != 0)
        r->address[0] = '\0';
}

static int on_dial(rdpContext *context, rdpSettings *settings, const char *host, int port,
                   DWORD timeout) {
    (void)settings;
    struct rdp *r = rdp_of(context);
    int fd = -1;
    if (r->dials++ > 0 && !r->connected && !may_repeat(r, host))
        return -1;
    watch_allow(r, 0); /* dialling has its own limit */
    if (r->address[0] && strcmp(host, args_str(r->args, "hostname")) == 0)
        host = r->address;
    if (session_dial(r->session, host, (uint16_t)port, (int)timeout, &fd, &r->fail) < 0) {
        freerdp_set_last_error(context, FREERDP_ERROR_CONNECT_FAILED);
        return -1;
    }
    if (!r->address[0] && strcmp(host, args_str(r->args, "hostname")) == 0)
        remember(r, fd);
    watch_socket(r, fd);
    watch_allow(r, RDP_HANDSHAKE_MS);
    return fd;
}

bool rdp_connect_init(struct rdp *r) {
    rdpTransportIo io = *freerdp_get_io_callbacks(r->context);
    io.TCPConnect = on_dial;
    return freerdp_set_io_callbacks(r->context, &io);
}
