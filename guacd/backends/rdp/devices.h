/* The client's side of device redirection (MS-RDPEFS 1.3.1, 2.2.2) with one device, the session's
 * drive. Pure: messages in, messages out. The library's own does not announce drives to xrdp, which
 * tells that somebody logged on without having said that it would. */
#ifndef GUAC_RDP_DEVICES_H
#define GUAC_RDP_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drive;

#define DEVICES_MESSAGE_MAX (4u << 20) /* bytes of one message of the server */

struct devices {
    struct drive *drive;         /* NULL: no device is announced */
    const char *computer, *name; /* of this client; of the drive */
    void (*send)(void *arg, const void *data, size_t len);
    void *arg;
    uint16_t minor; /* the server's version */
    uint32_t client;
    bool tells_logon; /* the server said that it will tell of a login */
    bool announced;
};

/* One whole message of the server. What makes no sense is left unanswered. */
void devices_hear(struct devices *d, const void *data, size_t len);

#endif
