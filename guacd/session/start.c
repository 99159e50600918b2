/* From `select` to the backend's thread: loads the backend, opens the control socket, narrows the
 * sandbox while this is still the only thread, says `ready`. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"
#include "guacd/session/typescript.h"

#define PORTS_MAX 8
#define CLIPBOARD_GATEWAY (16u << 20) /* unless the connection says otherwise */

static int load_backend(struct session *s, const char *name, struct err *e) {
    const struct protocol *p = protocol_find(name);
    if (!p)
        return err_set(e, STATUS_UNSUPPORTED, "protocol %s is not known here", name);
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.so", s->options->backends, p->name);
    s->so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!s->so) {
        log_error("%s", dlerror());
        return err_set(e, STATUS_UNSUPPORTED, "protocol %s is not installed here", p->name);
    }
    s->backend = dlsym(s->so, "backend");
    if (!s->backend || !s->backend->open || !s->backend->run || !s->backend->close)
        return err_set(e, STATUS_SERVER_ERROR, "%s is no backend", path);
    s->state = calloc(1, MAX_OF(s->backend->state_size, (size_t)1));
    if (!s->state)
        return err_set(e, STATUS_SERVER_BUSY, "no memory for the backend");
    s->protocol = p;
    return s->backend->warm ? s->backend->warm(s->state, e) : 0;
}

void start_selected(struct user *u) {
    struct session *s = u->s;
    if (u->hs->select[0] == '$') {
        join_sibling(u, u->hs->select + 1);
        return;
    }
    struct err e = { 0 };
    if (load_backend(s, u->hs->select, &e) < 0) {
        log_warning("select: %s", e.text);
        life_end(s, e.status, "%s", e.text);
        return;
    }
    _buf_cleanup_ struct buf b;
    buf_init(&b, INSTR_BYTES_MAX);
    if (handshake_server_args(u->hs, s->protocol, &b) == 0)
        user_send_buf(u, &b);
}

/* ---- after `connect` ----------------------------------------------------------------------- */

static void read_policy(struct session *s) {
    const struct args *a = s->args;
    s->read_only = args_bool(a, "read-only");
    s->copy = !args_bool(a, "disable-copy");
    s->paste = !args_bool(a, "disable-paste");
    s->clipboard_max = (size_t)args_int(a, "clipboard-buffer-size");
    if (s->gateway && !args_is_set(a, "clipboard-buffer-size"))
        s->clipboard_max = CLIPBOARD_GATEWAY;
    if (!s->gateway)
        return;
    s->copy = s->copy && args_bool(a, "allow-copy");
    s->paste = s->paste && args_bool(a, "allow-paste");
    s->helper_files = args_bool(a, "helper-files");
    snprintf(s->connection, sizeof(s->connection), "%s", args_str(a, "connection"));
    snprintf(s->owner_sub, sizeof(s->owner_sub), "%s", args_str(a, "owner"));
    snprintf(s->owner_name, sizeof(s->owner_name), "%s", args_str(a, "owner-name"));
}

static int choose_id(struct session *s, struct err *e) {
    if (!s->gateway) {
        uuid_v4(s->id);
    } else {
        const char *id = args_str(s->args, "session");
        if (!uuid_valid(id, strlen(id)))
            return err_set(e, STATUS_CLIENT_BAD_REQUEST, "parameter session is no UUID");
        snprintf(s->id, sizeof(s->id), "%s", id);
    }
    log_set_session(s->id);
    s->started_wall_ms = clock_wall_ms();
    s->zero_wall_ms = s->started_wall_ms;
    if (s->gateway && args_is_set(s->args, "started"))
        s->zero_wall_ms = MIN_OF((uint64_t)args_int(s->args, "started"), s->started_wall_ms);
    return 0;
}

/* Stage A2: this connection's ports, no run/. */
static int narrow(struct session *s, struct err *e) {
    uint16_t ports[PORTS_MAX + 1], own[PORTS_MAX];
    size_t count = s->backend->ports ? s->backend->ports(s->args, ports, PORTS_MAX) : 0;
    size_t listens = s->backend->listens ? s->backend->listens(s->args, own, PORTS_MAX) : 0;
    if (count > 0)
        ports[count++] = 53; /* names may have to be asked for by TCP */
    const struct sandbox_path paths[] = { { s->options->backends, SANDBOX_READ } };
    const struct sandbox_profile profile = {
        .paths = paths,
        .path_count = ARRAY_LEN(paths),
        .connect_ports = ports,
        .connect_port_count = count,
        .bind_ports = own,
        .bind_port_count = listens,
        .libraries = true,
        .fonts = true,
        .tls = true,
    };
    return sandbox_narrow(&profile, e);
}

/* Without it the session goes on: it is the backend's to say what is missing then. */
static void ask_storage(struct session *s) {
    struct err e = { 0 };
    if (!s->backend->stores || !s->backend->stores(s->args))
        return;
    s->storage = channel_ask(s, CHILD_OP_STORAGE, s->id, &e);
    if (s->storage < 0)
        log_warning("storage: %s", e.text);
}

/* Nothing known is not an error: then this is the first use. That guacd cannot say is one: whoever
 * comes would be the first. */
static int ask_known(struct session *s, struct err *e) {
    if (!s->backend->remembers ||
        !s->backend->remembers(s->args, s->known_name, sizeof(s->known_name)))
        return 0;
    return channel_known(s, e) < 0 ? (err_prefix(e, "cert-tofu"), -1) : 0;
}

static int begin(struct session *s, struct user *u, struct err *e) {
    s->args = u->hs->args;
    u->hs->args = NULL;
    read_policy(s);
    if (choose_id(s, e) < 0)
        return -1;
    s->first_width = u->hs->info.width;
    s->first_height = u->hs->info.height;
    s->first_dpi = u->hs->info.dpi;
    memcpy(s->timezone, u->hs->info.timezone, sizeof(s->timezone));
    if (u->hs->skipped[0])
        log_warning("parameters with values that make no sense: %s", u->hs->skipped);
    life_connected(s);
    if (record_start(s, e) < 0 || control_listen(s, e) < 0 || record_to_file(s, e) < 0 ||
        typescript_open(s, e) < 0)
        return -1;
    ask_storage(s);
    if (ask_known(s, e) < 0 || narrow(s, e) < 0)
        return -1;
    snprintf(u->sub, sizeof(u->sub), "%s", s->owner_sub);
    if (s->owner_name[0])
        snprintf(u->name, sizeof(u->name), "%s", s->owner_name);
    return 0;
}

/* What everyone is told and gets once his handshake is over. */
static void become_live(struct user *u) {
    struct session *s = u->s;
    const struct handshake_info *i = &u->hs->info;
    u->version = i->version;
    /* Stock daemons send JPEG unasked: who names no type at all expects that. */
    u->caps.jpeg = i->image.count == 0 || handshake_has(&i->image, "image/jpeg");
    u->caps.webp = handshake_has(&i->image, "image/webp");
    u->audio_l8 = handshake_has(&i->audio, "audio/L8");
    u->audio_l16 = handshake_has(&i->audio, "audio/L16");
    u->ours = i->client[0] != '\0';
    u->text = u->ours && handshake_has(&i->features, "text");
    if (!u->name[0])
        snprintf(u->name, sizeof(u->name), "%s", i->name);
    args_free(u->hs->args);
    u->hs->args = NULL;
    handshake_server_fini(u->hs);
    free(u->hs);
    u->hs = NULL;
    u->number = ++s->last_number;
    if (u->text)
        atomic_fetch_add(&s->text_readers, 1);
    u->phase = USER_LIVE;
    u->heard_ms = clock_ms();
    log_info("%s %u joined%s%s", role_name(u->role), u->number, u->name[0] ? ": " : "", u->name);
    _buf_cleanup_ struct buf b;
    buf_init(&b, 256);
    handshake_put_ready(&b, s->id);
    user_send_buf(u, &b);
}

static void take_ownership(struct user *u) {
    struct session *s = u->s;
    struct user *old = s->owner;
    s->owner = u;
    if (old) {
        old->role = ROLE_VIEWER; /* his leaving is not the owner's */
        user_end(old, STATUS_SESSION_CONFLICT, "The session was opened in another window.");
    }
    life_owner_back(s);
}

void start_connected(struct user *u) {
    struct session *s = u->s;
    struct err e = { 0 };
    bool first = !s->id[0];
    if (first && begin(s, u, &e) < 0) {
        log_error("start: %s", e.text);
        life_end(s, e.status, "%s", e.text);
        return;
    }
    if (s->ending) {
        user_end(u, STATUS_SESSION_CLOSED, "The session is over.");
        return;
    }
    bool owner = first || u->role == ROLE_OWNER;
    if (owner && !first && s->owner && !u->replaces) {
        user_end(u, STATUS_SESSION_CONFLICT, "The owner is there already.");
        return;
    }
    if (owner)
        take_ownership(u);
    /* He may ask for less than he was given, never for more than the owner may. */
    if (s->read_only || (!first && args_bool(u->hs->args, "read-only")))
        u->role = ROLE_VIEWER;
    become_live(u);
    notify_welcome(u); /* opens the pipes that what follows is written to */
    notify_joined(u);
    files_user(u);
    if (first && thread_start(s, &e) < 0) {
        life_end(s, e.status, "%s", e.text);
        return;
    }
    if (owner && !first)
        ask_repeat(u);
    life_tick(s);
    frames_pump(s);
}

void start_joined(struct user *u) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, INSTR_BYTES_MAX);
    if (handshake_server_args(u->hs, u->s->protocol, &b) < 0)
        user_drop(u, "no memory");
    else
        user_send_buf(u, &b);
    life_tick(u->s);
}

/* By the control socket: an owner is made by giving the place of the one before. */
void start_role(struct user *u, enum role role) {
    struct session *s = u->s;
    struct user *old = s->owner;
    if (role == ROLE_OWNER && old != u) {
        s->owner = u;
        if (old) {
            old->role = s->read_only ? ROLE_VIEWER : ROLE_HELPER;
            notify_role(old);
            files_user(old);
        }
        life_owner_back(s);
    } else if (role != ROLE_OWNER && old == u) {
        role = ROLE_OWNER; /* a session keeps its owner until another one is named */
    }
    u->role = s->read_only ? ROLE_VIEWER : role;
    notify_role(u);
    files_user(u);
    record_event(s, json_pack("{s:s,s:i,s:s}", "event", "role", "user", (int)u->number, "role",
                              role_name(role)));
    if (role == ROLE_OWNER)
        ask_repeat(u);
}
