/* A server that says anything to the drive: messages of a byte pair's length each, one after the
 * other, on one disk. Answers stay within bounds, and the disk within its quota. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guacd/backends/rdp/devices.h"
#include "guacd/backends/rdp/disk.h"
#include "guacd/backends/rdp/drive_irp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define QUOTA (16u * DISK_BLOCK)

static void on_send(void *arg, const void *data, size_t len) {
    (void)arg, (void)data;
    if (len < 4 || len > DRIVE_ANSWER_MAX + 64)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct drive drive;
    drive = (struct drive){ .disk = disk_new(memfd_create("disk", MFD_CLOEXEC), QUOTA) };
    struct devices devices = {
        .drive = &drive, .computer = "fuzz", .name = "drive", .send = on_send
    };
    if (!drive.disk)
        abort();
    while (size >= 2) {
        size_t len = data[0] | (size_t)data[1] << 8;
        data += 2, size -= 2;
        if (len > size)
            len = size;
        char *message = malloc(len ? len : 1); /* its own, so that no byte behind it is read */
        if (!message)
            abort();
        memcpy(message, data, len);
        devices_hear(&devices, message, len);
        free(message);
        data += len, size -= len;
        if (disk_left(drive.disk) > QUOTA)
            abort();
    }
    drive_close_all(&drive);
    disk_free(drive.disk);
    return 0;
}
