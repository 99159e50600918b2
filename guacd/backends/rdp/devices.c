#include "guacd/backends/rdp/devices.h"

#include <string.h>

#include "guacd/backends/clip/clip.h"
#include "guacd/backends/rdp/bytes.h"
#include "guacd/backends/rdp/drive_irp.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"

/* MS-RDPEFS 2.2.1.1 */
#define CORE 0x4472u
enum {
    SERVER_ANNOUNCE = 0x496E,
    CLIENT_ID = 0x4343, /* reply and confirmation */
    CLIENT_NAME = 0x434E,
    SERVER_CAPABILITY = 0x5350,
    CLIENT_CAPABILITY = 0x4350,
    DEVICE_LIST = 0x4441,
    DEVICE_REPLY = 0x6472,
    LOGGED_ON = 0x554C,
    REQUEST = 0x4952,
    COMPLETION = 0x4943,
};

enum { VERSION_MAJOR = 1, VERSION_MINOR = 12, GENERAL = 1, DRIVE = 4, FILE_SYSTEM = 8 };
#define DRIVE_ID 1u
#define PDU_LOGGED_ON 4u
#define CLIENT_PDUS 7u /* device removal, client's name, logged on */
#define BODY_MAX (DRIVE_ANSWER_MAX + 64)
#define NAME_SENT_MAX 64

static void head(struct buf *out, uint16_t packet) {
    buf_init(out, BODY_MAX);
    bytes_put(out, CORE, 2);
    bytes_put(out, packet, 2);
}

static void send(struct devices *d, struct buf *out) {
    if (!out->failed)
        d->send(d->arg, out->data, out->len);
    buf_fini(out);
}

static void introduce(struct devices *d) {
    struct buf out, name;
    head(&out, CLIENT_ID);
    bytes_put(&out, VERSION_MAJOR, 2);
    bytes_put(&out, MIN_OF(d->minor, (uint16_t)VERSION_MINOR), 2);
    bytes_put(&out, d->client, 4);
    send(d, &out);
    buf_init(&name, 1024);
    clip_from_utf8(CLIP_UTF16, d->computer, strlen(d->computer), &name);
    buf_add(&name, "\0", 2);
    head(&out, CLIENT_NAME);
    bytes_put(&out, 1, 4); /* Unicode */
    bytes_put(&out, 0, 4);
    bytes_put(&out, name.len, 4);
    buf_add(&out, name.data ? name.data : "", name.len);
    buf_fini(&name);
    send(d, &out);
}

static void read_capabilities(struct devices *d, struct bytes *in) {
    uint64_t count = bytes_get(in, 2);
    bytes_skip(in, 2);
    for (; count > 0 && in->left >= 8; count--) {
        uint64_t type = bytes_get(in, 2), len = bytes_get(in, 2);
        bytes_skip(in, 4);
        struct bytes one = { in->p, MIN_OF(in->left, (size_t)(len >= 8 ? len - 8 : 0)), false };
        bytes_skip(in, one.left);
        if (type != GENERAL)
            continue;
        bytes_skip(&one, 4 + 4 + 2 + 2 + 4 + 4);
        d->tells_logon = bytes_get(&one, 4) & PDU_LOGGED_ON;
    }
}

static void send_capabilities(struct devices *d) {
    static const struct {
        uint32_t value;
        unsigned bytes;
    } rows[] = {
        { 2, 2 },
        { 0, 2 }, /* how many */
        { GENERAL, 2 },
        { 44, 2 },
        { 2, 4 }, /* version */
        { 2, 4 },
        { 0, 4 },
        { VERSION_MAJOR, 2 },
        { VERSION_MINOR, 2 },
        { 0xFFFF, 4 },
        { 0, 4 }, /* which requests */
        { CLIENT_PDUS, 4 },
        { 1, 4 },
        { 0, 4 }, /* answers in any order */
        { 0, 4 },
        { DRIVE, 2 },
        { 8, 2 },
        { 2, 4 },
    };
    struct buf out;
    head(&out, CLIENT_CAPABILITY);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        bytes_put(&out, rows[i].value, rows[i].bytes);
    send(d, &out);
}

/* Letters that 2.2.1.3 allows; what it does not becomes '_'. */
static size_t sent_name(const char *name, char out[NAME_SENT_MAX]) {
    size_t n = 0;
    for (; name[n] && n < NAME_SENT_MAX - 1; n++) {
        unsigned char c = (unsigned char)name[n];
        out[n] = (char)(c <= 0x20 || c > 0x7E || strchr(":<>\"/\\|", c) ? '_' : c);
    }
    out[n] = '\0';
    return n + 1;
}

static void announce(struct devices *d) {
    if (!d->drive || d->announced)
        return;
    char name[NAME_SENT_MAX] = "", dos[8] = "";
    size_t len = sent_name(d->name, name);
    memcpy(dos, name, MIN_OF(len - 1, sizeof(dos)));
    struct buf out;
    head(&out, DEVICE_LIST);
    bytes_put(&out, 1, 4);
    bytes_put(&out, FILE_SYSTEM, 4);
    bytes_put(&out, DRIVE_ID, 4);
    buf_add(&out, dos, sizeof(dos));
    bytes_put(&out, len, 4);
    buf_add(&out, name, len);
    send(d, &out);
    d->announced = true;
}

static void on_request(struct devices *d, struct bytes *in) {
    uint32_t device = bytes_u32(in), file = bytes_u32(in), completion = bytes_u32(in);
    struct drive_request q = { .file = file };
    q.major = bytes_u32(in);
    q.minor = bytes_u32(in);
    q.data = in->p;
    q.len = in->left;
    if (in->bad || device != DRIVE_ID || !d->drive)
        return;
    struct buf body, out;
    buf_init(&body, DRIVE_ANSWER_MAX);
    uint32_t status = drive_answer(d->drive, &q, &body);
    if (status != DRIVE_SILENT && !body.failed) {
        head(&out, COMPLETION);
        bytes_put(&out, device, 4);
        bytes_put(&out, completion, 4);
        bytes_put(&out, status, 4);
        buf_add(&out, body.data ? body.data : "", body.len);
        send(d, &out);
    }
    buf_fini(&body);
}

void devices_hear(struct devices *d, const void *data, size_t len) {
    struct bytes in = { data, len, false };
    uint64_t component = bytes_get(&in, 2), packet = bytes_get(&in, 2);
    if (in.bad || component != CORE)
        return;
    switch (packet) {
    case SERVER_ANNOUNCE: /* again after a login, with some servers */
        bytes_skip(&in, 2);
        d->minor = (uint16_t)bytes_get(&in, 2);
        d->client = bytes_u32(&in);
        d->announced = d->tells_logon = false;
        if (d->drive)
            drive_close_all(d->drive);
        introduce(d);
        break;
    case SERVER_CAPABILITY:
        read_capabilities(d, &in);
        send_capabilities(d);
        break;
    case CLIENT_ID:
        if (!d->tells_logon)
            announce(d);
        break;
    case LOGGED_ON:
        announce(d);
        break;
    case DEVICE_REPLY:
        bytes_skip(&in, 4);
        log_debug("the RDP server answers to the drive with 0x%08X", bytes_u32(&in));
        break;
    case REQUEST:
        on_request(d, &in);
        break;
    default:
        break;
    }
}
