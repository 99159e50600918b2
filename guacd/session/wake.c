#include "guacd/session/wake.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define RESOLVE_MS 5000

int wake_mac(const char *text, uint8_t mac[6]) {
    if (strlen(text) != 17 || (text[2] != ':' && text[2] != '-'))
        return -1;
    for (size_t i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != text[2] : !isxdigit((unsigned char)text[i]))
            return -1;
    for (size_t i = 0; i < 6; i++)
        mac[i] = (uint8_t)strtoul((const char[]){ text[3 * i], text[3 * i + 1], '\0' }, NULL, 16);
    return 0;
}

void wake_packet(const uint8_t mac[6], uint8_t out[WAKE_PACKET]) {
    memset(out, 0xFF, 6);
    for (size_t i = 0; i < 16; i++)
        memcpy(out + 6 + 6 * i, mac, 6);
}

static int destination(const char *host, uint16_t port, const struct dial_policy *policy,
                       struct sockaddr_storage *out, struct err *e) {
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    if (strcmp(host, "255.255.255.255") != 0)
        return dial_resolve(host, port, policy, RESOLVE_MS, out, 1, e) < 0 ? -1 : 0;
    *in = (struct sockaddr_in){ .sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_BROADCAST) };
    return 0;
}

int wake_send(const struct args *args, const struct dial_policy *policy, struct err *e) {
    uint8_t mac[6], packet[WAKE_PACKET];
    struct sockaddr_storage to = { 0 };
    if (!args_bool(args, "wol-send-packet"))
        return 0;
    if (wake_mac(args_str(args, "wol-mac-addr"), mac) < 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "wol-send-packet needs wol-mac-addr, the machine's hardware address as "
                       "00:11:22:33:44:55");
    const char *host = args_str(args, "wol-broadcast-addr");
    if (destination(host, (uint16_t)args_int(args, "wol-udp-port"), policy, &to, e) < 0)
        return err_prefix(e, "wol-broadcast-addr");
    wake_packet(mac, packet);
    _close_ int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len =
        to.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &(int){ 1 }, sizeof(int)) < 0 ||
        sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, len) < 0)
        return err_errno(e, STATUS_SERVER_ERROR, "the magic packet cannot be sent to %s", host);
    log_info("magic packet for %s sent to %s", args_str(args, "wol-mac-addr"), host);
    return 0;
}
