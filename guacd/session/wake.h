/* Wake-on-LAN: a magic packet (AMD publication 20213) before the target is dialled. Backend thread,
 * stage A of the sandbox: no UDP socket can be made later. */
#ifndef GUAC_SESSION_WAKE_H
#define GUAC_SESSION_WAKE_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/base/dial.h"
#include "guacd/proto/args.h"

#define WAKE_PACKET 102u

/* Six bytes in hex, pairs parted by ':' or '-' ("00:11:22:33:44:55"). 0, or -1 when it is none. */
int wake_mac(const char *text, uint8_t mac[6]);
/* Six bytes of 0xFF, then the address sixteen times. */
void wake_packet(const uint8_t mac[6], uint8_t out[WAKE_PACKET]);
/* By the connection's wol-* values: nothing where wol-send-packet is off. The broadcast address of
 * all networks (255.255.255.255) always passes the policy, since the bytes are not the author's to
 * choose. -1: 0x0300 no address, 0x0303 the policy says no, 0x0207 unknown name, else errno. */
int wake_send(const struct args *args, const struct dial_policy *policy, struct err *e);

#endif
