/* The handshake as guacd-session sees it. Rows decide which opcode is expected when: a known one at
 * the wrong time is refused, an unknown one is ignored, as the protocol says. */
#include "guacd/proto/handshake.h"

#include "guacd/base/enc.h"
#include "guacd/proto/handshake_part.h"
#include "guacd/proto/status.h"

/* What a gateway means by an empty value, where it differs from stock mode's default. */
static const struct { const char *name, *value; } gateway_defaults[] = { { "grace", "60" } };

enum state { START = 1, SELECTED = 2, COLLECT = 4, DONE = 8, FAILED = 16 };

struct step {
    const char *opcode;
    int when; /* states */
    enum handshake_result (*take)(struct handshake_server *h, const struct instr *in,
                                  struct err *e);
};

void handshake_server_init(struct handshake_server *h, bool gateway) {
    *h = (struct handshake_server){ .gateway = gateway, .state = START };
    handshake_info_init(&h->info);
    buf_init(&h->part, INSTR_BYTES_MAX);
    h->part.secret = true;
}

void handshake_server_fini(struct handshake_server *h) {
    args_free(h->args);
    h->args = NULL;
    buf_wipe(&h->part);
}

static enum handshake_result bad(struct err *e, const char *why) {
    err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s", why);
    return HANDSHAKE_BAD;
}

static enum handshake_result take_select(struct handshake_server *h, const struct instr *in,
                                         struct err *e) {
    if (in->argc != 1 || !in->argv[0].len)
        return bad(e, "select without exactly one protocol or session");
    for (size_t i = 0; i < in->argv[0].len; i++)
        if (in->argv[0].data[i] <= 0x20 || in->argv[0].data[i] > 0x7E)
            return bad(e, "select of a name that no protocol or session has");
    if (!instr_to_str(in->argv[0], h->select, sizeof(h->select)))
        return bad(e, "select of a name that is too long");
    h->state = SELECTED;
    return HANDSHAKE_SELECTED;
}

static enum handshake_result take_size(struct handshake_server *h, const struct instr *in,
                                       struct err *e) {
    (void)e;
    struct handshake_info *i = &h->info;
    if (in->argc > 0)
        i->width = handshake_pixels(in->argv[0].data, in->argv[0].len, i->width);
    if (in->argc > 1)
        i->height = handshake_pixels(in->argv[1].data, in->argv[1].len, i->height);
    if (in->argc > 2)
        i->dpi = handshake_dpi(in->argv[2].data, in->argv[2].len, i->dpi);
    return HANDSHAKE_MORE;
}

static enum handshake_result take_list(struct handshake_list *l, const struct instr *in,
                                       size_t from) {
    l->count = 0;
    for (size_t i = from; i < in->argc; i++)
        handshake_add(l, in->argv[i].data, in->argv[i].len);
    return HANDSHAKE_MORE;
}

static enum handshake_result take_audio(struct handshake_server *h, const struct instr *in,
                                        struct err *e) {
    (void)e;
    return take_list(&h->info.audio, in, 0);
}

static enum handshake_result take_video(struct handshake_server *h, const struct instr *in,
                                        struct err *e) {
    (void)e;
    return take_list(&h->info.video, in, 0);
}

static enum handshake_result take_image(struct handshake_server *h, const struct instr *in,
                                        struct err *e) {
    (void)e;
    return take_list(&h->info.image, in, 0);
}

static enum handshake_result take_timezone(struct handshake_server *h, const struct instr *in,
                                           struct err *e) {
    (void)e;
    if (in->argc)
        handshake_timezone(in->argv[0].data, in->argv[0].len, h->info.timezone);
    return HANDSHAKE_MORE;
}

static enum handshake_result take_name(struct handshake_server *h, const struct instr *in,
                                       struct err *e) {
    (void)e;
    if (in->argc)
        handshake_name(in->argv[0].data, in->argv[0].len, h->info.name, sizeof(h->info.name));
    return HANDSHAKE_MORE;
}

static enum handshake_result take_client(struct handshake_server *h, const struct instr *in,
                                         struct err *e) {
    (void)e;
    if (!in->argc)
        return HANDSHAKE_MORE;
    handshake_name(in->argv[0].data, in->argv[0].len, h->info.client, sizeof(h->info.client));
    return take_list(&h->info.features, in, 1);
}

/* The peer's version, as far as we speak it. */
static bool take_version(struct handshake_server *h, struct slice s) {
    unsigned v = HANDSHAKE_1_0_0; /* knew nothing of versions, and so left that value empty */
    if (s.len && !handshake_version(s, &v))
        return false;
    h->info.version = MIN_OF(MAX_OF(v, HANDSHAKE_1_0_0), HANDSHAKE_1_5_0);
    return true;
}

static void skip(struct handshake_server *h, const char *name) {
    size_t n = strlen(h->skipped), more = strlen(name);
    if (n + more + 2 > sizeof(h->skipped))
        return;
    if (n)
        h->skipped[n++] = ' ';
    memcpy(h->skipped + n, name, more + 1);
}

/* One value by its row: 0, or -1 with e. */
static int take_value(struct handshake_server *h, struct args *args, const struct arg_spec *row,
                      struct slice s, struct err *e) {
    if (!s.len || ((row->flags & ARG_GATEWAY) && !h->gateway))
        return 0;
    if ((row->flags & ARG_LOCAL) && h->gateway)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "parameter %s names files of guacd itself, which a gateway's sessions do "
                       "not get",
                       row->name);
    struct err why = { 0 };
    if (args_set(args, row->name, s.data, s.len, &why))
        return 0;
    bool excused = !h->gateway && (row->type == ARG_INT || row->type == ARG_ENUM);
    if (excused && why.status == STATUS_CLIENT_BAD_REQUEST) {
        skip(h, row->name);
        return 0;
    }
    return err_set(e, why.status, "%s", why.text);
}

static enum handshake_result take_connect(struct handshake_server *h, const struct instr *in,
                                          struct err *e) {
    size_t rows = 0;
    while (protocol_arg(h->protocol, rows))
        rows++;
    if (in->argc != rows + 1) {
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "connect with %zu values where args named %zu",
                in->argc, rows + 1);
        return HANDSHAKE_BAD;
    }
    if (!take_version(h, in->argv[0]))
        return bad(e, "connect with a first value that is no version");
    struct args *args = args_new(h->protocol);
    int r = args ? 0 : err_set(e, STATUS_SERVER_ERROR, "no memory for the parameters");
    for (size_t i = 0; h->gateway && r == 0 && i < ARRAY_LEN(gateway_defaults); i++)
        r = args_set(args, gateway_defaults[i].name, gateway_defaults[i].value,
                     strlen(gateway_defaults[i].value), e)
                ? 0
                : -1;
    for (size_t i = 0; i < rows && r == 0; i++)
        r = take_value(h, args, protocol_arg(h->protocol, i), in->argv[i + 1], e);
    if (r < 0) {
        args_free(args);
        return HANDSHAKE_BAD;
    }
    h->args = args;
    h->state = DONE;
    return HANDSHAKE_CONNECTED;
}

static enum handshake_result take_disconnect(struct handshake_server *h, const struct instr *in,
                                             struct err *e) {
    (void)h, (void)in;
    err_set(e, STATUS_RESOURCE_CLOSED, "the client left before it was connected");
    return HANDSHAKE_BAD;
}

static const struct step steps[] = {
    { "select", START, take_select },     { "size", COLLECT, take_size },
    { "audio", COLLECT, take_audio },     { "video", COLLECT, take_video },
    { "image", COLLECT, take_image },     { "timezone", COLLECT, take_timezone },
    { "name", COLLECT, take_name },       { "client", COLLECT, take_client },
    { "connect", COLLECT, take_connect }, { "disconnect", START | COLLECT, take_disconnect },
};

static enum handshake_result dispatch(struct handshake_server *h, const struct instr *in,
                                      struct err *e) {
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (!slice_is(in->opcode, steps[i].opcode))
            continue;
        if (steps[i].when & h->state)
            return steps[i].take(h, in, e);
        err_set(e, STATUS_CLIENT_BAD_REQUEST, "%s %s", steps[i].opcode,
                h->state == START ? "before select" : "after select");
        return HANDSHAKE_BAD;
    }
    return HANDSHAKE_MORE;
}

enum handshake_result handshake_server_feed(struct handshake_server *h, const char *data,
                                            size_t len, size_t *used, struct err *e) {
    *used = 0;
    if (h->state == FAILED)
        return bad(e, "the handshake has failed");
    while (*used < len && (h->state & (START | COLLECT))) {
        struct instr in;
        size_t taken = 0;
        enum instr_result whole = handshake_collect(&h->part, &h->bytes, !h->gateway, data + *used,
                                                    len - *used, &taken, &in, e);
        *used += taken;
        if (whole == INSTR_MORE)
            continue;
        enum handshake_result r = whole == INSTR_BAD ? HANDSHAKE_BAD : dispatch(h, &in, e);
        buf_clear(&h->part);
        if (r == HANDSHAKE_BAD)
            h->state = FAILED;
        if (r != HANDSHAKE_MORE)
            return r;
    }
    return HANDSHAKE_MORE;
}

int handshake_server_args(struct handshake_server *h, const struct protocol *p, struct buf *out) {
    h->protocol = p;
    h->state = COLLECT;
    if (instr_begin(out, "args") < 0 || handshake_put_version(out, HANDSHAKE_1_5_0) < 0)
        return -1;
    const struct arg_spec *row;
    for (size_t i = 0; (row = protocol_arg(p, i)); i++)
        if (instr_str(out, row->name) < 0)
            return -1;
    return instr_end(out);
}
