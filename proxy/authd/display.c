/* One row a key. */
#include "proxy/authd/display.h"

#include <string.h>

#include "crd/field.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define WIDTH_DEFAULT 1024
#define HEIGHT_DEFAULT 768
#define PIXELS_MIN 64 /* below this no target draws anything useful */

static void set_connection(struct display *d, const char *value) {
    const char *slash = strchr(value, '/');
    if (!slash || (size_t)(slash - value) >= sizeof d->namespace ||
        strlen(slash + 1) >= sizeof d->name)
        return;
    memcpy(d->namespace, value, (size_t)(slash - value));
    d->namespace[slash - value] = '\0';
    memcpy(d->name, slash + 1, strlen(slash + 1) + 1);
    if (!field_is_label(d->namespace) || !field_is_subdomain(d->name))
        d->namespace[0] = d->name[0] = '\0';
}

static void set_session(struct display *d, const char *value) {
    if (uuid_valid(value, strlen(value)))
        memcpy(d->session, value, UUID_LEN + 1);
}

/* Apache's GUAC_ID is either. */
static void set_id(struct display *d, const char *value) {
    set_connection(d, value);
    set_session(d, value);
}

static int pixels(const char *value, int fallback) {
    return MAX_OF(handshake_pixels(value, strlen(value), fallback), PIXELS_MIN);
}
static void set_width(struct display *d, const char *value) {
    d->info.width = pixels(value, WIDTH_DEFAULT);
}
static void set_height(struct display *d, const char *value) {
    d->info.height = pixels(value, HEIGHT_DEFAULT);
}
static void set_dpi(struct display *d, const char *value) {
    d->info.dpi = handshake_dpi(value, strlen(value), HANDSHAKE_DPI_DEFAULT);
}

/* Printable ASCII without what ends an element; so much that nobody has to know MIME. */
static bool plain(const char *value) {
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return false;
    return *value != '\0';
}
static void add(struct handshake_list *l, const char *value) {
    if (plain(value))
        handshake_add(l, value, strlen(value));
}
static void set_audio(struct display *d, const char *value) {
    add(&d->info.audio, value);
}
static void set_video(struct display *d, const char *value) {
    add(&d->info.video, value);
}
static void set_image(struct display *d, const char *value) {
    add(&d->info.image, value);
}
static void set_timezone(struct display *d, const char *value) {
    handshake_timezone(value, strlen(value), d->info.timezone);
}
static void set_client(struct display *d, const char *value) {
    if (plain(value) && strlen(value) < sizeof d->info.client)
        memcpy(d->info.client, value, strlen(value) + 1);
}
static void set_feature(struct display *d, const char *value) {
    add(&d->info.features, value);
}

/* A choice that cannot be a name is told as none: the connection then says what is missing. */
static void choose(char *out, size_t size, const char *value, bool good) {
    size_t n = strlen(value);
    if (good && n < size)
        memcpy(out, value, n + 1);
}
static void set_kube_namespace(struct display *d, const char *value) {
    choose(d->kube.namespace, sizeof d->kube.namespace, value, field_is_label(value));
}
static void set_kube_pod(struct display *d, const char *value) {
    choose(d->kube.pod, sizeof d->kube.pod, value, field_is_subdomain(value));
}
static void set_kube_container(struct display *d, const char *value) {
    choose(d->kube.container, sizeof d->kube.container, value, field_is_label(value));
}
static void set_kube_command(struct display *d, const char *value) {
    choose(d->kube.command, sizeof d->kube.command, value, true);
}
static void set_role(struct display *d, const char *value) {
    static const char *const known[] = { "owner", "helper", "viewer" };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i], value) == 0)
            memcpy(d->role, value, strlen(value) + 1);
}

static const struct {
    const char *key, *apache; /* NULL: it has none */
    void (*set)(struct display *d, const char *value);
} rows[] = {
    { "connection", NULL, set_connection },
    { "session", NULL, set_session },
    { "id", "GUAC_ID", set_id },
    { "role", NULL, set_role },
    { "width", "GUAC_WIDTH", set_width },
    { "height", "GUAC_HEIGHT", set_height },
    { "dpi", "GUAC_DPI", set_dpi },
    { "audio", "GUAC_AUDIO", set_audio },
    { "video", "GUAC_VIDEO", set_video },
    { "image", "GUAC_IMAGE", set_image },
    { "timezone", "GUAC_TIMEZONE", set_timezone },
    { "client", "GUAC_CLIENT", set_client },
    { "feature", NULL, set_feature },
    { "namespace", NULL, set_kube_namespace },
    { "pod", NULL, set_kube_pod },
    { "container", NULL, set_kube_container },
    { "command", NULL, set_kube_command },
};

int display_read(const struct query *q, struct display *out, struct err *e) {
    struct display d = { 0 };
    handshake_info_init(&d.info);
    d.info.width = WIDTH_DEFAULT;
    d.info.height = HEIGHT_DEFAULT;
    d.info.dpi = HANDSHAKE_DPI_DEFAULT;
    for (size_t i = 0; i < q->count; i++)
        for (size_t r = 0; r < ARRAY_LEN(rows); r++)
            if (strcmp(q->items[i].name, rows[r].key) == 0 ||
                (rows[r].apache && strcmp(q->items[i].name, rows[r].apache) == 0))
                rows[r].set(&d, q->items[i].value);
    if (!*d.session == !*d.name)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "The address names no connection and no session, or both.");
    if (d.info.image.count == 0) {
        handshake_add(&d.info.image, "image/png", 9);
        handshake_add(&d.info.image, "image/jpeg", 10);
    }
    *out = d;
    return 0;
}
