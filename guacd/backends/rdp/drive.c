/* The drive of a session: the library's channel (MS-RDPEFS) asks our device instead of one that
 * opens files, and people see the same files in the page. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/rdp/devices.h"
#include "guacd/backends/rdp/disk.h"
#include "guacd/backends/rdp/drive_irp.h"
#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/session/files.h"

#define DOWNLOADS "/Download" /* what the server puts there is sent to the person at once */
#define STEP (64u << 10)

struct rdp_drive {
    struct disk *disk;
    struct drive irps;
    struct files *files;
};

/* ---- for people ---------------------------------------------------------------------------------
 */

struct transfer {
    struct disk_node *node;
    uint64_t at;
};

static const struct {
    enum disk_result result;
    int status;
    const char *text;
} words[] = {
    { DISK_NOT_FOUND, STATUS_RESOURCE_NOT_FOUND, "There is no such file on the drive." },
    { DISK_NO_WAY, STATUS_RESOURCE_NOT_FOUND, "There is no such folder on the drive." },
    { DISK_EXISTS, STATUS_RESOURCE_CONFLICT, "There is something else of this name." },
    { DISK_IS_FOLDER, STATUS_RESOURCE_CONFLICT, "There is a folder of this name." },
    { DISK_BAD_NAME, STATUS_CLIENT_BAD_REQUEST,
      "Windows has no files of this name: it may have none of \\ : * ? \" < > | and no dot or "
      "blank "
      "at its end." },
    { DISK_FULL, STATUS_CLIENT_OVERRUN,
      "The drive is full: remove files from it, or ask for a larger drive-size-limit." },
};

static void done(struct files_op *op, enum disk_result r) {
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (words[i].result == r) {
            files_done(op, words[i].status, words[i].text);
            return;
        }
    files_done(op, r == DISK_OK ? 0 : STATUS_SERVER_ERROR, "The drive failed.");
}

static void let_go(struct rdp_drive *d, struct files_op *op) {
    struct transfer *t = files_tag(op);
    if (t)
        disk_drop(d->disk, t->node);
    free(t);
    files_set_tag(op, NULL);
}

static void finish(struct rdp_drive *d, struct files_op *op, enum disk_result r) {
    let_go(d, op);
    done(op, r);
}

static void list(struct rdp_drive *d, struct files_op *op, const struct disk_node *folder) {
    (void)d;
    files_is_folder(op);
    for (const struct disk_node *n = NULL; (n = disk_next(folder, n ? n->serial : 0));) {
        const struct files_entry entry = { .name = n->name,
                                           .name_len = strlen(n->name),
                                           .folder = n->folder,
                                           .size = n->folder ? FILES_SIZE_UNKNOWN : n->size,
                                           .mtime_ms = n->wrote_ms };
        if (!files_entry(op, &entry))
            break;
    }
    files_done(op, 0, NULL);
}

static void read_on(struct rdp_drive *d, struct files_op *op) {
    struct transfer *t = files_tag(op);
    static char data[STEP]; /* one thread */
    for (size_t room; (room = MIN_OF(files_room(op), sizeof(data))) > 0;) {
        size_t got = 0;
        enum disk_result r = disk_read(d->disk, t->node, t->at, data, room, &got);
        if (r || got == 0) {
            finish(d, op, r);
            return;
        }
        files_give(op, data, got);
        t->at += got;
    }
}

static void write_on(struct rdp_drive *d, struct files_op *op) {
    struct transfer *t = files_tag(op);
    static char data[STEP];
    bool whole = false;
    for (size_t got; (got = files_take(op, data, sizeof(data), &whole)) > 0;) {
        enum disk_result r = disk_write(d->disk, t->node, t->at, data, got);
        if (r) {
            finish(d, op, r);
            return;
        }
        t->at += got;
        files_wrote(op, got);
    }
    /* The server sees it once it is whole. */
    if (whole) {
        enum disk_result r = disk_make_above(d->disk, files_path(op));
        finish(d, op, r ? r : disk_place(d->disk, t->node, files_path(op), true));
    }
}

static void on_more(void *arg, struct files_op *op) {
    if (files_kind(op) == FILES_GET)
        read_on(arg, op);
    else
        write_on(arg, op);
}

static void make_folder(struct rdp_drive *d, struct files_op *op) {
    struct disk_node *n;
    enum disk_result r = disk_make_above(d->disk, files_path(op));
    if (r == DISK_OK)
        r = disk_make(d->disk, files_path(op), true, &n);
    done(op, r == DISK_EXISTS && n->folder ? DISK_OK : r);
}

static void begin(struct rdp_drive *d, struct files_op *op, struct disk_node *held) {
    struct transfer *t = held ? calloc(1, sizeof(*t)) : NULL;
    if (!t) {
        disk_drop(d->disk, held);
        files_done(op, STATUS_SERVER_BUSY, "No memory for a transfer.");
        return;
    }
    t->node = held;
    files_set_tag(op, t);
    if (files_kind(op) == FILES_PUT)
        files_ready(op);
    on_more(d, op);
}

static void on_begin(void *arg, struct files_op *op) {
    struct rdp_drive *d = arg;
    struct disk_node *n = NULL;
    if (files_kind(op) == FILES_FOLDER) {
        make_folder(d, op);
        return;
    }
    enum disk_result r = disk_find(d->disk, files_path(op), &n);
    if (files_kind(op) == FILES_PUT) {
        if (!disk_is_path(files_path(op)))
            done(op, DISK_BAD_NAME);
        else if (r == DISK_OK && n->folder)
            done(op, DISK_IS_FOLDER);
        else
            begin(d, op, disk_nameless(d->disk));
        return;
    }
    if (r)
        done(op, r);
    else if (n->folder)
        list(d, op, n);
    else if (files_is_file(op, n->size)) {
        disk_hold(n);
        begin(d, op, n);
    }
}

static void on_cancel(void *arg, struct files_op *op) {
    let_go(arg, op);
}

static const struct files_impl impl = { on_begin, on_more, on_cancel };

/* ---- for the server -----------------------------------------------------------------------------
 */

static void on_written(void *arg, const struct disk_node *n) {
    struct rdp_drive *d = arg;
    char path[FILES_PATH_MAX];
    if (d->files && disk_path(n, path, sizeof(path)) &&
        strncmp(path, DOWNLOADS "/", strlen(DOWNLOADS "/")) == 0)
        files_offer(d->files, path);
}

/* The channel, by the library's plug-in interface; its messages are devices.c's. */
struct channel {
    CHANNEL_ENTRY_POINTS_FREERDP_EX entry;
    CHANNEL_DEF def;
    void *init;
    DWORD open;
    struct devices devices;
    struct buf message; /* whose pieces come one by one */
};

/* The library takes it when it can, and tells so. */
static void on_send(void *arg, const void *data, size_t len) {
    struct channel *c = arg;
    void *copy = malloc(len);
    if (!copy)
        return;
    memcpy(copy, data, len);
    if (c->entry.pVirtualChannelWriteEx(c->init, c->open, copy, (ULONG)len, copy) != CHANNEL_RC_OK)
        free(copy);
}

static void hear(struct channel *c, const void *data, size_t len, unsigned flags) {
    if (flags & CHANNEL_FLAG_FIRST)
        buf_clear(&c->message);
    buf_add(&c->message, data, len);
    if (!(flags & CHANNEL_FLAG_LAST))
        return;
    if (c->message.failed)
        log_warning("a message for the drive is too long");
    else
        devices_hear(&c->devices, c->message.data, c->message.len);
    buf_clear(&c->message);
}

static VOID VCAPITYPE on_open_event(LPVOID arg, DWORD handle, UINT event, LPVOID data, UINT32 len,
                                    UINT32 total, UINT32 flags) {
    struct channel *c = arg;
    (void)handle, (void)total;
    if (event == CHANNEL_EVENT_DATA_RECEIVED && c)
        hear(c, data, len, flags);
    else if (event == CHANNEL_EVENT_WRITE_COMPLETE || event == CHANNEL_EVENT_WRITE_CANCELLED)
        free(data);
}

static VOID VCAPITYPE on_init_event(LPVOID arg, LPVOID init, UINT event, LPVOID data, UINT len) {
    struct channel *c = arg;
    (void)data, (void)len;
    if (!c || c->init != init)
        return;
    if (event == CHANNEL_EVENT_CONNECTED) {
        c->entry.pVirtualChannelOpenEx(init, &c->open, c->def.name, on_open_event);
    } else if (event == CHANNEL_EVENT_DISCONNECTED) {
        if (c->devices.drive)
            drive_close_all(c->devices.drive);
        c->entry.pVirtualChannelCloseEx(init, c->open);
        buf_clear(&c->message);
    } else if (event == CHANNEL_EVENT_TERMINATED) {
        buf_fini(&c->message);
        free(c);
    }
}

BOOL VCAPITYPE rdp_drive_entry(PCHANNEL_ENTRY_POINTS_EX points, PVOID init) {
    const CHANNEL_ENTRY_POINTS_FREERDP_EX *all = (const CHANNEL_ENTRY_POINTS_FREERDP_EX *)points;
    struct channel *c =
        all->MagicNumber == FREERDP_CHANNEL_MAGIC_NUMBER ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return FALSE;
    c->entry = *all;
    c->init = init;
    const struct rdp *r = rdp_of(all->context);
    c->devices = (struct devices){ .drive = r->drive ? &r->drive->irps : NULL,
                                   .computer = args_str(r->args, "client-name"),
                                   .name = args_str(r->args, "drive-name"),
                                   .send = on_send,
                                   .arg = c };
    buf_init(&c->message, DEVICES_MESSAGE_MAX);
    c->def.options =
        CHANNEL_OPTION_INITIALIZED | CHANNEL_OPTION_ENCRYPT_RDP | CHANNEL_OPTION_COMPRESS_RDP;
    memcpy(c->def.name, RDPDR_SVC_CHANNEL_NAME, sizeof(RDPDR_SVC_CHANNEL_NAME));
    if (c->entry.pVirtualChannelInitEx(c, NULL, init, &c->def, 1, VIRTUAL_CHANNEL_VERSION_WIN2000,
                                       on_init_event) == CHANNEL_RC_OK)
        return TRUE;
    free(c);
    return FALSE;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

bool rdp_drive_wanted(const struct args *args) {
    return args_bool(args, "enable-drive");
}

int rdp_drive_begin(struct rdp *r, struct err *e) {
    if (!rdp_drive_wanted(r->args))
        return 0;
    struct disk_node *downloads;
    int fd = session_storage(r->session);
    struct rdp_drive *d = fd >= 0 ? calloc(1, sizeof(*d)) : NULL;
    if (d)
        d->disk = disk_new(fd, (uint64_t)args_int(r->args, "drive-size-limit"));
    else if (fd >= 0)
        close(fd);
    r->drive = d;
    if (!d || !d->disk)
        return err_set(e, STATUS_SERVER_BUSY, "there is no room for a drive");
    d->irps = (struct drive){ .disk = d->disk, .written = on_written, .arg = d };
    disk_make(d->disk, DOWNLOADS, true, &downloads);
    return 0;
}

bool rdp_drive_load(struct rdp *r) {
    rdpContext *c = r->context;
    return !r->drive || freerdp_settings_get_bool(c->settings, FreeRDP_DeviceRedirection) ||
           freerdp_channels_client_load_ex(c->channels, c->settings, rdp_drive_entry,
                                           c->settings) == 0;
}

int rdp_drive_show(struct rdp *r, struct err *e) {
    const struct files_conf conf = { .name = args_str(r->args, "drive-name"),
                                     .disable_download = "disable-download",
                                     .disable_upload = "disable-upload" };
    if (!r->drive)
        return 0;
    r->drive->files = files_open(r->session, &conf, &impl, r->drive, e);
    return r->drive->files ? 0 : -1;
}

int rdp_drive_fd(const struct rdp *r) {
    return r->drive && r->drive->files ? files_fd(r->drive->files) : -1;
}

void rdp_drive_serve(struct rdp *r) {
    if (r->drive)
        files_dispatch(r->drive->files);
}

void rdp_drive_end(struct rdp *r) {
    struct rdp_drive *d = r->drive;
    if (!d)
        return;
    files_close(d->files, "The session has ended, and its drive with it.");
    d->files = NULL;
    drive_close_all(&d->irps);
    disk_free(d->disk);
    free(d);
    r->drive = NULL;
}
