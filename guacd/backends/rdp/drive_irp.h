/* The server's requests for the drive (MS-RDPEFS 2.2.1.4 and 2.2.3.3), answered on the session's
 * disk. Pure but for the disk and the clock; the server's bytes meet this first. */
#ifndef GUAC_RDP_DRIVE_IRP_H
#define GUAC_RDP_DRIVE_IRP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/buf.h"

struct disk;
struct disk_node;

#define DRIVE_OPENS_MAX 512
#define DRIVE_READ_MAX \
    (1u << 20)                      /* bytes of one answer; a server that asks for more asks again \
                                     */
#define DRIVE_ANSWER_MAX (2u << 20) /* what `out` has to take */
#define DRIVE_SILENT UINT32_MAX     /* instead of a status: no answer */

struct drive_open {
    struct disk_node *node; /* held; NULL: free */
    char *pattern;          /* of a listing; NULL: none was begun */
    uint64_t listed;        /* serial of the last one told */
    bool wrote, remove;     /* when it is closed */
};

struct drive {
    struct disk *disk;
    struct drive_open opens[DRIVE_OPENS_MAX];
    /* A file that the server wrote was closed. May be NULL. */
    void (*written)(void *arg, const struct disk_node *n);
    void *arg;
};

struct drive_request {
    uint32_t major, minor, file; /* MajorFunction, MinorFunction, FileId */
    const uint8_t *data;         /* what follows them */
    size_t len;
};

/* The status (NTSTATUS), and in out what follows it. */
uint32_t drive_answer(struct drive *d, const struct drive_request *q, struct buf *out);
/* All files that are open: the server starts anew, or is gone. */
void drive_close_all(struct drive *d);

#endif
